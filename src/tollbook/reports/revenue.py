"""Deferred and recognised revenue, day by day: what was deferred, credited, earned; what is left, and when it is earned.

A day is the one that books it, so the figures are those of the journal. What is left at the end is compared with what the
deferrals themselves say when the period reaches to today; `Revenue.differences` is empty unless somebody had a hand in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.money.amount import MINOR_PLACES, ZERO
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json
from tollbook.postgres.snapshot import snapshot
from tollbook.reports.days import Days

SQL = load(__file__)
COLUMN = {"invoice": "deferred", "credit_note": "credited", "recognition": "earned"}
"""What moves deferred revenue; anything else is `other`."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day in one currency: deferred revenue at its beginning and end, and what moved it; what takes away is below zero.

    `revenue` is all that was earned that day: what deferrals earned, and what was revenue at once (usage, setup fees).
    """

    day: date
    currency: str
    opening: Decimal
    deferred: Decimal
    credited: Decimal
    earned: Decimal
    other: Decimal
    closing: Decimal
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Month:
    """What is left now and will be earned in the month that begins on `month_on`, if nothing is credited."""

    currency: str
    month_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Revenue:
    """The days on which something moved, in order of currency; what is left now by month; differences (none)."""

    days: Days
    rows: Sequence[Day]
    months: Sequence[Month]
    differences: Sequence[str]

    def totals(self) -> list[Day]:
        """The whole period in each currency, as if it were one day (its last)."""
        by_currency: dict[str, list[Day]] = {}
        for row in self.rows:
            by_currency.setdefault(row.currency, []).append(row)
        return [_whole(self.days.until, rows) for rows in by_currency.values()]


def revenue(days: Days, account_id: UUID | None = None) -> Revenue:
    """Deferred and recognised revenue of all accounts or of one. Own transaction, read only, one snapshot."""
    wanted = {
        "since": days.since,
        "begins_at": days.begins_at,
        "ends_at": days.ends_at,
        "account_id": account_id,
        "places": as_json(MINOR_PLACES),
    }
    with snapshot(), connection.cursor() as cursor:
        cursor.execute(SQL["deferred"], wanted)
        moved = cursor.fetchall()
        cursor.execute(SQL["revenue"], wanted)
        earned = cursor.fetchall()
        cursor.execute(SQL["left"], wanted)
        months = [Month(*row) for row in cursor.fetchall()]
    rows = list(_days(days, moved, {(day, currency): amount for day, currency, amount in earned}))
    is_now = days.ends_at > datetime.now(UTC)
    return Revenue(days, rows, months, list(_differences(moved, months)) if is_now else [])


def _days(
    days: Days, moved: Iterable[tuple[date, str, str, Decimal]], earned: dict[tuple[date, str], Decimal]
) -> Iterable[Day]:
    stands: dict[str, Decimal] = {}
    columns: dict[tuple[str, date], dict[str, Decimal]] = {(currency, day): {} for day, currency in earned}
    for day, currency, kind, amount in moved:
        if day < days.since:
            stands[currency] = stands.get(currency, ZERO) + amount
            columns.setdefault((currency, days.since), {})
            continue
        sums, name = columns.setdefault((currency, day), {}), COLUMN.get(kind, "other")
        sums[name] = sums.get(name, ZERO) + amount
    for (currency, day), sums in sorted(columns.items()):
        opening = stands.get(currency, ZERO)
        stands[currency] = opening + sum(sums.values(), ZERO)
        moves = [sums.get(name, ZERO) for name in ("deferred", "credited", "earned", "other")]
        figures = [opening, *moves, stands[currency], earned.get((day, currency), ZERO)]
        yield Day(day, currency, *figures)


def _whole(until: date, rows: Sequence[Day]) -> Day:
    names = ("deferred", "credited", "earned", "other", "revenue")
    sums = {name: sum((getattr(row, name) for row in rows), ZERO) for name in names}
    return Day(until, rows[0].currency, opening=rows[0].opening, closing=rows[-1].closing, **sums)


def _differences(moved: Iterable[tuple[date, str, str, Decimal]], months: Iterable[Month]) -> Iterable[str]:
    booked: dict[str, Decimal] = {}
    left: dict[str, Decimal] = {}
    for _, currency, _, amount in moved:
        booked[currency] = booked.get(currency, ZERO) + amount
    for month in months:
        left[month.currency] = left.get(month.currency, ZERO) + month.amount
    for currency in sorted(booked.keys() | left.keys()):
        ours, theirs = left.get(currency, ZERO), booked.get(currency, ZERO)
        if ours != theirs:
            yield f"{currency}: {ours} is left of deferrals; the books say {theirs} is deferred"
