"""How fast money is being spent, and when it will be gone at that pace.

Two windows. The last hours say how long the rest of today's credit lasts; what is further away is judged by the last
week, which has its nights and its weekend in it. Both come from the roll-up by quarter of an hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.money.amount import ZERO
from tollbook.postgres.named import load

SQL = load(__file__)
RECENT = timedelta(hours=3)
WEEK = timedelta(days=7)
SOON = timedelta(hours=12)
FURTHEST = timedelta(days=366)
AN_HOUR = timedelta(hours=1)
A_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Pace:
    """Spending per hour in the last three hours and in the last seven days (or since it began), account's currency."""

    recent: Decimal
    week: Decimal

    def runs_out(self, balance: Decimal, now: datetime) -> datetime | None:
        """When `balance` will be used up; None when it is already, when nothing is being spent, or not within a year."""
        if balance <= 0:
            return None
        soon = _lasting(balance, self.recent)
        if soon is not None and soon <= SOON:
            return now + soon
        later = _lasting(balance, self.week)
        return None if later is None else now + max(later, SOON if soon else later)


NO_PACE = Pace(ZERO, ZERO)


def paces(account_id: UUID, now: datetime) -> dict[str, Pace]:
    """The pace of each credit type that was used in the last seven days. One query."""
    with connection.cursor() as cursor:
        recent, week = _quarter_of(now - RECENT), _quarter_of(now - WEEK)
        cursor.execute(SQL["spent"], {"account_id": account_id, "recent": recent, "week": week, "now": now})
        rows = cursor.fetchall()
    return {code: Pace(_hourly(late, now - recent), _hourly(all, now - first)) for code, late, all, first in rows}


def _lasting(balance: Decimal, hourly: Decimal) -> timedelta | None:
    if hourly <= 0 or balance / hourly > FURTHEST / AN_HOUR:
        return None
    return timedelta(seconds=float(balance / hourly * 3600))


def _hourly(cost: Decimal, elapsed: timedelta) -> Decimal:
    """`cost` per hour; time that began a moment ago counts as a quarter of an hour, for one call is no pace."""
    return cost / Decimal(max(elapsed, A_QUARTER) / AN_HOUR)


def _quarter_of(at: datetime) -> datetime:
    utc = at.astimezone(UTC)
    return utc - timedelta(minutes=utc.minute % 15, seconds=utc.second, microseconds=utc.microsecond)
