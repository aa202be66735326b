"""Roll-ups by campaign, agent and destination country, caught up from the backlog that every batch writes.

Whoever records events only notes which batches the roll-ups lack, in the events' own transaction; the worker folds them
in, many batches at a time, and takes them off the backlog in the same transaction. So at any instant, roll-ups and events
of the backlog together are all events (`breakdown` reads both, `tollbook audit` proves it). A worker that is away makes
the backlog longer and reports slower, never wrong.
"""

from datetime import UTC, datetime, timedelta
from functools import cache, partial
from math import gcd
from threading import Event
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating import country

SQL = load(__file__)
ATTRIBUTES = ("campaign", "agent", "country")
EVENTS_AT_ONCE = 200_000
"""About half a second of work: what one transaction folds."""

_FEWEST, _MOST = 20, 20_000
_SAMPLED_YEARS = range(2000, 2038)


def fold_waiting(stop: Event | None = None) -> int:
    """Fold what waits, account by account, each some batches at a time in a transaction of its own; answers how many
    events. Locks: the rows of the backlog that it takes (others are skipped), then roll-ups in order of their keys.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["waiting"])
        waiting = cursor.fetchall()
    return sum(_fold_account(account_id, timezone, stop) for account_id, timezone, _ in waiting)


def backlog(most: int = 100_000) -> int:
    """How many batches wait to be folded; counts no further than `most`."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["backlog"], {"most": most})
        return int(cursor.fetchone()[0])


def parameters(timezone: str) -> dict[str, object]:
    """What the statements that group events need: how wide a bucket is, and which number belongs to which country."""
    found = country.ranges()
    return {
        "width": width_of(timezone),
        "number": country.NUMBER,
        "starts": found.starts,
        "countries": found.countries,
        "codes": found.codes,
    }


@cache
def width_of(timezone: str) -> timedelta:
    """How long a bucket must be at most for local days and hours to be whole numbers of them.

    An hour for most zones, half of one for India's (+05:30), a quarter for Nepal's (+05:45): finer ones for everybody would
    make four times the rows.
    """
    zone, minutes = ZoneInfo(timezone), 60
    for year in _SAMPLED_YEARS:
        for month in range(1, 13):
            offset = datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
            minutes = gcd(minutes, round(offset.total_seconds() / 60))
    return timedelta(minutes=max(minutes, 15))


def _fold_account(account_id: UUID, timezone: str, stop: Event | None) -> int:
    done, batches = 0, 200
    while not (stop and stop.is_set()):
        taken, events = in_transaction(partial(_fold, account_id, timezone, batches))
        done += events
        if taken < batches:
            break
        batches = max(_FEWEST, min(_MOST, batches * EVENTS_AT_ONCE // max(events, 1)))
    return done


def _fold(account_id: UUID, timezone: str, batches: int) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["room"])
        cursor.execute(SQL["fold"], parameters(timezone) | {"account_id": account_id, "most": batches})
        taken, events = cursor.fetchone()
    return taken, events
