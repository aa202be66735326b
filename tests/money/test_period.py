"""Billing periods: counted from the anchor, on local days, untouched by clocks."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.money.period import add_months, period_number, period_of

days = st.dates(date(1990, 1, 1), date(2090, 12, 31))
A_DAY = timedelta(days=1)


def test_the_31st_comes_back_after_february() -> None:
    """polar #10664: a billing day of 31 became 28 after February, for ever."""
    starts = [period_number(date(2026, 1, 31), index).start_on for index in range(5)]
    assert starts == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]


def test_the_29th_of_february_comes_back_in_a_leap_year() -> None:
    assert add_months(date(2024, 2, 29), 12) == date(2025, 2, 28)
    assert add_months(date(2024, 2, 29), 48) == date(2028, 2, 29)


@pytest.mark.parametrize("change_on", [date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1)])
def test_the_clocks_change_moves_no_billing_day(change_on: date) -> None:
    """killbill #743: daylight saving moved the billing day."""
    for anchor_on in (change_on, change_on - timedelta(days=365)):
        starts = [period_number(anchor_on, index).start_on for index in range(24)]
        assert {start.day for start in starts if start.month != 2} == {anchor_on.day}


@given(days, st.integers(-600, 600))
def test_periods_follow_one_another_without_gap_or_overlap(anchor_on: date, index: int) -> None:
    period, following = period_number(anchor_on, index), period_number(anchor_on, index + 1)
    assert following.start_on == period.end_on + A_DAY
    assert 28 <= period.days <= 31


@given(days, days)
def test_every_day_lies_in_exactly_one_period(anchor_on: date, day: date) -> None:
    """killbill #445: a loop over periods never ended; here the period is computed, not searched for."""
    period = period_of(anchor_on, day)
    assert period.start_on <= day <= period.end_on
    assert period == period_number(anchor_on, period.index)
    assert period_of(anchor_on, period.end_on + A_DAY).index == period.index + 1


@given(days, st.integers(-600, 600))
def test_a_period_begins_on_the_anchors_day_or_the_months_last(anchor_on: date, index: int) -> None:
    start_on = period_number(anchor_on, index).start_on
    assert start_on.day == anchor_on.day or (start_on + A_DAY).day == 1 and start_on.day < anchor_on.day
