"""Alerts as an account's admins see them: who gets what, levels, endpoints whose secret is shown once, the log."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.test import Client

from tests.alerts.receivers import open_to_this_machine, receiving
from tests.cast import funded
from tests.people import People, grant, people
from tests.web.portal.test_credits import signed_in, words
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.alerts import deliver, endpoint, kinds, log, notify
from tollbook.alerts.observe import Fact
from tollbook.alerts.people import addresses, choose_address
from tollbook.alerts.tables import Delivery, Endpoint, Recipient, WalletLevels
from tollbook.wallets.wallet import open_wallets

ALERTS = "/billing/alerts/"
NEW = f"{ALERTS}webhooks/new/"
TYPED = {"url": "https://hooks.example/billing", "description": "ERP", "kinds": ["invoice.issued", "wallet.low"]}


@pytest.fixture
def them(db, static_files) -> People:
    them = people()
    for account in (them.northwind, them.contoso):
        open_wallets(account)
        funded(account, amount="100")
    grant(them.owner, them.admin, payments="r", credits="r")
    return them


def read(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return response.content.decode()


def hidden(html: str) -> dict[str, list[str]]:
    """The hidden fields of the page's form, several with one name included."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', html[html.index("<main") :]):
        if name != "csrfmiddlewaretoken":
            found.setdefault(unescape(name), []).append(unescape(value))
    return found


def added(client: Client) -> str:
    """An endpoint added by form, review and confirmation; the page that shows its secret."""
    token = hidden(read(client, NEW))["token"]
    review = client.post(NEW, TYPED | {"token": token}).content.decode()
    assert "Review: add a webhook endpoint" in words(review) and Endpoint.objects.count() == 0
    return client.post(NEW, hidden(review)).content.decode()


def test_the_page_says_who_gets_what_and_what_is_usual(them) -> None:
    Account.objects.filter(id=them.northwind.id).update(billing_email="ap@northwind.example")
    said = words(read(signed_in(them.owner), ALERTS))
    assert "No mail server is set up" in said
    assert "owner@northwind.example Super-Admin Everything Nobody chose: the usual." in said
    usual = "Payment failed, Payment to confirm, Payment received, Invoice issued, Invoice reminder"
    assert f"ap@northwind.example The usual address {usual}" in said
    assert "Outbound Minutes The usual ones" in said and "No endpoints yet" in said


def test_a_user_gets_what_is_ticked_and_may_be_read(them) -> None:
    client, path = signed_in(them.owner), f"{ALERTS}users/{them.admin.id}/"
    html = read(client, path)
    assert "Low balance: a wallet" in html and "Invoice issued" not in html, "the admin may not read invoices"
    assert client.post(path, {"kinds": ["wallet.low", "refill.declined"]}).status_code == 302
    assert client.post(path, {"kinds": ["invoice.issued"]}).status_code == 400
    assert addresses(them.northwind, "wallet.low") == ["admin@northwind.example", "owner@northwind.example"]
    assert "Low balance, Refill declined" in words(read(client, ALERTS))
    entry = AuditEntry.objects.get(action="alert.choose")
    assert entry.actor_name == "owner@northwind.example" and entry.after == {"kinds": ["wallet.low", "refill.declined"]}


def test_an_additional_address_is_added_changed_and_removed(them) -> None:
    client = signed_in(them.owner)
    new = f"{ALERTS}addresses/new/"
    assert "valid email" in words(client.post(new, {"address": "x", "kinds": ["wallet.low"]}).content.decode())
    assert client.post(new, {"address": "owner@northwind.example", "kinds": ["wallet.low"]}).status_code == 409
    client.post(new, {"address": "books@books.example", "kinds": ["invoice.issued"]})
    row = Recipient.objects.get()
    path = f"{ALERTS}addresses/{row.id}/"
    assert "Remove the address" in words(read(client, path))
    client.post(path, {"kinds": ["wallet.low"]})
    assert "books@books.example" in addresses(them.northwind, "wallet.low")
    assert "It can be added again" in words(read(client, f"{path}remove/"))
    for _ in range(2):
        client.post(f"{path}remove/")
    assert "Additional address" not in words(read(client, ALERTS))
    assert AuditEntry.objects.filter(action="alert.remove_address").count() == 1


@pytest.mark.parametrize(
    ("typed", "levels"),
    [
        ({"how": "own", "levels": "50%, 12.5 % $25 0"}, None),
        ({"how": "own", "levels": "50%, 12.5% $25 0"}, ["50%", "12.5%", "25.00", "0.00"]),
        ({"how": "own", "levels": ""}, None),
        ({"how": "own", "levels": "120%"}, None),
        ({"how": "own", "levels": "lots"}, None),
        ({"how": "own", "levels": "1 2 3 4 5 6"}, None),
        ({"how": "never", "levels": ""}, []),
    ],
)
def test_levels_are_set_as_people_write_them(them, typed: dict[str, str], levels: list[str] | None) -> None:
    client, path = signed_in(them.owner), f"{ALERTS}levels/outbound/"
    answer = client.post(path, typed)
    assert answer.status_code == (400 if levels is None else 302)
    assert [row.levels for row in WalletLevels.objects.all()] == ([] if levels is None else [levels])
    if levels is None:
        assert typed["levels"] in unescape(answer.content.decode()), "what was typed stays"
    else:
        client.post(path, {"how": "usual"})
        assert WalletLevels.objects.count() == 0


def test_an_endpoint_is_reviewed_and_its_secret_is_shown_once(them) -> None:
    client = signed_in(them.owner)
    html = added(client)
    [secret] = re.findall(r'value="(whsec_[^"]+)"', html)
    made = Endpoint.objects.get()
    assert (made.url, made.kinds) == ("https://hooks.example/billing", ["wallet.low", "invoice.issued"])
    page = f"{ALERTS}webhooks/{made.id}/"
    for path in (ALERTS, page, f"{page}change/", f"{page}rotate/", "/audit/"):
        assert unescape(secret) not in read(client, path)
    assert "Low balance, Invoice issued" in words(read(client, page))


def test_a_second_click_adds_nothing_and_shows_no_secret(them) -> None:
    client = signed_in(them.owner)
    token = hidden(read(client, NEW))["token"]
    typed = TYPED | {"token": token, "confirmed": "yes"}
    assert "whsec_" in client.post(NEW, typed).content.decode()
    again = client.post(NEW, typed)
    assert again.status_code == 409 and "whsec_" not in again.content.decode()
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://10.0.0.1/", "https://hooks.example:22/", "x"])
def test_an_address_that_is_not_allowed_is_refused_beside_its_field(them, url: str) -> None:
    client = signed_in(them.owner)
    token = hidden(read(client, NEW))["token"]
    answer = client.post(NEW, TYPED | {"url": url, "token": token})
    assert answer.status_code == 400 and url in answer.content.decode() and "errorlist" in answer.content.decode()


def test_a_secret_is_rotated_once_per_question(them) -> None:
    client = signed_in(them.owner)
    [first] = re.findall(r'value="(whsec_[^"]+)"', added(client))
    path = f"{ALERTS}webhooks/{Endpoint.objects.get().id}/rotate/"
    question = hidden(read(client, path))
    [second] = re.findall(r'value="(whsec_[^"]+)"', client.post(path, question).content.decode())
    assert first != second
    again = client.post(path, question)
    assert again.status_code == 409 and "whsec_" not in again.content.decode()
    assert client.post(path, {"generation": "x"}).status_code == 400
    assert "the one before is valid until" in words(read(client, f"{ALERTS}webhooks/{Endpoint.objects.get().id}/"))


def test_a_test_event_is_seen_in_the_log_and_sent_again(them) -> None:
    client = signed_in(them.owner)
    with receiving() as receiver, open_to_this_machine():
        made, _ = endpoint.add(them.northwind.id, receiver.address, list(kinds.OF_ACCOUNTS), SYSTEM)
        page = f"{ALERTS}webhooks/{made.id}/"
        on_its_way = client.post(f"{page}test/", follow=True)
        assert "Not tried yet" in words(on_its_way.content.decode())
        receiver.status, receiver.body = 500, b"<b>broken</b>"
        deliver.send_due()
        [delivery] = Delivery.objects.filter(channel="webhook")
        opened = f"{ALERTS}log/{delivery.id}/"
        html = read(client, opened)
        assert "Answered 500." in words(html) and "&lt;b&gt;broken" in html and "Next try" in html
        assert "Send again" not in html, "it waits anyway"
        assert "Answered 500." in words(read(client, f"{ALERTS}log/?state=waiting&channel=webhook"))
        assert "Nothing like this was sent" in words(read(client, f"{ALERTS}log/?state=delivered"))
        Delivery.objects.update(state="failed")
        receiver.status = 200
        assert "Send again" in read(client, opened)
        client.post(f"{opened}again/")
        deliver.send_due()
        assert "Delivered" in words(read(client, opened)) and len(set(receiver.ids)) == 1
        client.post(f"{page}switch/?to=off")
        assert "Switched off by owner@northwind.example" in words(read(client, page))
        refused = client.post(f"{opened}again/", follow=True)
        assert "Switch it on first" in words(refused.content.decode())
        client.post(f"{page}switch/?to=on")
        assert Endpoint.objects.get().is_on


def test_what_an_endpoint_missed_is_sent_after_a_question(them) -> None:
    notify.look()
    grant(them.owner, them.admin, payments="rw", credits="", invoices="r")
    client = signed_in(them.owner)
    with receiving() as receiver, open_to_this_machine():
        made, _ = endpoint.add(them.northwind.id, receiver.address, list(kinds.OF_ACCOUNTS), SYSTEM)
        page = f"{ALERTS}webhooks/{made.id}/"
        client.post(f"{page}switch/?to=off")
        for kind in ("wallet.low", "invoice.issued"):
            notify.tell(Fact(them.northwind.id, kind, "x/1", "", datetime.now(UTC), {"kind": "recurring"}))
        assert "Send what it missed" not in read(client, page), "it is off"
        assert client.post(f"{page}missed/").status_code == 409
        client.post(f"{page}switch/?to=on")
        assert "Send what it missed: 2" in words(read(client, page))
        assert "2 events never arrived" in words(read(client, f"{page}missed/"))
        other = signed_in(them.admin)
        assert "Send what it missed: 1" in words(read(other, page)), "what they may not read is not counted"
        assert "On the way again: 1 event" in words(other.post(f"{page}missed/", follow=True).content.decode())
        deliver.send_due()
        assert len(receiver.received) == 1
        client.post(f"{page}missed/")
        deliver.send_due()
        assert len(receiver.received) == 2 and "Send what it missed" not in read(client, page)


def test_who_may_only_read_payments_changes_nothing(them) -> None:
    endpoint.add(them.northwind.id, "https://hooks.example/a", ["wallet.low"], SYSTEM)
    client, made = signed_in(them.admin), Endpoint.objects.get()
    assert "Add an endpoint" not in read(client, ALERTS)
    assert "Send a test event" not in read(client, f"{ALERTS}webhooks/{made.id}/")
    for path in (NEW, f"{ALERTS}webhooks/{made.id}/rotate/", f"{ALERTS}levels/outbound/"):
        assert client.get(path).status_code == 403 and client.post(path).status_code == 403
    assert client.post(f"{ALERTS}webhooks/{made.id}/test/").status_code == 403


def test_another_accounts_log_is_not_seen(them) -> None:
    notify.look()
    made, _ = endpoint.add(them.contoso.id, "https://hooks.example/contoso", ["wallet.low"], SYSTEM)
    delivery_id = log.test(them.contoso.id, made.id, SYSTEM)
    client = signed_in(them.owner)
    assert "hooks.example" not in read(client, ALERTS) + read(client, f"{ALERTS}log/?recipient={made.id}")
    assert client.get(f"{ALERTS}log/{delivery_id}/").status_code == 404
    assert client.post(f"{ALERTS}log/{delivery_id}/again/").status_code == 404


def test_an_admin_chooses_only_kinds_whose_area_they_may_read_and_others_stay(them) -> None:
    grant(them.owner, them.admin, payments="rw", credits="", invoices="")
    choose_address(them.northwind.id, "books@books.example", ["invoice.issued", "dispute.opened"], SYSTEM)
    made, _ = endpoint.add(them.northwind.id, "https://hooks.example/a", ["invoice.issued"], SYSTEM)
    client, row = signed_in(them.admin), Recipient.objects.get()
    new, path = f"{ALERTS}addresses/new/", f"{ALERTS}addresses/{row.id}/"
    for form in (new, path, NEW, f"{ALERTS}webhooks/{made.id}/change/", f"{ALERTS}users/{them.owner.id}/"):
        html = read(client, form)
        assert "Refill declined" in html and "Invoice issued" not in html and "Low balance:" not in html
    assert client.post(new, {"address": "x@x.example", "kinds": ["invoice.issued"]}).status_code == 400
    assert client.post(path, {"kinds": ["wallet.low"]}).status_code == 400
    client.post(path, {"kinds": ["refill.declined"]})
    client.post(new, {"address": "BOOKS@books.example", "kinds": ["card.expiring"]})
    assert Recipient.objects.get().kinds == ["invoice.issued", "card.expiring"], "what they may not read stays"
    client.post(f"{ALERTS}users/{them.owner.id}/", {"kinds": []})
    assert addresses(them.northwind, "wallet.low") == ["owner@northwind.example"], "the usual ones stay too"
    assert addresses(them.northwind, "refill.declined") == ["admin@northwind.example"]


def test_an_endpoint_with_events_that_an_admin_may_not_read_keeps_them_and_its_address(them) -> None:
    grant(them.owner, them.admin, payments="rw", credits="", invoices="")
    made, _ = endpoint.add(them.northwind.id, "https://hooks.example/a", ["invoice.issued"], SYSTEM)
    client, change = signed_in(them.admin), f"{ALERTS}webhooks/{made.id}/change/"
    token = {"token": hidden(read(client, change))["token"]}
    answer = client.post(change, token | {"url": "https://mine.example/a", "kinds": ["refill.declined"]})
    assert answer.status_code == 409 and "events that you may not read" in words(answer.content.decode())
    assert client.post(change, token | {"url": made.url, "description": "ERP"}).status_code == 302
    changed = Endpoint.objects.get()
    assert (changed.url, changed.description, changed.kinds) == (made.url, "ERP", ["invoice.issued"])


def test_the_log_shows_only_what_an_admin_may_read(them) -> None:
    grant(them.owner, them.admin, payments="rw", credits="", invoices="r")
    notify.look()
    made, _ = endpoint.add(them.northwind.id, "https://hooks.example/a", list(kinds.OF_ACCOUNTS), SYSTEM)
    at = datetime.now(UTC)
    for kind in ("wallet.low", "invoice.issued"):
        data = {"kind": "recurring", "secret": f"body of {kind}"}
        notify.tell(Fact(them.northwind.id, kind, "x/1", "", at, data))
    deliver.send_due()
    client, hook = signed_in(them.admin), f"{ALERTS}webhooks/{made.id}/"
    for path in (ALERTS, hook, f"{ALERTS}log/"):
        said = words(read(client, path).partition("Sent lately")[2] or read(client, path))
        assert "Invoice issued" in said and "Low balance" not in said
    rows = {log.find(them.northwind.id, row.id).notice.kind: row for row in Delivery.objects.filter(channel="webhook")}
    assert "body of invoice.issued" in read(client, f"{ALERTS}log/{rows['invoice.issued'].id}/")
    opened = f"{ALERTS}log/{rows['wallet.low'].id}/"
    assert client.get(opened).status_code == 404 and client.post(f"{opened}again/").status_code == 404
    assert "body of wallet.low" in read(signed_in(them.owner), opened)


def test_levels_are_set_by_who_may_change_credits(them) -> None:
    grant(them.owner, them.admin, payments="rw", credits="")
    client, path = signed_in(them.admin), f"{ALERTS}levels/outbound/"
    assert client.get(path).status_code == 403 and "Told at" not in read(client, ALERTS)
    grant(them.owner, them.admin, payments="r", credits="rw")
    assert "levels/outbound" in read(client, ALERTS)
    assert client.post(path, {"how": "never"}).status_code == 302
