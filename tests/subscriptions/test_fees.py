"""What the Subscriptions page shows, and the next charge."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.money.period import billing_day, period_of
from tollbook.subscriptions.fees import fees, line_total
from tollbook.subscriptions.subscribe import NewSubscription, start

days = st.dates(date(2000, 1, 1), date(2060, 12, 31))


def test_a_total_is_quantity_times_price_rounded_to_the_cent(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 1, 31), Decimal(3)), SYSTEM)
    [seats] = fees(account, date(2026, 2, 1)).recurring
    assert (seats.name, seats.quantity, seats.price, seats.total) == (
        "Agent seats",
        3,
        Decimal("24.995"),
        Decimal("74.99"),
    )


def test_printed_lines_sum_to_the_printed_total(account: Account) -> None:
    """Autumn #3407, lago #4642: lines of 24.995 each are 25.00 on paper, so the total is 75.00 and not 74.99."""
    for _ in range(3):
        start(account, NewSubscription("seats", date(2026, 1, 31)), SYSTEM)
    shown = fees(account, date(2026, 2, 1))
    assert [line.total for line in shown.recurring] == [Decimal("25.00")] * 3
    assert shown.recurring_total == Decimal("75.00")


def test_the_period_and_the_next_charge_keep_to_the_31st(account: Account) -> None:
    """polar #10664."""
    start(account, NewSubscription("seats", date(2026, 1, 31)), SYSTEM)
    shown = fees(account, date(2026, 2, 10))
    assert (shown.period.start_on, shown.period.end_on) == (date(2026, 1, 31), date(2026, 2, 27))
    assert (shown.next_charge_on, shown.next_charge_amount) == (date(2026, 2, 28), Decimal("25.00"))
    assert fees(account, date(2026, 2, 28)).next_charge_on == date(2026, 3, 31)


def test_a_setup_fee_is_charged_on_its_first_billing_day_only(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 1, 31), price=Decimal(20)), SYSTEM)
    start(account, NewSubscription("onboarding", date(2026, 2, 3)), SYSTEM)
    shown = fees(account, date(2026, 2, 5))
    assert (shown.setup_total, shown.next_charge_amount) == (Decimal(300), Decimal(320))
    assert fees(account, date(2026, 2, 28)).next_charge_amount == Decimal(20)


def test_what_begins_later_is_upcoming_and_dates_the_next_charge(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 6, 15)), SYSTEM)
    shown = fees(account, date(2026, 2, 10))
    assert not shown.recurring and len(shown.upcoming) == 1
    assert (shown.recurring_total, shown.next_charge_on) == (0, date(2026, 6, 30))


def test_what_ends_before_the_next_billing_day_is_not_charged_again(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 1, 31), ends_on=date(2026, 2, 27)), SYSTEM)
    shown = fees(account, date(2026, 2, 10))
    assert len(shown.recurring) == 1
    assert (shown.next_charge_on, shown.next_charge_amount) == (None, 0)


def test_an_account_without_subscriptions_has_nothing_to_come(account: Account) -> None:
    shown = fees(account, date(2026, 2, 10))
    assert (shown.recurring, shown.setup, shown.next_charge_on) == ([], [], None)


@given(days, days)
def test_a_billing_day_is_the_first_day_of_a_period_less_than_a_month_away(anchor_on: date, day: date) -> None:
    found = billing_day(anchor_on, day)
    assert period_of(anchor_on, found).start_on == found
    assert timedelta(0) <= found - day < timedelta(days=31)


@pytest.mark.parametrize(("currency", "total"), [("USD", "0.13"), ("JPY", "0"), ("KWD", "0.125")])
def test_a_total_has_the_currencys_minor_unit(currency: str, total: str) -> None:
    assert line_total(Decimal("0.5"), Decimal("0.25"), currency) == Decimal(total)
