"""The roll-forward of prepaid credit: opening + what came in - what went out = closing, exact to the sixth place.

Bought credit is deferred revenue until it is used; granted credit is a promise that was given away. Both are liabilities,
and are kept apart. Opening and closing are found twice: from what wallets hold now and what their entries moved since,
and from the balance that each wallet's last transfer before the instant left. `Rollforward.differences` names what
disagrees; it is empty unless somebody had a hand in the tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.money.amount import ZERO
from tollbook.postgres.named import load
from tollbook.postgres.snapshot import snapshot
from tollbook.reports.days import Days

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Moves:
    """What a purse held and what moved it, in its currency, 6 places. What takes away is below zero.

    `granted` is what was granted, `used` is usage less what was taken back of it, `other` is what no column is for.
    """

    opening: Decimal
    topped_up: Decimal
    granted: Decimal
    used: Decimal
    refunded: Decimal
    expired: Decimal
    adjusted: Decimal
    other: Decimal
    closing: Decimal

    def __add__(self, more: "Moves") -> "Moves":
        return Moves(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))

    @property
    def change(self) -> Decimal:
        """The sum of all moves: closing less opening."""
        went = self.used + self.refunded + self.expired
        return self.topped_up + self.granted + went + self.adjusted + self.other


NOTHING = Moves(*[ZERO for _ in fields(Moves)])


@dataclass(frozen=True, slots=True)
class Row:
    """One credit type's purse (paid or granted) in one currency; of one account when `slug` says so."""

    slug: str
    currency: str
    type_code: str
    purse: str
    moves: Moves


@dataclass(frozen=True, slots=True)
class Rollforward:
    """The rows of a period, in order, and what the two ways to opening and closing disagree about (nothing)."""

    days: Days
    rows: Sequence[Row]
    differences: Sequence[str]

    def totals(self) -> dict[tuple[str, str], Moves]:
        """The sums of each currency's purses, by (currency, purse)."""
        sums: dict[tuple[str, str], Moves] = {}
        for row in self.rows:
            key = (row.currency, row.purse)
            sums[key] = sums.get(key, NOTHING) + row.moves
        return sums


def rollforward(days: Days, account_id: UUID | None = None, by_account: bool = False) -> Rollforward:
    """How prepaid credit moved in these days: of all accounts or of one, summed or account by account.

    Own transaction, read only, one snapshot. A transfer belongs to the day it was posted on, by UTC.
    """
    wanted = {
        "begins_at": days.begins_at,
        "ends_at": days.ends_at,
        "account_id": account_id,
        "by_account": by_account,
    }
    with snapshot(), connection.cursor() as cursor:
        cursor.execute(SQL["moved"], wanted)
        rows = [_row(*values) for values in cursor.fetchall()]
        cursor.execute(SQL["chained"], wanted)
        chained = cursor.fetchall()
    return Rollforward(days, rows, list(_differences(rows, chained)))


def _row(
    slug: str, currency: str, type_code: str, purse: str, holds: Decimal, after: Decimal, *moved: Decimal
) -> Row:
    closing = holds - after
    figures = [closing - sum(moved, ZERO), *moved, closing]
    return Row(slug, currency, type_code, purse, Moves(*figures))


def _differences(rows: Iterable[Row], chained: Iterable[tuple[str, str, Decimal, Decimal]]) -> Iterable[str]:
    sums: dict[tuple[str, str], Moves] = {}
    for row in rows:
        key = (row.currency, row.type_code)
        sums[key] = sums.get(key, NOTHING) + row.moves
    for currency, type_code, opening, closing in sorted(chained):
        ours = sums[currency, type_code]
        if (ours.opening, ours.closing) != (opening, closing):
            yield (
                f"{type_code}, {currency}: entries say {ours.opening} and {ours.closing}; "
                f"the last transfers of the wallets say {opening} and {closing}"
            )
