"""Alerts at the desk: what staff are told, and what support sees of accounts' endpoints and logs."""

import re

from django.test.utils import override_settings

from tests.web.desk.conftest import Desk, words
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.alerts import endpoint, log, people
from tollbook.alerts.tables import Endpoint, Recipient


def test_the_operators_address_gets_everything_until_somebody_chooses(desk: Desk) -> None:
    with override_settings(OPERATOR={"name": "Tollbook", "email": "ops@operator.example", "accent": "#1f5fbf"}):
        assert "ops@operator.example The usual address Everything" in desk.read("/desk/alerts/")
        desk.client.post("/desk/alerts/addresses/new/", {"address": "noc@operator.example", "kinds": ["refill.stopped"]})
        assert set(people.addresses(None, "refill.stopped")) == {"ops@operator.example", "noc@operator.example"}
        row = Recipient.objects.get()
        desk.client.post(f"/desk/alerts/addresses/{row.id}/", {"kinds": ["refill.unresolved"]})
        assert people.addresses(None, "refill.stopped") == ["ops@operator.example"]


def test_the_operator_has_endpoints_of_its_own(desk: Desk) -> None:
    new = "/desk/alerts/webhooks/new/"
    typed = desk.fill(new, url="https://ops.example/hook", description="", kinds=["refill.stopped"])
    page = desk.client.post(new, typed | {"confirmed": "yes"})
    assert re.search(r'value="whsec_[^"]+"', page.content.decode())
    made = Endpoint.objects.get()
    assert made.account_id == OPERATOR_ID
    assert "https://ops.example/hook" in desk.read("/desk/alerts/")
    assert AuditEntry.objects.get(action="endpoint.add").account_id == OPERATOR_ID


def test_support_sees_an_accounts_endpoint_and_log_and_sends_again(desk: Desk, northwind: Account) -> None:
    made, _ = endpoint.add(northwind.id, "https://hooks.example/a", ["wallet.low"], SYSTEM)
    delivery_id = log.test(northwind.id, made.id, SYSTEM)
    assert "https://hooks.example/a" in desk.read("/desk/alerts/")
    assert "Send a test event" in desk.read(f"/desk/alerts/webhooks/{made.id}/")
    assert "hooks.example" in desk.read("/desk/alerts/log/", account="northwind")
    assert "hooks.example" not in desk.read("/desk/alerts/log/")
    assert "Not tried yet" in desk.read(f"/desk/alerts/log/{delivery_id}/")
    again = desk.client.post(f"/desk/alerts/log/{delivery_id}/again/", follow=True)
    assert "waiting to be sent anyway" in words(again)
    assert "Switched off" in words(desk.client.post(f"/desk/alerts/webhooks/{made.id}/switch/?to=off", follow=True))
    [entry] = AuditEntry.objects.filter(action="endpoint.switch")
    assert entry.account_id == northwind.id and entry.actor_name == "support@tollbook.example"
