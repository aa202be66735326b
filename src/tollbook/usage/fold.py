"""Roll-ups by campaign, agent and destination country, caught up from the backlog that every batch writes.

Whoever records events only notes what the roll-ups lack (`owed`), in the events' own transaction; the worker folds it in,
many batches at a time, and takes them off the backlog in the same transaction. So at any instant, roll-ups and events
of the backlog together are all events (`breakdown` reads both, `tollbook audit` proves it). A worker that is away makes
the backlog longer and reports slower, never wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from math import gcd
from threading import Event
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection

from tollbook.postgres import prepared
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating import country
from tollbook.usage import owed
from tollbook.usage.batch import summable

QUARTER = timedelta(minutes=15)

SQL = load(__file__)
ATTRIBUTES = ("campaign", "agent", "country")
EVENTS_AT_ONCE = 200_000
"""About a fifth of a second of work: what one transaction folds."""

WAIT = timedelta(seconds=15)
MANY = 50_000
"""How long a batch may wait, and how many events of an account, before the worker folds them. Waiting saves work: the more
is folded at once, the fewer rows are written for an event."""

_SAMPLED_YEARS = range(2000, 2038)
_ANY = UUID(int=2**128 - 1)


def fold_due(stop: Event | None = None) -> int:
    """Fold what has waited long, or has become much; answers how many events. Locks as `fold_waiting`."""
    return _fold_all(_id_at(datetime.now(UTC) - WAIT), stop)


def fold_waiting(stop: Event | None = None) -> int:
    """Fold all that waits, some batches at a time in a transaction of their own; answers how many events. Locks: the rows
    of the backlog that it takes (others are skipped), then roll-ups in order of their keys.
    """
    return _fold_all(_ANY, stop)


def _fold_all(before: UUID, stop: Event | None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL["waiting"], {"before": before, "many": MANY})
        waiting = cursor.fetchall()
    return sum(_fold_accounts(timezones, stop) for timezones in _together(waiting))


def _together(waiting: Iterable[tuple[UUID, str, int]]) -> Iterator[dict[UUID, str]]:
    """Accounts with their time zones, as many together as are one transaction's work."""
    timezones: dict[UUID, str] = {}
    together = 0
    for account_id, timezone, events in waiting:
        if timezones and together + events > EVENTS_AT_ONCE:
            yield timezones
            timezones, together = {}, 0
        timezones[account_id] = timezone
        together += events
    if timezones:
        yield timezones


def _id_at(at: datetime) -> UUID:
    """The first id that may be made at this instant (UUIDv7)."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


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


def _fold_accounts(timezones: Mapping[UUID, str], stop: Event | None) -> int:
    done = 0
    while not (stop and stop.is_set()):
        events = in_transaction(partial(_fold, timezones))
        done += events
        if events == 0:
            break
    return done


def _fold(timezones: Mapping[UUID, str]) -> int:
    claimed: dict[UUID, list[tuple[str, bytes]]] = defaultdict(list)
    with prepared.cursor() as cursor:
        keys = {"account_ids": list(timezones), "most": EVENTS_AT_ONCE}
        for account_id, type_code, packed in cursor.execute(SQL["claim"], keys, prepare=True, binary=True):
            claimed[account_id].append((type_code, packed))
        told: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        events = 0
        for account_id in sorted(claimed):
            sums = _Sums(claimed[account_id], width_of(timezones[account_id]))
            events += sums.events
            sums.add_to(told, account_id)
        if claimed:
            cursor.execute(SQL["add"], told, prepare=True)
    return events


class _Sums:
    """What events add up to by each attribute apart (all together would make nearly a group of each). Exact: whole
    millionths."""

    def __init__(self, claimed: Sequence[tuple[str, bytes]], width: timedelta) -> None:
        rows = owed.unpacked([packed for _, packed in claimed])
        self.events = len(rows)
        self._types = sorted({type_code for type_code, _ in claimed})
        places = [self._types.index(type_code) for type_code, _ in claimed]
        of_type = np.repeat(places, [len(packed) // owed.PACKED.itemsize for _, packed in claimed])
        self._figures = [summable(rows[name].astype(np.int64)) for name in ("quantity", "billed", "cost")]
        quarters = rows["quarter"].astype(np.int64)
        buckets = quarters - quarters % (width // QUARTER)
        self._first = int(buckets.min())
        self._span = int(buckets.max()) - self._first + 1
        self._within = (buckets - self._first) * len(self._types) + of_type
        self._codes, countries = np.unique(country.codes_of(rows["place"].astype(np.int64)), return_inverse=True)
        self._values = dict(zip(ATTRIBUTES, (rows["campaign"], rows["agent"], countries), strict=True))

    def add_to(self, told: dict[str, list[Any]], account_id: UUID) -> None:
        """Add a row for each attribute, value, type and bucket to the parameters of the statement that adds them."""
        for attribute, values in self._values.items():
            columns = self._of(attribute, values)
            told["account_ids"] += [account_id] * len(columns[0])
            for name, column in zip(_COLUMNS[1:], columns, strict=True):
                told[name] += column

    def _of(self, attribute: str, values: np.ndarray) -> list[list[Any]]:
        keys = values.astype(np.int64) * (self._span * len(self._types)) + self._within
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        value, within = np.divmod(keys[starts], self._span * len(self._types))
        bucket, type = np.divmod(within, len(self._types))
        named = attribute == "country"
        return [
            [attribute] * len(starts),
            [0] * len(starts) if named else value.tolist(),
            self._codes[value].tolist() if named else [""] * len(starts),
            [_EPOCH + QUARTER * quarter for quarter in (bucket + self._first).tolist()],
            [self._types[place] for place in type.tolist()],
            np.diff(np.r_[starts, len(keys)]).tolist(),
            *(np.add.reduceat(figures[order], starts).tolist() for figures in self._figures),
        ]


_COLUMNS = (
    "account_ids", "attributes", "value_ids", "values", "begins", "type_codes", "events", "quantities", "billed", "costs",
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
