"""Where usage goes: what was used and what it cost by campaign, agent, destination country or credit type.

Per hour, per day, or in total; days and hours are the account's local ones. Always in step with the events: what the worker
has not folded into the roll-ups yet is added up while reading (see `fold`). Read only.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.postgres.named import load
from tollbook.usage import fold

SQL = load(__file__)
MOST_LINES = 100_000
MOST_PERIODS = 2_000
HOUR = timedelta(hours=1)
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


class By(StrEnum):
    """What usage is broken down by."""

    CAMPAIGN = "campaign"
    AGENT = "agent"
    COUNTRY = "country"
    TYPE = "type"


class Per(StrEnum):
    """How long the periods of a breakdown are."""

    HOUR = "hour"
    DAY = "day"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Asked:
    """A breakdown to make: of what occurred from `since` until before `until`, of one credit type or of all."""

    by: By
    per: Per
    since: datetime
    until: datetime
    type_code: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One value in one period, which begins at `begins_at`. '' stands for events without such a value.

    Quantities are in the type's unit, and of little use over types of different units; cost in the account's currency.
    """

    begins_at: datetime
    value: str
    events: int
    quantity: Decimal
    billed: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Lines by period and then by cost, the largest first; `since` and `until` as they were made whole hours or days."""

    since: datetime
    until: datetime
    lines: list[Line]


def breakdown(account: Account, asked: Asked) -> Breakdown:
    """Usage of an account by a value, period by period. One query, one snapshot.

    `since` is moved back to the beginning of its local hour (per day: of its local day), `until` on to the end of its own.
    Raises Invalid when nothing lies between them, or more periods or lines than anybody reads.
    """
    if not EARLIEST <= asked.since < asked.until <= LATEST:
        raise Invalid("until must lie after since, and both within reason.", field="until")
    zone = ZoneInfo(account.timezone)
    since, until = _beginning(asked.since, zone, asked.per), _end(asked.until, zone, asked.per)
    begins = _periods(since, until, zone, asked.per)
    values = {
        "account_id": account.id,
        "attribute": asked.by.value,
        "type_code": asked.type_code,
        "since": since,
        "until": until,
        "begins": begins,
        "limit": MOST_LINES + 1,
    }
    with connection.cursor() as cursor:
        statement = "by_type" if asked.by is By.TYPE else "by_attribute"
        cursor.execute(SQL[statement], values | fold.parameters(account.timezone))
        rows = cursor.fetchall()
    if len(rows) > MOST_LINES:
        raise Invalid(f"That is more than {MOST_LINES:,} lines; ask for fewer days, or per day.", field="since")
    return Breakdown(since, until, [Line(begins[place - 1], *rest) for place, *rest in rows])


def _beginning(at: datetime, zone: ZoneInfo, per: Per) -> datetime:
    local = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    return (local.replace(hour=0, fold=0) if per is Per.DAY else local).astimezone(UTC)


def _end(at: datetime, zone: ZoneInfo, per: Per) -> datetime:
    begins = _beginning(at, zone, per)
    return begins if begins == at else _next(begins, zone, per)


def _next(begins: datetime, zone: ZoneInfo, per: Per) -> datetime:
    if per is not Per.DAY:
        return begins + HOUR
    tomorrow = begins.astimezone(zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).astimezone(UTC)


def _periods(since: datetime, until: datetime, zone: ZoneInfo, per: Per) -> list[datetime]:
    """When each period begins."""
    if per is Per.TOTAL:
        return [since]
    begins = [since]
    while (following := _next(begins[-1], zone, per)) < until:
        begins.append(following)
        if len(begins) > MOST_PERIODS:
            raise Invalid(f"That is more than {MOST_PERIODS:,} {per}s; ask for fewer.", field="since")
    return begins
