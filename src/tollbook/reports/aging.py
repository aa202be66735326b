"""The aging report: what customers owed at the end of a day, by how many days it was past due.

Found from documents (totals less what was paid, credited and written off), and compared with the receivable of the books
at the same instant, which is found from entries. The two agree, or `Aging.differences` says where they don't.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.money.amount import ZERO
from tollbook.postgres.named import load
from tollbook.postgres.snapshot import snapshot
from tollbook.reports.days import end_of

SQL = load(__file__)
BUCKETS = ("Not due", "1-30 days", "31-60 days", "61-90 days", "Over 90 days")
"""How long past due; the day it is due on is not past."""


@dataclass(frozen=True, slots=True)
class Open:
    """An invoice on which something was open, in its currency; `days_past` its due date, 0 when it was not past."""

    slug: str
    name: str
    currency: str
    number: str
    issued_on: date
    due_on: date
    days_past: int
    amount: Decimal

    @property
    def bucket(self) -> int:
        """Which of `BUCKETS` it is in."""
        return min(-(-self.days_past // 30), len(BUCKETS) - 1)


@dataclass(frozen=True, slots=True)
class Owed:
    """What one account (or, without a name, everybody) owed in one currency, by bucket."""

    slug: str
    name: str
    currency: str
    buckets: Sequence[Decimal]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.buckets, ZERO)


@dataclass(frozen=True, slots=True)
class Aging:
    """What was open at the end of `day` (UTC). `credit` is customers' own unused credit by currency, not taken off."""

    day: date
    invoices: Sequence[Open]
    credit: dict[str, Decimal]
    differences: Sequence[str]

    def accounts(self) -> list[Owed]:
        """Each account that owed something, in each currency, by short name."""
        return [_owed(slug, name, currency, rows) for (slug, name, currency), rows in _grouped(self.invoices).items()]

    def totals(self) -> list[Owed]:
        """The sum of each currency."""
        by_currency: dict[str, list[Open]] = {}
        for one in self.invoices:
            by_currency.setdefault(one.currency, []).append(one)
        return [_owed("", "", currency, rows) for currency, rows in sorted(by_currency.items())]


def aging(day: date, account_id: UUID | None = None) -> Aging:
    """What was owed at the end of `day`: by all accounts, or by one. Own transaction, read only, one snapshot."""
    wanted = {"day": day, "ends_at": end_of(day), "account_id": account_id}
    with snapshot(), connection.cursor() as cursor:
        cursor.execute(SQL["open"], wanted)
        invoices = [Open(*row) for row in cursor.fetchall()]
        cursor.execute(SQL["booked"], wanted)
        booked = {currency: (receivable, credit) for currency, receivable, credit in cursor.fetchall()}
    credit = {currency: kept for currency, (_, kept) in booked.items() if kept}
    return Aging(day, invoices, credit, list(_differences(invoices, {one: sums[0] for one, sums in booked.items()})))


def _grouped(invoices: Iterable[Open]) -> dict[tuple[str, str, str], list[Open]]:
    groups: dict[tuple[str, str, str], list[Open]] = {}
    for one in invoices:
        groups.setdefault((one.slug, one.name, one.currency), []).append(one)
    return groups


def _owed(slug: str, name: str, currency: str, rows: Iterable[Open]) -> Owed:
    buckets = [ZERO for _ in BUCKETS]
    for one in rows:
        buckets[one.bucket] += one.amount
    return Owed(slug, name, currency, buckets)


def _differences(invoices: Iterable[Open], booked: dict[str, Decimal]) -> Iterable[str]:
    sums: dict[str, Decimal] = {}
    for one in invoices:
        sums[one.currency] = sums.get(one.currency, ZERO) + one.amount
    for currency in sorted(sums.keys() | booked.keys()):
        ours, theirs = sums.get(currency, ZERO), booked.get(currency, ZERO)
        if ours != theirs:
            yield f"{currency}: open invoices sum to {ours}; the books say {theirs} is owed"
