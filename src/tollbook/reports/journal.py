"""The journal: every entry with an id that never changes; and, for accounting programs, one journal a day in cents.

Inside, money has six places; accounting programs have two. So a daily journal is cut from running sums: what an account of
the books stands at by the end of each day is rounded to the currency's minor unit, all of them together so that they sum
to zero (largest remainder), and a journal has the differences of two such days. Each journal balances, no account is ever
more than one unit away from the books, and whoever imports all of them has the closing balances of Tollbook.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from itertools import groupby
from uuid import UUID

from django.db import connection

from tollbook.money.amount import ZERO, minor_unit
from tollbook.postgres.named import load
from tollbook.postgres.snapshot import snapshot
from tollbook.reports.chart import Chart, Named
from tollbook.reports.days import Days

SQL = load(__file__)
AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: a signed amount (debit positive), 6 places; `document` is the number of the invoice it is about."""

    transfer_id: UUID
    position: int
    posted_at: datetime
    slug: str
    name: str
    kind: str
    reference: str
    document: str
    description: str
    actor: str
    code: str
    currency: str
    amount: Decimal

    @property
    def id(self) -> str:
        """What this entry is called, for ever."""
        return f"{self.transfer_id}/{self.position}"


@dataclass(frozen=True, slots=True)
class Journal:
    """One day's journal of one currency: what moved on each account of the chart, in the currency's minor unit."""

    day: date
    currency: str
    amounts: Mapping[Named, Decimal]

    @property
    def id(self) -> str:
        """What this journal is called, for ever: `TB-20261103-USD`."""
        return f"TB-{self.day:%Y%m%d}-{self.currency}"


def entries(days: Days, account_id: UUID | None = None) -> Iterator[Line]:
    """Every entry that was posted in these days, in order. Own transaction, open until the last one was taken."""
    wanted = {"begins_at": days.begins_at, "ends_at": days.ends_at, "account_id": account_id}
    with snapshot(), connection.chunked_cursor() as cursor:
        cursor.execute(SQL["entries"], wanted)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from (Line(*row) for row in rows)


def journals(days: Days, chart: Chart, account_id: UUID | None = None) -> list[Journal]:
    """One journal a day and currency, for days on which something moved. Own transaction; reads all that was posted before.

    An account's journals alone and all accounts' together are cut for themselves: import one kind or the other.
    """
    with snapshot(), connection.cursor() as cursor:
        cursor.execute(SQL["days"], {"since": days.since, "ends_at": days.ends_at, "account_id": account_id})
        moved = cursor.fetchall()
    return list(cut(moved, chart, days.since))


def cut(moved: Iterable[tuple[date, str, str, Decimal]], chart: Chart, since: date) -> Iterator[Journal]:
    """Journals of (day, currency, code, amount) in order of days; what lies before `since` is the opening, and not told."""
    exact: dict[str, dict[Named, Decimal]] = {}
    told: dict[str, dict[Named, Decimal]] = {}
    for (day, currency), rows in groupby(moved, key=lambda row: (row[0], row[1])):
        stands = exact.setdefault(currency, {})
        for _, _, code, amount in rows:
            named = chart.named(code)
            stands[named] = stands.get(named, ZERO) + amount
        now = rounded(stands, minor_unit(currency))
        before = told.get(currency, {})
        told[currency] = now
        amounts = {named: now[named] - before.get(named, ZERO) for named in sorted(now, key=_order)}
        if day >= since and any(amounts.values()):
            yield Journal(day, currency, {named: amount for named, amount in amounts.items() if amount})


def rounded(stands: Mapping[Named, Decimal], unit: Decimal) -> dict[Named, Decimal]:
    """Sums that come to zero as multiples of `unit` that come to zero, each less than one unit away (largest remainder)."""
    down = {named: (amount / unit).to_integral_value(ROUND_FLOOR) * unit for named, amount in stands.items()}
    missing = int(-sum(down.values(), ZERO) / unit)
    lost = sorted(stands, key=lambda named: (down[named] - stands[named], _order(named)))
    for named in lost[:missing]:
        down[named] += unit
    return down




def _order(named: Named) -> tuple[str, str]:
    return named.account, named.tax
