"""A price that an account follows is known since it was recorded, by the account's clock."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.due import charges
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ComponentPrice, FeeKind, Subscription, SubscriptionChange

NOVEMBER, DECEMBER = date(2025, 11, 1), date(2025, 12, 1)
BEGINS = {
    "Pacific/Auckland": datetime(2025, 10, 31, 11, tzinfo=UTC),
    "America/Los_Angeles": datetime(2025, 11, 1, 7, tzinfo=UTC),
}
"""When November begins there."""


def follower(zone: str) -> tuple[Account, Subscription]:
    """Ten of what costs $12 a month, since long ago."""
    account = open_account(NewAccount("northwind", "Northwind", date(2025, 1, 1), timezone=zone), SYSTEM)
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal(12), SYSTEM)
    _priced(12, date(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC))
    return account, start(account, NewSubscription("seats", NOVEMBER, Decimal(10), follows=True, prorated=True), SYSTEM)


def _priced(price: int, valid_from: date, recorded_at: datetime) -> None:
    ComponentPrice.objects.create(
        id=new_id(), component_code="seats", valid_from=valid_from, recorded_at=recorded_at, model="per_unit",
        price=Decimal(price), scheme={},
    )  # fmt: skip


def halved_on(account: Account, seats: Subscription, day: date) -> None:
    SubscriptionChange.objects.create(
        account_id=account.id, id=seats.id, subscription_id=seats.id, kind="quantity", from_on=day, quantity=Decimal(5),
        model="", scheme={}, prorated=True, at_once=False, recorded_at=datetime(2025, 11, 16, 12, tzinfo=UTC), known_on=day,
    )  # fmt: skip


def of_november(account: Account) -> list[Decimal]:
    found = charges([account], {account.id: DECEMBER})[account.id]
    return [line.amount for group in found for line in group.charges if line.period.start_on == NOVEMBER]


@pytest.mark.parametrize("zone", BEGINS)
@pytest.mark.parametrize(("seconds", "price"), [(-1, 24), (0, 12), (9 * 3600, 12)])
def test_a_period_costs_what_was_known_when_it_began(db: object, zone: str, seconds: int, price: int) -> None:
    """What is given back for 15 of 30 days later is half of what was charged."""
    account, seats = follower(zone)
    _priced(24, NOVEMBER, BEGINS[zone] + timedelta(seconds=seconds))
    halved_on(account, seats, date(2025, 11, 16))
    whole = 10 * price
    assert of_november(account) == [whole, -whole // 2, whole // 4]
