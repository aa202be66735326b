"""What was used and what it cost: per day and type, the events behind a debit, one event with its arithmetic.

Read only. Days are local days of the account, cut from quarters of an hour, so they are right in every time zone and on
days of 23 and 25 hours.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.errors import Invalid, NotFound
from tollbook.ledger.tables import Transfer
from tollbook.money.amount import ZERO
from tollbook.postgres.named import load
from tollbook.rating.deck import terms_of
from tollbook.rating.price import Terms, price
from tollbook.rating.tables import CreditType, Rate
from tollbook.usage import shelf
from tollbook.usage.shelf import Row, Span
from tollbook.usage.tables import UsageArchived, UsageReversal, UsageTold

SQL = load(__file__)
MOST_ROWS = 5_000
A_DAY = timedelta(days=1)
MOST_OF_A_DEBIT = 10_000
_COLUMNS = (
    "event_id", "type_code", "occurred_at", "received_at", "quantity", "billed_quantity", "rate_cents", "connect_fee",
    "cost", "to", "sender", "transfer_id", "hold_id",
)  # fmt: skip
_IDS = {"transfer_id", "hold_id", "rate_id", "rate_account_id"}
_PLACED = ("occurred_at", "event_id", *(name for name in _COLUMNS if name not in ("occurred_at", "event_id")))


@dataclass(frozen=True, slots=True)
class Day:
    """One type's usage on one local day: cost in the account's currency, quantities in the type's unit."""

    on: date
    events: int
    quantity: Decimal
    billed: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Used:
    """One event as it was debited. `rate_cents` per minute, message or segment; cost in the account's currency."""

    id: str
    type_code: str
    occurred_at: datetime
    received_at: datetime
    quantity: Decimal
    billed: Decimal
    rate_cents: Decimal
    connect_fee: Decimal
    cost: Decimal
    to: str
    sender: str
    transfer_id: UUID
    hold_id: UUID | None

    @property
    def key(self) -> "Key":
        """Where it stands in the order of time."""
        return Key(self.occurred_at, self.id)


@dataclass(frozen=True, slots=True)
class Key:
    """The place of an event in the order of time."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"


def key_of(text: str) -> Key:
    """The key that `str(key)` wrote. Raises Invalid."""
    at, _, id = text.partition("_")
    try:
        key = Key(datetime.fromisoformat(at), id)
    except ValueError:
        raise Invalid("This is not a place in the list; begin at its first page.", field="key") from None
    if key.at.tzinfo is None or not key.id or not key.id.isprintable():
        raise Invalid("This is not a place in the list; begin at its first page.", field="key")
    return key


@dataclass(frozen=True, slots=True)
class Correction:
    """One reversal: which event takes which one back, how much (negative), why, and who asked for it."""

    event_id: str
    reverses_id: str
    occurred_at: datetime
    quantity: Decimal
    cost: Decimal
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Opened:
    """One event with everything that explains its cost. `terms` is the rate it was rated with, `recomputed` what its raw
    quantity costs under that rate by today's arithmetic, `transfer` the debit it is part of (None when it cost nothing).
    `corrections` are the reversals of it or, when it takes another event back, of that one up to it; `reversed_from` is then
    what quantity that one had had before.
    """

    used: Used
    unit: str
    attributes: dict[str, Any]
    terms: Terms
    recomputed: Decimal
    transfer: Transfer | None
    corrections: list[Correction] = field(default_factory=list)
    reversed_from: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events: of one type, from `since` (included) until `until` (excluded), with this id or number."""

    type_code: str
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, newest first. `newer` and `older` are the keys to go on from, None at an end."""

    rows: list[Used]
    newer: Key | None
    older: Key | None


def days(account_id: UUID, timezone: str, last_on: date, count: int = 30) -> dict[str, list[Day]]:
    """Each used type's `count` local days up to and including `last_on`, days without usage too. One query."""
    dates = [last_on - A_DAY * back for back in reversed(range(count))]
    starts = [start_of(on, timezone) for on in [*dates, last_on + A_DAY]]
    with connection.cursor() as cursor:
        cursor.execute(SQL["days"], {"account_id": account_id, "starts": starts[:-1], "end": starts[-1]})
        rows = {(code, place): figures for code, place, *figures in cursor.fetchall()}
    nothing = (0, ZERO, ZERO, ZERO)
    return {
        code: [Day(on, *rows.get((code, place), nothing)) for place, on in enumerate(dates, 1)]
        for code in sorted({code for code, _ in rows})
    }


def units() -> dict[str, str]:
    """What each credit type's quantity counts, by code."""
    return dict(CreditType.objects.values_list("code", "unit"))


def start_of(on: date, timezone: str) -> datetime:
    """The first instant of a local day. Where clocks skip midnight, that is the instant after the skip."""
    return datetime.combine(on, time(), ZoneInfo(timezone)).astimezone(UTC)


def of_transfer(account_id: UUID, transfer_id: UUID, offset: int = 0, limit: int = 50) -> list[Used]:
    """The events that a debit consists of, in the order in which they occurred (at most 10,000 in all)."""
    one = {"account_id": account_id, "transfer_id": transfer_id}
    archived = shelf.of_transfer(account_id, transfer_id, _PLACED)
    if not archived:
        return _used("of_transfer", **one, offset=offset, limit=limit)
    there = _used("of_transfer", **one, offset=0, limit=MOST_OF_A_DEBIT)
    return sorted({used.id: used for used in [*there, *map(_of_file, archived)]}.values(), key=_place)[offset:][:limit]


def page(
    account_id: UUID,
    wanted: Filter,
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    size: int = 50,
) -> Page:
    """The newest events, those before a key, or those right after one, whether they cost something or not. One query."""
    backwards = newer_than is not None
    found = _read(account_id, wanted, newer_than if backwards else older_than, backwards, size + 1)
    more, rows = len(found) > size, found[:size]
    if backwards:
        rows.reverse()
        more_newer, more_older = more, bool(rows)
    else:
        more_newer, more_older = older_than is not None, more
    if not rows:
        return Page([], None, None)
    return Page(rows, rows[0].key if more_newer else None, rows[-1].key if more_older else None)


def everything(account_id: UUID, wanted: Filter, after: Key | None = None) -> Iterator[list[Used]]:
    """All events of a filter, newest first, in lists of up to 5,000: for files. Each list is one query."""
    while rows := _read(account_id, wanted, after, False, MOST_ROWS):
        yield rows
        if len(rows) < MOST_ROWS:
            return
        after = rows[-1].key


def newest(
    account_id: UUID,
    type_codes: Sequence[str],
    since: datetime | None = None,
    until: datetime | None = None,
    before: Key | None = None,
    limit: int = 100,
) -> list[Used]:
    """Up to `limit` events of any of the types, newest first, before a key: keyset pages for machines. One query."""
    limit = min(limit, MOST_ROWS)
    rows = _used(
        "newest_of_types",
        account_id=account_id,
        type_codes=list(type_codes),
        since=since,
        until=until,
        at=before and before.at,
        id=before and before.id,
        limit=limit,
    )
    span = Span(type_codes, since, until, key=(before.at, before.id) if before else None)
    return _with_archived(account_id, span, rows, limit)


def event(account_id: UUID, event_id: str) -> Opened:
    """One event, opened. Raises NotFound, also for another account's."""
    known = event_id.isprintable()  # as every id that was ever taken; others would upset the database
    row = next(iter(told_events(account_id, [event_id]) if known else []), None)
    if row is None:
        raise NotFound("There is no such event in this account.")
    unit = CreditType.objects.values_list("unit", flat=True).get(code=row.type_code)
    terms = terms_of(Rate.objects.get(account_id=row.rate_account_id, id=row.rate_id), unit)
    transfer = Transfer.objects.filter(account_id=account_id, id=row.transfer_id).first()
    opened = Opened(_told(row), unit, row.attributes, terms, price(terms, row.quantity).cost, transfer)
    if row.reverses_id is None:
        return replace(opened, corrections=_corrections(account_id, event_id)[1])
    original, corrections = _corrections(account_id, row.reverses_id)
    return _opened_reversal(opened, original, corrections)


def _corrections(account_id: UUID, event_id: str) -> tuple[Decimal, list[Correction]]:
    """The quantity of an event, and the reversals made of it, in order."""
    kept = list(UsageReversal.objects.filter(account_id=account_id, reverses_id=event_id).order_by("place"))
    ids = [event_id, *(one.event_id for one in kept)]
    told = {one.event_id: one for one in told_events(account_id, ids)} if kept else {}
    found = [
        Correction(
            one.event_id, event_id, told[one.event_id].occurred_at, told[one.event_id].quantity, told[one.event_id].cost,
            one.reason, one.actor,
        )
        for one in kept
    ]  # fmt: skip
    return told[event_id].quantity if kept else ZERO, found


def _opened_reversal(opened: Opened, original: Decimal, corrections: list[Correction]) -> Opened:
    """What a reversal took back is what its original cost before it, less what the rest of it cost after."""
    place = [one.event_id for one in corrections].index(opened.used.id)
    before = original + sum((one.quantity for one in corrections[:place]), ZERO)
    cost = price(opened.terms, before + opened.used.quantity).cost - price(opened.terms, before).cost
    return replace(opened, corrections=corrections[: place + 1], recomputed=cost, reversed_from=before)


def told_events(account_id: UUID, event_ids: Sequence[str]) -> list[UsageTold]:
    """Those of these events that are in the books, archived or not, in order of their ids."""
    rows = {row.event_id: row for row in UsageTold.objects.filter(account_id=account_id, event_id__in=event_ids)}
    missing = [id for id in event_ids if id not in rows]
    for id, columns in shelf.find(account_id, missing).items():
        attributes = json.loads(columns.pop("attributes"))
        rows[id] = UsageTold(account_id=account_id, attributes=attributes, **_with_ids(columns))
    return [rows[id] for id in sorted(rows)]


def told_anywhere(account_ids: Collection[UUID], event_id: str, most: int) -> list[UsageTold]:
    """The events of any of these accounts that have this id, archived or not, at most so many."""
    rows = list(UsageTold.objects.filter(account_id__in=account_ids, event_id=event_id)[:most])
    keys = UsageArchived.objects.filter(account_id__in=account_ids, event_id=event_id)
    for account_id in keys.values_list("account_id", flat=True)[: most - len(rows)]:
        rows += told_events(account_id, [event_id])
    return rows


def events_of_holds(account_id: UUID, type_code: str, held_for: Sequence[str]) -> dict[str, str]:
    """The events of one type that holds have become, by the event id that each hold was placed for."""
    ids = {id: held for held in held_for for id in (held, f"{held}#{type_code}")}
    return {ids[row.event_id]: row.event_id for row in told_events(account_id, list(ids)) if row.type_code == type_code}


def _told(row: UsageTold) -> Used:
    return Used(
        row.event_id, row.type_code, row.occurred_at, row.received_at, row.quantity, row.billed_quantity, row.rate_cents,
        row.connect_fee, row.cost, row.to, row.sender, row.transfer_id, row.hold_id,
    )  # fmt: skip


def _read(account_id: UUID, wanted: Filter, key: Key | None, backwards: bool, limit: int) -> list[Used]:
    rows = _used(
        "newer" if backwards else "older",
        account_id=account_id,
        type_code=wanted.type_code,
        since=wanted.since,
        until=wanted.until,
        text=wanted.text,
        at=key and key.at,
        id=key and key.id,
        limit=limit,
    )
    place = (key.at, key.id) if key else None
    span = Span([wanted.type_code], wanted.since, wanted.until, wanted.text, place, oldest_first=backwards)
    return _with_archived(account_id, span, rows, limit)


def _with_archived(account_id: UUID, span: Span, rows: list[Used], limit: int) -> list[Used]:
    """Rows of the table and of the archive together, in the order of the span. The table is read first: a month that is
    archived meanwhile is then seen twice rather than not at all."""
    known = [(*_place(used), used) for used in rows]
    found = shelf.nearest(account_id, span, _PLACED, limit, known)
    return [row[2] if isinstance(row[2], Used) else _of_file(row) for row in found]


def _place(used: Used) -> tuple[datetime, str]:
    return used.occurred_at, used.id


def _of_file(row: Row) -> Used:
    columns = _with_ids(dict(zip(_PLACED, row, strict=True)))
    return Used(*(columns[name] for name in _COLUMNS))


def _with_ids(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns of a file with its ids, which it has as text, as ids."""
    return {name: UUID(value) if value and name in _IDS else value for name, value in columns.items()}


def _used(statement: str, **parameters: object) -> list[Used]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[statement], parameters)
        return [Used(*row) for row in cursor.fetchall()]
