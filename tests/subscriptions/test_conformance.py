"""What others publish about proration and charge models, to the cent; where we differ, the vector names the rule."""

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tollbook.accounts.tables import Account
from tollbook.money.period import add_months
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.due import of_book
from tollbook.subscriptions.plan import A_DAY, Change, Plan
from tollbook.subscriptions.record import Book, Minimum

FILE = Path(__file__).parents[2] / "conformance" / "subscriptions.json"
VECTORS = json.loads(FILE.read_text())["vectors"]
NOBODY = UUID(int=1)


def day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def change_of(told: dict[str, Any]) -> Change:
    price = number(told.get("price"))
    return Change(
        id=uuid4(),
        kind=told["kind"],
        known_on=date.fromisoformat(told.get("known_on", told["from_on"])),
        from_on=date.fromisoformat(told["from_on"]),
        until_on=day(told.get("until_on")),
        quantity=number(told.get("quantity")),
        price=None if price is None else prices.of("per_unit", price, {}),
        at_once=told.get("at_once", False),
    )


def book_of(vector: dict[str, Any]) -> Book:
    starts_on = date.fromisoformat(vector["starts_on"])
    known_on = starts_on - A_DAY
    plan = Plan(
        account_id=NOBODY,
        id=uuid4(),
        name="Plan",
        kind="recurring",
        quantity=Decimal(vector.get("quantity", 1)),
        price=prices.of(vector.get("model", "per_unit"), Decimal(vector["price"]), vector.get("scheme", {})),
        starts_on=starts_on,
        ends_on=day(vector.get("ends_on")),
        known_on=known_on,
        anchor_on=date.fromisoformat(vector["anchor_on"]),
        months=vector.get("months", 1),
        prorated=True,
        at_once=vector.get("at_once", True),
        changes=[change_of(each) for each in vector.get("changes", ())],
    )
    least = number(vector.get("minimum"))
    return Book([plan], [Minimum(uuid4(), least, starts_on, None, known_on)] if least else [])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['source']} {vector['starts_on']}")
def test_what_others_publish(vector: dict[str, Any]) -> None:
    anchor_on = date.fromisoformat(vector["anchor_on"])
    account = Account(id=NOBODY, anchor_on=anchor_on, currency=vector.get("currency", "USD"), timezone="UTC")
    until = day(vector.get("until")) or add_months(anchor_on, 1)
    found: dict[str, list[str]] = defaultdict(list)
    for group in of_book(account, book_of(vector), until):
        found[group.bill_on.isoformat()] += [str(charge.amount) for charge in group.charges]
    assert found == vector["lines"]


def test_differences_from_what_others_publish_are_explained() -> None:
    assert len(VECTORS) >= 25
    assert all(("published" in vector) == ("differs" in vector) for vector in VECTORS)
