"""Billing days in every time zone, for every day to begin with, against an oracle that knows nothing of ours.

`TOLLBOOK_CALENDAR_DAYS=366` takes every start day; without it, some, among them all that are known to be hard.
"""

import calendar
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tollbook.accounts.tables import Account
from tollbook.subscriptions.charge import Charge
from tollbook.subscriptions.due import of_book
from tollbook.subscriptions.plan import Plan
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.record import Book

ZONES = [
    "UTC", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo", "Europe/London",
    "Europe/Lisbon", "Africa/Casablanca", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
]  # fmt: skip
MONTHS = 36
A_DAY = timedelta(days=1)
FIRST = date(2011, 3, 1)
"""366 days on, a 29th of February; within the first year, Apia's December 30, 2011, which never was."""
HARD = {date(2011, 3, 31), date(2011, 5, 30), date(2011, 8, 29), date(2011, 12, 30), date(2011, 12, 31), date(2012, 2, 29)}


def start_days() -> list[date]:
    every = [FIRST + n * A_DAY for n in range(366)]
    wanted = int(os.environ.get("TOLLBOOK_CALENDAR_DAYS", "0"))
    step = max(1, 366 // wanted) if wanted else 41
    return sorted({*every[::step], *HARD})


@cache
def local_days(zone: str) -> list[date]:
    """Every day that people in this zone saw, hour by hour, as a worker that never stops would see them."""
    at, until, seen = datetime(2011, 2, 28, tzinfo=UTC), datetime(2015, 4, 1, tzinfo=UTC), []
    there = ZoneInfo(zone)
    while at < until:
        day = at.astimezone(there).date()
        if not seen or day != seen[-1]:
            seen.append(day)
        at += timedelta(hours=1)
    return seen


def oracle(anchor: date, months: int, count: int) -> list[date]:
    """First days of periods, by walking the calendar month by month."""
    found, year, month = [], anchor.year, anchor.month
    for _ in range(count * months):
        if (year - anchor.year) * 12 + month - anchor.month - len(found) * months == 0:
            last = calendar.monthrange(year, month)[1]
            found.append(date(year, month, anchor.day if anchor.day <= last else last))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def billed(account: Account, plan: Plan, days: list[date], step: int) -> dict[str, tuple[date, Charge]]:
    """What runs on some of the days bill, each asking only for what is new since the one before."""
    found: dict[str, tuple[date, Charge]] = {}
    since = None
    for today in days[::step]:
        for group in of_book(account, Book([plan], []), today, since):
            for charge in group.charges:
                if charge.cause not in found:
                    found[charge.cause] = (today, charge)
        since = today
    return found


@pytest.mark.parametrize("months", [1, 3, 12])
@pytest.mark.parametrize("zone", ZONES)
def test_every_period_is_billed_once_without_gap_overlap_or_drift(zone: str, months: int) -> None:
    """Kill Bill #743, #445, Polar #10664: daylight saving and short months move no billing day, for ever or for once."""
    for start in start_days():
        account = Account(id=UUID(int=1), anchor_on=start, currency="USD", timezone=zone)
        plan = Plan(
            UUID(int=1), UUID(int=2), "Seats", "recurring", Decimal(1), Price("per_unit", Decimal(10)), start, None,
            start - A_DAY, start, months, prorated=True,
        )  # fmt: skip
        expected = oracle(start, months, MONTHS // months)
        ends = [day - A_DAY for day in oracle(start, months, MONTHS // months + 1)[1:]]
        days = [day for day in local_days(zone) if start <= day <= ends[-1]]
        found = list(billed(account, plan, days, 1 if start in HARD else 5).values())
        lines = [charge for _, charge in found]
        within = [day for day in expected if day <= days[-1]]
        assert [line.service_from for line in lines] == within[: len(lines)]
        assert [line.service_until for line in lines] == ends[: len(lines)]
        assert len(lines) >= len(within) - 1 and {line.amount for line in lines} == {10}
        if start in HARD:
            assert len(lines) == len(within)
            there = set(days)
            assert [today for today, _ in found] == [day if day in there else day + A_DAY for day in within]


def test_apia_has_no_30th_of_december_2011() -> None:
    assert date(2011, 12, 30) not in local_days("Pacific/Apia")
