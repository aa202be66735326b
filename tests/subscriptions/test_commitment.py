"""The least that an account pays each period, and prices that components have from a day on."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.money.period import add_months, period_of
from tollbook.rating.charges import Tier
from tollbook.subscriptions.commitment import agree, end
from tollbook.subscriptions.component import offer, set_price
from tollbook.subscriptions.due import charges
from tollbook.subscriptions.fees import fees
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind

DAY = timedelta(days=1)


@pytest.fixture
def today(account: Account) -> date:
    """Today, which is a billing day."""
    account.anchor_on = add_months(today_in(account), -2)
    account.save(update_fields=["anchor_on"])
    return today_in(account)


def due(account: Account, until: date) -> list[tuple[date, str, Decimal]]:
    found = charges([account], {account.id: until}).get(account.id, [])
    return [(group.bill_on, line.description, line.amount) for group in found for line in group.charges]


def test_what_is_missing_of_a_commitment_is_charged_when_the_period_is_over(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today, price=Decimal(60)), SYSTEM)
    agree(account, Decimal(100), today, SYSTEM)
    following = period_of(account.anchor_on, today).end_on + DAY
    assert due(account, following) == [
        (today, "Agent seats", 60),
        (following, "Agent seats", 60),
        (following, "Minimum commitment", 40),
    ]


def test_nothing_is_missing_when_enough_was_charged(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today, price=Decimal(100)), SYSTEM)
    agree(account, Decimal(100), today, SYSTEM)
    assert {name for _, name, _ in due(account, add_months(today, 3))} == {"Agent seats"}


def test_a_commitment_that_ends_within_a_period_counts_by_the_day(account: Account, today: date) -> None:
    period = period_of(account.anchor_on, today)
    made = agree(account, Decimal(period.days), today, SYSTEM)
    end(account, made.id, today + 9 * DAY, SYSTEM)
    assert due(account, period.end_on + DAY) == [(period.end_on + DAY, "Minimum commitment", 10)]


def test_one_commitment_at_a_time(account: Account, today: date) -> None:
    agree(account, Decimal(100), today, SYSTEM, ends_on=today + 9 * DAY)
    for starts_on, ends_on in ((today + 9 * DAY, None), (today, today)):
        with pytest.raises(Conflict):
            agree(account, Decimal(50), starts_on, SYSTEM, ends_on)
    agree(account, Decimal(50), today + 10 * DAY, SYSTEM)
    for amount, starts_on in ((Decimal(0), today), (Decimal("0.001"), today), (Decimal(5), today - DAY)):
        with pytest.raises(Invalid):
            agree(account, amount, starts_on, SYSTEM)


def test_who_follows_a_component_pays_its_new_price_from_the_next_period_on(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today, Decimal(2), follows=True), SYSTEM)
    start(account, NewSubscription("seats", today, name="Kept"), SYSTEM)
    set_price("seats", Price("per_unit", Decimal(30)), datetime.now(UTC).date() + 2 * DAY, SYSTEM)
    prices = {(day == today, name): amount for day, name, amount in due(account, add_months(today, 1))}
    assert prices == {
        (True, "Agent seats"): Decimal("49.99"),
        (True, "Kept"): Decimal("25.00"),
        (False, "Agent seats"): 60,
        (False, "Kept"): Decimal("25.00"),
    }
    with pytest.raises(Invalid, match="day to come"):
        set_price("seats", Price("per_unit", Decimal(30)), datetime.now(UTC).date(), SYSTEM)


def test_a_component_with_tiers_charges_by_them_and_says_how(account: Account, today: date) -> None:
    tiers = (Tier(Decimal(10), Decimal(5)), Tier(None, Decimal(4)))
    offer("lines", "Lines", FeeKind.RECURRING, Price("graduated", Decimal(0), tiers), SYSTEM)
    start(account, NewSubscription("lines", today, Decimal(15)), SYSTEM)
    assert due(account, today) == [(today, "Lines", 70)]
    [fee] = fees(account, today).recurring
    assert (fee.total, fee.said) == (70, "10 × $5.00 + 5 × $4.00")
    with pytest.raises(Invalid, match="own price"):
        start(account, NewSubscription("lines", today, price=Decimal(1)), SYSTEM)


def test_a_price_that_makes_no_sense_is_refused(account: Account) -> None:
    for wrong in (
        Price("graduated", Decimal(0)),
        Price("volume", Decimal(0), (Tier(Decimal(10), Decimal(5)),)),
        Price("per_unit", Decimal(1), (Tier(None, Decimal(5)),)),
        Price("package", Decimal(1), (), Decimal(0)),
        Price("boat", Decimal(1)),
        Price("flat", Decimal(-1)),
    ):
        with pytest.raises(Invalid):
            offer("odd", "Odd", FeeKind.RECURRING, wrong, SYSTEM)
