"""The running record of a wallet: what moved its balance (the books) and what was set aside (holds), newest first.

Read only. Pages go by key, not by number, so that the thousandth page of a busy wallet costs as much as the first and
a row that arrives meanwhile moves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from django.db import connection

from tollbook.errors import Invalid
from tollbook.postgres.named import load

SQL = load(__file__)
MOST_ROWS = 5_000
BALANCE_POINTS = 180


class Kind(StrEnum):
    """What a record can be filtered by."""

    USAGE = "usage"
    REFILL = "refill"
    CORRECTION = "correction"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records: of one kind, from `since` (included) until `until` (excluded)."""

    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The place of a record in the order of time."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"


FIRST, LAST = (
    Key(datetime.min.replace(tzinfo=UTC), UUID(int=0)),
    Key(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1)),
)


def key_of(text: str) -> Key:
    """The key that `str(key)` wrote. Raises Invalid."""
    at, _, id = text.partition("_")
    try:
        key = Key(datetime.fromisoformat(at), UUID(id))
    except ValueError:
        raise Invalid("This is not a place in the record; begin at its first page.", field="key") from None
    if key.at.tzinfo is None:
        raise Invalid("This is not a place in the record; begin at its first page.", field="key")
    return key


@dataclass(frozen=True, slots=True)
class Row:
    """One record. For a hold's (`kind` is reserve, extend, capture, release or expire) before and after are what is held
    and `reference` is the event's id; for a transfer they are the balance. Amounts in the wallet's currency, 6 places.
    """

    id: UUID
    at: datetime
    is_hold: bool
    kind: str
    reference: str
    description: str
    actor: str
    events: int
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        """What it added; negative for what it took."""
        return self.after - self.before

    @property
    def key(self) -> Key:
        """Where it stands."""
        return Key(self.at, self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first. `newer` and `older` are the keys to go on from, None at an end."""

    rows: list[Row]
    newer: Key | None
    older: Key | None


def page(
    account_id: UUID,
    wallet_id: UUID,
    wanted: Filter = Filter(),
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    size: int = 50,
) -> Page:
    """The newest rows, those older than a key, or those right after one. One query, two index walks."""
    backwards = newer_than is not None
    found = _read(account_id, wallet_id, wanted, newer_than if backwards else older_than, backwards, size + 1)
    more, rows = len(found) > size, found[:size]
    if backwards:
        rows.reverse()
        more_newer, more_older = more, bool(rows)
    else:
        more_newer, more_older = older_than is not None, more
    if not rows:
        return Page([], None, None)
    return Page(rows, rows[0].key if more_newer else None, rows[-1].key if more_older else None)


def everything(account_id: UUID, wallet_id: UUID, wanted: Filter, after: Key | None = None) -> Iterator[list[Row]]:
    """All rows of a filter, newest first, in lists of up to 5,000: for files. Each list is one query."""
    while rows := _read(account_id, wallet_id, wanted, after, False, MOST_ROWS):
        yield rows
        if len(rows) < MOST_ROWS:
            return
        after = rows[-1].key


def balances(account_id: UUID, wallet_id: UUID, since: datetime, until: datetime) -> list[tuple[datetime, Decimal]]:
    """The balance over time for a step chart, oldest first: as it stood at `since` (or from the first movement on), at 180
    instants up to `until` where it differs, and right before and after everything but usage, so that no refill's peak
    is lost. One query of as many index look-ups, however busy the wallet is. Empty when nothing ever moved it.
    """
    with connection.cursor() as cursor:
        values = {"account_id": account_id, "wallet_id": wallet_id, "since": since, "until": until}
        cursor.execute(SQL["balances"], values | {"steps": BALANCE_POINTS})
        found = cursor.fetchall()
    return [point for index, point in enumerate(found) if index == 0 or point[1] != found[index - 1][1]]


def _read(account_id: UUID, wallet_id: UUID, wanted: Filter, key: Key | None, backwards: bool, limit: int) -> list[Row]:
    bound = _later(wanted.since, key) if backwards else _earlier(wanted.until, key)
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["newer" if backwards else "older"],
            {
                "account_id": account_id,
                "wallet_id": wallet_id,
                "kind": wanted.kind,
                "since": wanted.since or FIRST.at,
                "until": wanted.until or LAST.at,
                "at": bound.at,
                "id": bound.id,
                "limit": limit,
            },
        )
        return [Row(*row) for row in cursor.fetchall()]


def _earlier(until: datetime | None, key: Key | None) -> Key:
    """Rows before this are before `until` and before the key."""
    return min(Key(until or LAST.at, FIRST.id), key or LAST)


def _later(since: datetime | None, key: Key | None) -> Key:
    """Rows after this are at `since` or later, and after the key."""
    return max(Key(since - timedelta.resolution, LAST.id) if since else FIRST, key or FIRST)
