"""docs/alerts.md lists every kind that webhooks send, with bodies that have the keys that are really sent."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.test_words import EXAMPLES
from tests.payments.till import Till
from tests.people import person
from tests.refills.shop import OWNER, Shop, gateway_is
from tollbook.accounts.tables import Level
from tollbook.alerts import deliver, endpoint, kinds, log, notify, words
from tollbook.alerts.tables import Notice
from tollbook.payments import collect, dispute
from tollbook.payments.gateway import Dispute
from tollbook.refills import stops
from tollbook.refills.brakes import Stop

GUIDE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
DOCUMENTED = {
    kind: json.loads(body) for kind, body in re.findall(r"### `([\w.]+)`\n.*?```json\n(.*?)```", GUIDE, re.DOTALL)
}


def test_every_kind_is_documented_with_its_body() -> None:
    assert set(DOCUMENTED) == {kind.code for kind in kinds.OF_ACCOUNTS.values() if kind.by_webhook} | {kinds.TEST}
    for kind, body in DOCUMENTED.items():
        assert body["type"] == kind and set(body) == {"type", "timestamp", "account", "data"}


@pytest.mark.parametrize("kind", sorted(set(DOCUMENTED) - {kinds.TEST}))
def test_what_is_documented_can_be_said_in_words(kind: str) -> None:
    notice = Notice(kind=kind, occurred_at=datetime.now(UTC), data=DOCUMENTED[kind]["data"])
    assert words.message(notice, words.Reader()).title
    assert kind in EXAMPLES


def test_the_schedule_is_documented_as_it_is() -> None:
    spoken = ["5 s", "5 min", "30 min", "2 h", "5 h", "10 h", "14 h", "20 h", "24 h"]
    seconds = {"s": 1, "min": 60, "h": 3600}
    told = [int(number) * seconds[unit] for number, unit in map(str.split, spoken)]
    assert [pause.total_seconds() for pause in deliver.PAUSES] == told
    assert ", ".join(spoken[:-1]) + f" and {spoken[-1]}" in GUIDE


def test_bodies_have_the_keys_that_are_sent(db) -> None:
    with gateway_is():
        sent = everything_happens(db)
    documented = {kind: body["data"] for kind, body in DOCUMENTED.items()}
    assert {kind: keys(data) for kind, data in sent.items()} == {kind: keys(data) for kind, data in documented.items()}


def keys(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and kinds of values; null stands for text that is not there."""
    return sorted((name, "str" if value is None else type(value).__name__) for name, value in data.items())


def everything_happens(db) -> dict[str, dict[str, Any]]:
    """One of each kind, as it is sent."""
    shops = [Shop(db, slug) for slug in ("good", "declined", "confirm", "stopped")]
    tills = [Till(db, slug) for slug in ("failing", "confirming", "disputed")]
    notify.look()
    for shop, token in zip(shops, ("sim_4242", "sim_0002", "sim_3184", "sim_4242"), strict=True):
        shop.ready("50.00", token=token)
    stops.show(shops[3].id, shops[3].wallet().id, Stop("daily_count", "3 charges a day are allowed, and made today."))
    notify.look()
    shops[0].run()
    shops[0].use(shops[0].balance())
    expiring(db, shops[0])
    tills[0].collects(0)
    for till, token in zip(tills, ("sim_9995", "sim_3184", "sim_4242"), strict=True):
        till.card(token)
    for till in tills[:2]:
        till.invoice()
    collect.run_due()
    payment = tills[2].payment(tills[2].invoice(), tills[2].card("sim_4444"))
    for state in ("open", "won"):
        now = datetime.now(UTC)
        dispute.take("simulated", Dispute("dp_1", payment.charge_reference, payment.amount, "USD", Decimal(15), state, now))
        notify.look()
    tills[2].invoice(days_ago=tills[2].account.terms_days + 1)
    notify.write_letters()
    person(shops[0].account, "owner", Level.SUPER_ADMIN)
    made, _ = endpoint.add(shops[0].id, "https://hooks.example/", ["wallet.low"], OWNER)
    log.test(shops[0].id, made.id, OWNER)
    accounts = [one.id for one in (*shops, *tills)]
    return {notice.kind: notice.data for notice in Notice.objects.filter(account_id__in=accounts)}


def expiring(db, shop: Shop) -> None:
    today = datetime.now(UTC).date()
    with db.connect("owner") as owner:
        owner.execute(
            "UPDATE payment_method SET expires_month = %s, expires_year = %s WHERE account_id = %s",
            [today.month, today.year, shop.id],
        )
