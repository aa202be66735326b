"""How long the credit lasts at the pace of the last hours, or of the last week."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.cast import a_rate, an_account
from tollbook.usage.event import Event
from tollbook.usage.pace import AN_HOUR, Pace, paces
from tollbook.usage.record import record

NOW = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)


def spent(minutes: dict[float, int]) -> dict[str, Pace]:
    """A dollar a minute, so many minutes at so many hours ago."""
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    record(
        account.id,
        [
            Event(f"call-{hours}", "outbound", Decimal(60 * count), NOW - timedelta(hours=hours))
            for hours, count in minutes.items()
        ],
    )
    return paces(account.id, NOW)


def test_the_last_three_hours_make_the_recent_pace(db) -> None:
    pace = spent({0.5: 30, 1.5: 30, 2.5: 30, 4: 1000})["outbound"]
    assert pace.recent == 30


def test_the_week_is_counted_from_when_usage_began(db) -> None:
    pace = spent({10: 100})["outbound"]
    assert (pace.recent, pace.week) == (0, 10)


def test_the_week_has_its_nights_in_it(db) -> None:
    pace = spent({168: 84, 1: 84})["outbound"]
    assert pace.week == 1


def test_a_single_call_just_now_is_not_taken_for_the_pace_of_an_hour_that_has_not_been(db) -> None:
    assert spent({0: 1})["outbound"].week == 4


def test_what_was_not_used_for_a_week_has_no_pace(db) -> None:
    assert spent({8 * 24: 100}) == {}


def test_a_type_that_is_free_or_unanswered_never_runs_out(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [Event("unanswered", "outbound", Decimal(0), NOW)])
    assert paces(account.id, NOW)["outbound"].runs_out(Decimal(5), NOW) is None


@pytest.mark.parametrize(
    ("recent", "week", "balance", "hours"),
    [
        (10, 1, 50, 5),  # soon: the last hours decide
        (10, 1, 1000, 1000),  # far: the week decides
        (0, 2, 50, 25),  # nothing lately: the week decides
        (10, 40, 200, 12),  # the week was faster, but not at this pace
        (1, 0, 2, 2),
    ],
)
def test_near_is_judged_by_hours_and_far_by_the_week(recent: int, week: int, balance: int, hours: int) -> None:
    out = Pace(Decimal(recent), Decimal(week)).runs_out(Decimal(balance), NOW)
    assert out == NOW + hours * AN_HOUR


@pytest.mark.parametrize(("recent", "week", "balance"), [(10, 1, 0), (10, 1, -5), (0, 0, 100), (0, "0.001", 100)])
def test_no_forecast_is_better_than_a_foolish_one(recent: int, week: int | str, balance: int) -> None:
    assert Pace(Decimal(recent), Decimal(week)).runs_out(Decimal(balance), NOW) is None
