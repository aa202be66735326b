"""A batch of events in: deduplicated, rated, debited, in the books, in one transaction.

The order of locks is the same everywhere: event keys (by account, type and id), wallets (by account and id), holds, roll-ups
(sorted). Whatever repeats a batch, after a lost answer or a crash, finds its events known and debits nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakSet

import msgspec
import numpy as np
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg import Cursor

from tollbook.accounts.account import by_id
from tollbook.errors import Invalid, TryLater
from tollbook.ledger.chain import digest_of_details
from tollbook.money.amount import ZERO
from tollbook.postgres import binary, wake
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute, together
from tollbook.postgres.retry import in_transaction, repeated
from tollbook.rating.deck import ask, remembered, told
from tollbook.usage import archived, attributes
from tollbook.usage.archived import Sealed
from tollbook.usage.batch import Batch, of_events, summable
from tollbook.usage.event import Event
from tollbook.usage.known import bodies_of
from tollbook.usage.owed import PACKED, QUARTER_US, packed
from tollbook.usage.prepare import Body, Prepared, Rows, prepare
from tollbook.wallets.hold import Ending, end_many, endings_for
from tollbook.wallets.spend import Debit, spend
from tollbook.wallets.wallet import Locked, lock_all, open_wallets

SQL = load(__file__)
LARGEST_BATCH = 10_000
REJECTED, NEW, KNOWN = 0, 1, 2
QUARTER = timedelta(minutes=15)
FEW = 200
"""Below this many events go in by one statement, with as few round trips as there can be; others by COPY."""

RATES_CHANGE = "The rates are being changed; send this again in a moment."
_ASKED = 8
_ATTEMPTS = 5
_staged: WeakSet[Any] = WeakSet()
"""The connections that have their staging table for sure."""

_used: WeakSet[Any] = WeakSet()
"""Those whose staging table may hold rows of an earlier batch of the same transaction."""

_FIELDS = 14
_FIXED = [
    ("occurred_at", binary.INSTANT), ("account_id", binary.UUID16), ("transfer_id", binary.UUID16),
    ("rate_id", binary.UUID16), ("campaign_id", binary.INTEGER), ("agent_id", binary.INTEGER),
    ("quantity", binary.DECIMAL), ("billed", binary.DECIMAL), ("cost", binary.DECIMAL),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken: its place in the batch, its id, a stable code and a sentence."""

    index: int
    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch. `cost` is what was debited now, in the account's currency, 6 places."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each event of a batch, by its place: NEW, KNOWN or REJECTED, and why; and its cost in millionths."""

    states: np.ndarray
    cost_micro: np.ndarray
    rejections: dict[int, Rejection]

    def part(self, start: int, end: int) -> Recorded:
        """What became of the events from place `start` to before `end`, with places counted from `start`."""
        states = self.states[start:end]
        rejected = [
            Rejection(place - start, one.id, one.code, one.message)
            for place, one in sorted(self.rejections.items())
            if start <= place < end
        ]
        cost = int(summable(self.cost_micro[start:end]).sum())
        return Recorded(int((states == NEW).sum()), int((states == KNOWN).sum()), rejected, millionths(cost))


def record(account_id: UUID, events: Sequence[Event], oldest: timedelta | None = None) -> Recorded:
    """Take a batch of 1 to 10,000 events of one account. Exactly-once by (account, event id), for ever.

    Own transaction, repeated after a deadlock or a lost connection (which is safe: the ids are the same). One bad
    event never blocks the others: it is in `rejected`, as is a known id with another body (`event_conflict`), and one
    that occurred longer than `oldest` ago (None: any age is taken).
    """
    batch = _batch(account_id, events)
    return record_batch(batch, oldest).part(0, len(events))


def record_within(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """As `record`, inside the caller's transaction, which must hold no wallet lock yet (event keys come first)."""
    batch = _batch(account_id, events)
    for _ in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                return _take(prepare(batch, None)).part(0, len(events))
        except _OldRates:
            continue
    raise TryLater(RATES_CHANGE)


def record_batch(batch: Batch, oldest: timedelta | None = None) -> Outcome:
    """As `record`, for events of any accounts, all in one transaction."""
    state = remembered(batch.account_ids)
    for _ in range(_ATTEMPTS):
        prepared = repeated(partial(prepare, batch, oldest, state))
        try:
            return in_transaction(partial(_take, prepared))
        except _OldRates:
            state = None
    raise TryLater(RATES_CHANGE)


def _batch(account_id: UUID, events: Sequence[Event]) -> Batch:
    if len(events) > LARGEST_BATCH:
        raise Invalid(f"A batch has at most {LARGEST_BATCH} events.", field="events")
    return of_events(account_id, events, [attributes.told(event.attributes) for event in events])


class _JustHeld(OperationalError):
    """The holds of this transaction's events changed while it ran: it must be repeated, as `in_transaction` does."""


class _OldRates(Exception):
    """The rates are not those that the batch was rated with; the transaction must be rolled back."""


def _take(prepared: Prepared) -> Outcome:
    """Record a batch. Raises _OldRates when a rate was changed since it was rated."""
    fresh, holding = _entered(prepared)
    if fresh.any():
        _debit(prepared, fresh, holding)
    return _told(prepared, fresh)


def _entered(prepared: Prepared) -> tuple[np.ndarray, list[tuple[UUID, int]]]:
    """Write the events that are new; answers which rows are, and what their accounts have (see the statement `holding`)."""
    rows = prepared.rows
    if not len(rows) or len(rows) >= FEW or archived.has_any(prepared.account_ids):
        _check(prepared, ask(prepared.account_ids))
        fresh = _insert(prepared) if len(rows) else np.zeros(0, bool)
        return fresh, _holding(prepared) if fresh.any() else []
    with together():
        asked = ask(prepared.account_ids)
        inserted = execute(SQL["insert_few"], {"events": as_json(_as_rows(prepared))})
        holding = _ask_holding(prepared)
    _check(prepared, asked)
    new = set(inserted.fetchall())
    return _which(prepared, new), holding.fetchall() if new else []


def _ask_holding(prepared: Prepared) -> Cursor[Any]:
    return execute(SQL["holding"], {"account_ids": sorted({group.account_id for group in prepared.groups})})


def _holding(prepared: Prepared) -> list[tuple[UUID, int]]:
    return _ask_holding(prepared).fetchall()


def _check(prepared: Prepared, asked: Cursor[Any]) -> None:
    if told(asked, prepared.account_ids) != prepared.state:
        raise _OldRates


def _which(prepared: Prepared, new: set[tuple[UUID, str]]) -> np.ndarray:
    """Which rows have one of these keys."""
    rows = prepared.rows
    if len(new) in (0, len(rows)):
        return np.full(len(rows), bool(new))
    keys = zip((prepared.account_ids[account] for account in rows.accounts.tolist()), rows.ids, strict=True)
    return np.array([key in new for key in keys])


def _told(prepared: Prepared, fresh: np.ndarray) -> Outcome:
    """States and rejections by place in the batch; bodies are compared only where an id was known."""
    rows, batch = prepared.rows, prepared.batch
    states = np.zeros(len(batch), np.int8)
    cost = np.zeros(len(batch), np.int64)
    states[rows.places[fresh]] = NEW
    cost[rows.places[fresh]] = rows.cost_micro[fresh]
    rejections = {
        place: Rejection(place, batch.ids[place][:200], fault.code, fault.message)
        for place, fault in prepared.faults.items()
    }
    asked = [int(rows.places[row]) for row in np.flatnonzero(~fresh)]
    again = [(place, row) for place, row in prepared.again if fresh[row]]
    asked += [place for place, row in prepared.again if not fresh[row]] + prepared.late
    for place, row in again:
        _tell(prepared, states, rejections, place, prepared.body(int(rows.places[row])))
    known = bodies_of([(batch.account_ids[batch.accounts[place]], batch.ids[place]) for place in asked])
    for place in asked:
        body = known.get((batch.account_ids[batch.accounts[place]], batch.ids[place]))
        if body is not None:
            _tell(prepared, states, rejections, place, body)
    return Outcome(states, cost, rejections)


def _tell(
    prepared: Prepared, states: np.ndarray, rejections: dict[int, Rejection], place: int, known: Body | Sealed
) -> None:
    if prepared.body(place) == known:
        states[place] = KNOWN
        rejections.pop(place, None)
    else:
        rejections[place] = conflict(place, prepared.batch.ids[place])


def conflict(place: int, event_id: str) -> Rejection:
    """The rejection of an event whose id is known with another body."""
    return Rejection(place, event_id, "event_conflict", "This id was used before for an event with another body.")


def _insert(prepared: Prepared) -> np.ndarray:
    """Write what is new; answers which rows are. Nearly always all of them are, so that is tried first, by COPY."""
    rows = prepared.rows
    told = _copied(prepared)
    if _all_new(prepared, told):
        return np.ones(len(rows), bool)
    _stage(told)
    if archived.has_any(prepared.account_ids):
        execute(SQL["leave_out_archived"])
    inserted = execute(SQL["insert_new"]).rowcount
    if inserted in (0, len(rows)):  # with none, this may be the repetition of a commit, whose transfers are the batch's own
        return np.full(len(rows), inserted > 0)
    return _which(prepared, set(execute(SQL["found_new"])))


def _all_new(prepared: Prepared, told: bytes) -> bool:
    """Write a whole batch, unless one of its events is known, here or in an archive; answers whether it was written."""
    if archived.has_any(prepared.account_ids):
        return False
    rows = prepared.rows
    few = np.linspace(0, len(rows) - 1, _ASKED).astype(int).tolist()
    asked = {
        "account_ids": [prepared.account_ids[rows.accounts[row]] for row in few],
        "event_ids": [rows.ids[row] for row in few],
    }
    if execute(SQL["any_known"], asked).fetchone()[0]:  # type: ignore[index]
        return False
    try:
        with (
            transaction.atomic(),
            connection.wrap_database_errors,
            connection.cursor() as cursor,
            cursor.copy(SQL["copy_new"]) as copy,
        ):
            copy.write(told)
    except IntegrityError:
        return False
    return True


def _stage(told: bytes) -> None:
    """Copy the batch into this connection's own table, emptied at every commit and, for a second batch, here."""
    with connection.wrap_database_errors, connection.cursor() as cursor:
        raw = connection.connection
        if raw not in _staged:
            cursor.execute(SQL["staging"])
            transaction.on_commit(partial(_staged.add, raw))
        elif raw in _used:
            cursor.execute(SQL["clear"])
        _used.add(raw)
        transaction.on_commit(partial(_used.discard, raw))
        with cursor.copy(SQL["copy_in"]) as copy:
            copy.write(told)


class _Row(msgspec.Struct):
    """An event on its way into the database, with whole millionths."""

    occurred_us: int
    account_id: UUID
    transfer_id: UUID
    rate_id: UUID
    campaign_id: int
    agent_id: int
    event_id: str
    type_code: str
    quantity: int
    billed: int
    cost: int
    to: str
    sender: str
    attributes: msgspec.Raw


def _as_rows(prepared: Prepared) -> list[_Row]:
    rows = prepared.rows
    groups = [prepared.groups[group] for group in rows.groups.tolist()]
    return list(
        map(
            _Row,
            rows.at_us.tolist(),
            [group.account_id for group in groups],
            [group.transfer_id for group in groups],
            [UUID(bytes=bytes(rate_id)) for rate_id in rows.rate_ids],
            rows.campaigns.tolist(),
            rows.agents.tolist(),
            rows.ids,
            [group.type_code for group in groups],
            *(column.tolist() for column in (rows.quantity_micro, rows.billed_micro, rows.cost_micro)),
            rows.to,
            rows.sender,
            map(msgspec.Raw, rows.own),
        )
    )


def _copied(prepared: Prepared) -> bytes:
    rows = prepared.rows
    table = binary.fixed(len(rows), _FIELDS, _FIXED)
    binary.set_instants(table["occurred_at"], rows.at_us)
    table["account_id"]["value"] = _bytes16(prepared.account_ids)[rows.accounts]
    table["transfer_id"]["value"] = _bytes16([group.transfer_id for group in prepared.groups])[rows.groups]
    table["rate_id"]["value"] = rows.rate_ids
    table["campaign_id"]["value"] = rows.campaigns
    table["agent_id"]["value"] = rows.agents
    binary.set_decimals(table["quantity"], rows.quantity_micro)
    binary.set_decimals(table["billed"], rows.billed_micro)
    binary.set_decimals(table["cost"], rows.cost_micro)
    varying = [
        *binary.texts(rows.ids),
        *binary.chosen([group.type_code.encode() for group in prepared.groups], rows.groups.tolist()),
        *binary.texts(rows.to),
        *binary.texts(rows.sender),
        *_own(rows),
    ]
    return binary.HEADER + binary.rows(table, varying) + binary.TRAILER


def _own(rows: Rows) -> list[Sequence[bytes]]:
    if rows.own.count(attributes.EMPTY) == len(rows):
        return binary.chosen([binary.jsonb(attributes.EMPTY)], [0] * len(rows))
    return binary.values([binary.jsonb(own) for own in rows.own])


def _bytes16(ids: Sequence[UUID]) -> np.ndarray:
    return np.array([np.void(one.bytes) for one in ids], "V16")


def _debit(prepared: Prepared, fresh: np.ndarray, holding: Sequence[tuple[UUID, int]]) -> None:
    """Close the holds these events were held by, lock the wallets, debit, add to the roll-ups."""
    sums = _Sums(prepared, fresh)
    endings, held = _endings(prepared, fresh, holding)
    wallets = _wallets(held | {(one.account_id, one.type_code) for one in map(prepared.groups.__getitem__, sums.groups)})
    if _endings(prepared, fresh, _holding(prepared))[0] != endings:  # nobody can place or end one any more
        raise _JustHeld("a hold of an event of this batch was placed or ended while it was recorded")
    end_many(endings)
    with together():
        spend(wallets, sums.debits())
        execute(SQL["add_up"], {"sums": as_json(sums.by_quarter()), **sums.owed(), "channel": wake.CHANNEL})


def _endings(
    prepared: Prepared, fresh: np.ndarray, found: Sequence[tuple[UUID, int]]
) -> tuple[list[Ending], set[tuple[UUID, str]]]:
    """How open holds of new events end, and their wallets. Most accounts have no open hold."""
    holding = {account_id for account_id, files in found if not files}
    archived.look_again(
        {account_id: files for account_id, files in found if files}, [group.transfer_id for group in prepared.groups]
    )
    if not holding:
        return [], set()
    rows = prepared.rows
    return endings_for(
        [
            (account_id, rows.ids[row])
            for row in np.flatnonzero(fresh).tolist()
            if (account_id := prepared.account_ids[rows.accounts[row]]) in holding
        ]
    )


def _wallets(wanted: set[tuple[UUID, str]]) -> dict[tuple[UUID, str], Locked]:
    wallets = lock_all(wanted)
    missing = wanted - wallets.keys()
    if missing:
        for account_id in sorted({account_id for account_id, _ in missing}):
            open_wallets(by_id(account_id))
        wallets |= lock_all(missing)
    return wallets


class _Sum(msgspec.Struct):
    """What one account used of one type in one quarter of an hour since 1970."""

    account_id: UUID
    type_code: str
    quarter: int
    events: int
    quantity: Decimal
    billed: Decimal
    cost: Decimal


class _Owed(msgspec.Struct):
    """One group's part of what is packed: from which event on, and how many."""

    account_id: UUID
    transfer_id: UUID
    type_code: str
    first: int
    events: int


class _Sums:
    """What the new rows add up to: by group, which is a debit, and by quarter of an hour. Exact: whole millionths."""

    def __init__(self, prepared: Prepared, fresh: np.ndarray) -> None:
        rows: Rows = prepared.rows
        self._prepared = prepared
        self._all = bool(fresh.all())
        chosen = np.flatnonzero(fresh)
        groups = rows.groups[chosen]
        self._starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        self._bounds = [*self._starts.tolist(), len(chosen)]
        self.groups: list[int] = groups[self._starts].tolist()
        self._chosen, self._of_group = chosen, groups
        self._at_us, self._quantity, self._billed, self._cost = (
            column if self._all else column[chosen]
            for column in (rows.at_us, rows.quantity_micro, rows.billed_micro, rows.cost_micro)
        )

    def _texts(self, column: Sequence[str]) -> Sequence[str]:
        return column if self._all else [column[row] for row in self._chosen.tolist()]

    def debits(self) -> list[Debit]:
        """A debit for each group that cost something."""
        ids = self._texts(self._prepared.rows.ids)
        figures = [self._at_us.tolist(), self._billed.tolist(), self._cost.tolist()]
        costs = np.add.reduceat(summable(self._cost), self._starts).tolist()
        return [
            self._debit(group, cost, ids[start:end], *(column[start:end] for column in figures))
            for group, cost, start, end in zip(self.groups, costs, self._bounds, self._bounds[1:], strict=False)
            if cost
        ]

    def _debit(
        self, group: int, cost: int, ids: Sequence[str], at_us: list[int], billed: list[int], costs: list[int]
    ) -> Debit:
        """The debit of one group, its events sealed as ledger.chain says."""
        of, count = self._prepared.groups[group], len(ids)
        type = of.type_code
        lines = [f"{id}\t{type}\t{at}\t{b}\t{c}\n" for id, at, b, c in zip(ids, at_us, billed, costs, strict=True)]
        return Debit(
            account_id=of.account_id,
            transfer_id=of.transfer_id,
            type_code=type,
            amount=millionths(cost),
            reference=str(of.transfer_id),
            description=f"{count} event{'s' if count > 1 else ''}",
            detail_count=count,
            detail_digest=digest_of_details(lines),
        )

    def by_quarter(self) -> list[_Sum]:
        """Counts and sums for each account, type and quarter of an hour, sorted by these."""
        quarters = self._at_us // QUARTER_US
        first = quarters.min()
        keys = self._of_group * (quarters.max() - first + 1) + (quarters - first)
        order = np.argsort(keys, kind="stable")
        groups, quarters, keys = self._of_group[order], quarters[order], keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        counts = np.diff(np.r_[starts, len(order)]).tolist()
        of = [self._prepared.groups[group] for group in groups[starts].tolist()]
        figures = [
            [millionths(total) for total in np.add.reduceat(summable(column[order]), starts).tolist()]
            for column in (self._quantity, self._billed, self._cost)
        ]
        lines = zip(of, quarters[starts].tolist(), counts, *figures, strict=True)
        sums = [_Sum(group.account_id, group.type_code, *rest) for group, *rest in lines]
        return sorted(sums, key=lambda sum: (sum.account_id, sum.type_code, sum.quarter))

    def owed(self) -> dict[str, Any]:
        """What each group owes the roll-ups by attribute, under the id of its transfer: parameters of `add_up`."""
        rows, chosen = self._prepared.rows, self._chosen
        micro = (self._quantity, self._billed, self._cost)
        blob = packed(self._at_us, rows.campaigns[chosen], rows.agents[chosen], rows.places_to[chosen], micro)
        groups = [self._prepared.groups[group] for group in self.groups]
        counts = np.diff(self._bounds).tolist()
        owed = [
            _Owed(group.account_id, group.transfer_id, group.type_code, first, events)
            for group, first, events in zip(groups, self._bounds[:-1], counts, strict=True)
        ]
        return {"owed": as_json(owed), "packed": blob, "width": PACKED.itemsize}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def millionths(value: int) -> Decimal:
    """Whole millionths as a decimal with 6 places."""
    return Decimal(value).scaleb(-6)


def quarter_of(at: datetime) -> datetime:
    """The quarter of an hour (UTC) that `at` falls into."""
    return _EPOCH + (at - _EPOCH) // QUARTER * QUARTER
