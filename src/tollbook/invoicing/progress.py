"""How far billing runs are and what they did: read from what each part leaves behind in writing, while they run and after.

A run that found nothing to issue is one of a hundred a day; lists leave it out unless all are asked for. Reads only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.errors import NotFound
from tollbook.postgres.named import load

SQL = load(__file__)
MOST = 200


class Why(StrEnum):
    """Why a run left something of an account to be done."""

    FAILED = "failed"
    TOO_OLD = "too_old"
    WAITING = "waiting"

    @property
    def label(self) -> str:
        """In words."""
        return {"failed": "Not finished", "too_old": "Too old", "waiting": "More to give back than to bill"}[self]


@dataclass(frozen=True, slots=True)
class Left:
    """An account that a run was not done with: the `reason` of a failure, `count` periods too old, `amount` to give back."""

    slug: str
    why: Why
    reason: str = ""
    count: int = 0
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run: of `accounts` so many are `done`. `totals` are of the invoices it issued, by currency.

    `moved_at` is when it last finished a part. A run that is under way is finished by whoever runs the next one, if its
    worker is gone.
    """

    id: UUID
    until_on: date | None
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    accounts: int
    done: int
    invoices: int
    left: int
    moved_at: datetime | None
    totals: dict[str, Decimal] = field(default_factory=dict)

    @property
    def to_do(self) -> int:
        """Accounts that nobody looked at yet."""
        return self.accounts - self.done

    @property
    def percent(self) -> int:
        """How much of it is done, as a whole number; a run over no account is done."""
        return 100 * self.done // self.accounts if self.accounts else 100

    @property
    def took(self) -> timedelta | None:
        """How long it ran; None while it does."""
        return self.finished_at - self.started_at if self.finished_at else None


def newest(everything: bool = False, before: UUID | None = None, limit: int = 50) -> list[Run]:
    """Runs, the newest first, below `before`; those that had nothing to do only with `everything`."""
    wanted = {"everything": everything, "before": before, "id": None, "limit": min(limit, MOST)}
    return _with_totals(_rows("runs", wanted))


def find(id: UUID) -> Run:
    """One run. Raises NotFound, also for one that issued nothing and is forgotten by now."""
    found = _with_totals(_rows("runs", {"everything": True, "before": None, "id": id, "limit": 1}))
    if not found:
        raise NotFound("There is no such billing run. Runs that issued nothing are forgotten after a month.")
    return found[0]


def left(id: UUID) -> list[Left]:
    """The accounts with which a run was not done, by name; what failed comes first."""
    found = [_left(*row) for row in _rows("left", {"id": id})]
    return sorted(found, key=lambda one: (list(Why).index(one.why), one.slug))


def _with_totals(rows: Iterable[tuple[Any, ...]]) -> list[Run]:
    found = list(rows)
    totals: dict[UUID, dict[str, Decimal]] = {}
    for id, currency, total in _rows("totals", {"ids": [row[0] for row in found]}):
        totals.setdefault(id, {})[currency] = total
    return [Run(*(*row, totals.get(row[0], {}))) for row in found]


def _left(slug: str, why: str, value: str) -> Left:
    match Why(why):
        case Why.FAILED:
            return Left(slug, Why.FAILED, reason=value)
        case Why.TOO_OLD:
            return Left(slug, Why.TOO_OLD, count=int(value))
        case Why.WAITING:
            return Left(slug, Why.WAITING, amount=-Decimal(value))


def _rows(name: str, wanted: dict[str, Any]) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], wanted)
        return cursor.fetchall()
