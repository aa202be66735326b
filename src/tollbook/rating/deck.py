"""The rates of accounts, compiled for longest-prefix look-up in memory.

An account's own rates come before the operator's default ones: within each, the longest prefix of the destination
that has a rate valid at the event's time wins. Compiled rates are kept per process, the default ones once for all
accounts, and read again when their version has changed; versions are read in the caller's transaction, so an event is
never rated with rates older than that transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from threading import Lock
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.postgres.named import load
from tollbook.postgres.prepared import execute
from tollbook.rating.compiled import FOREVER_US, GROUPS, NEVER, RATE, Columns, Compiled, compiled, merged, put
from tollbook.rating.destination import DIGITS, SPAN, digits_of, key_of, keys_of, keys_of_signs
from tollbook.rating.price import Terms
from tollbook.rating.tables import CreditType, Rate

SQL = load(__file__)
KEPT_BYTES = 64 * 2**20
MOST_SEEN = 100_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_US_TO_2000 = 946_684_800_000_000  # PostgreSQL counts from the year 2000
_PACKED = np.dtype(
    [("id", "V16"), ("group", ">i4"), ("prefix", f"S{DIGITS}"), ("rate_e6", ">i8"), ("connect_micro", ">i8"),
     ("minimum_micro", ">i8"), ("initial", ">i4"), ("increment", ">i4"), ("from", ">i8"), ("until", ">i8")],
)  # fmt: skip


@dataclass(frozen=True)
class Types:
    """The active credit types, in the operator's order. `timed`: quantity counts seconds and is rated per minute."""

    codes: tuple[str, ...]
    timed: tuple[bool, ...]

    @cached_property
    def places(self) -> dict[str, tuple[int, bool]]:
        """Each type's place, and whether it is timed."""
        return {code: (place, self.timed[place]) for place, code in enumerate(self.codes)}


@dataclass(frozen=True, slots=True)
class Found:
    """The rates that were found for many events, a row each. Where `known` is false there is none, and the row is empty.
    `destinations` are the keys of their numbers."""

    destinations: NDArray[np.int64]
    known: NDArray[np.bool_]
    own: NDArray[np.bool_]
    timed: NDArray[np.bool_]
    rates: Columns

    @property
    def rate_ids(self) -> NDArray[np.void]:
        """The rates' ids, 16 bytes each."""
        return self.rates["id"]

    @property
    def rate_e6(self) -> NDArray[np.int64]:
        """Cents per unit, in millionths of a cent."""
        return self.rates["rate_e6"]

    @property
    def connect_micro(self) -> NDArray[np.int64]:
        """Connect fees in millionths of the currency."""
        return self.rates["connect_micro"]

    @property
    def minimum_micro(self) -> NDArray[np.int64]:
        """The least that anything billed costs, in millionths of the currency."""
        return self.rates["minimum_micro"]

    @property
    def initial(self) -> NDArray[np.int64]:
        """First steps in seconds."""
        return self.rates["initial"].astype(np.int64)

    @property
    def increment(self) -> NDArray[np.int64]:
        """Further steps in seconds."""
        return self.rates["increment"].astype(np.int64)


@dataclass(frozen=True, slots=True)
class State:
    """What tells whether prices may have changed: the active types, and the versions of the default rates and of those
    accounts' own that ever had any."""

    types: Types
    versions: Mapping[UUID, int]


class Decks:
    """The rates of several accounts, for rating many events at once. `state` is what they were compiled from."""

    def __init__(self, account_ids: Sequence[UUID], state: State, kept: Mapping[UUID, Compiled]) -> None:
        types = state.types
        self.account_ids, self.type_codes, self.state = account_ids, types.codes, state
        self._types, self._kept = types, kept
        self._timed = np.array(types.timed, bool)
        self._default = kept[OPERATOR_ID]
        self._own = [
            (place, kept[one]) for place, one in enumerate(account_ids) if one != OPERATOR_ID and kept.get(one)
        ]

    def find(
        self, accounts: NDArray[np.intp], types: NDArray[np.intp], destinations: Sequence[str], at_us: NDArray[np.int64]
    ) -> Found:
        """The rate of each event: account and type as places in `account_ids` and `type_codes` (a type of -1 is not known),
        instants in microseconds since 1970 UTC.
        """
        dialled = keys_of(destinations)
        keys = dialled + types * SPAN
        keys[types < 0] = -1
        rates, own = self._default_and_own(accounts, keys, at_us)
        known = rates["high"] != FOREVER_US
        return Found(dialled, known, own, self._timed[types] if len(self._timed) else known, rates)

    def deck(self, account_id: UUID) -> "Deck":
        """The deck of one of the accounts, for single look-ups."""
        own = self._kept.get(account_id) if account_id != OPERATOR_ID else None
        return Deck(account_id, frozenset(self.type_codes), self._types.places, own or None, self._default)

    def _default_and_own(
        self, accounts: NDArray[np.intp], keys: NDArray[np.int64], at_us: NDArray[np.int64]
    ) -> tuple[Columns, NDArray[np.bool_]]:
        own = np.zeros(len(keys), bool)
        if not self._own:
            return self._default.rates.take(self._default.search(keys, at_us)), own
        rates = np.empty(len(keys), RATE)
        for table, keys_before in self._own_tables:
            shift = keys_before[accounts]
            here = np.flatnonzero((shift >= 0) & (keys >= 0))
            rows = table.search(keys[here] + shift[here], at_us[here])
            here, rows = here[rows != NEVER], rows[rows != NEVER]
            put(rates, here, table.rates.take(rows))
            own[here] = True
        rest = np.flatnonzero(~own)
        put(rates, rest, self._default.rates.take(self._default.search(keys[rest], at_us[rest])))
        return rates, own

    @cached_property
    def _own_tables(self) -> list[tuple[Compiled, NDArray[np.int64]]]:
        """Tables of the accounts' own rates, as few as there can be, each with what its accounts' keys are moved by (-1
        for those of another table). A large one stands alone, so that it need not be copied.
        """
        tables = []
        for part in _parted(self._own, GROUPS // max(1, len(self.type_codes))):
            shift = np.full(len(self.account_ids), -1)
            shift[[place for place, _ in part]] = np.arange(len(part)) * (len(self.type_codes) * SPAN)
            table = part[0][1] if len(part) == 1 else merged([one for _, one in part], len(self.type_codes))
            tables.append((table, shift))
        return tables


@dataclass(frozen=True, slots=True)
class Deck:
    """The rates of one account, for single look-ups. `types` are the active type codes."""

    account_id: UUID
    types: frozenset[str]
    places: Mapping[str, tuple[int, bool]]
    own: Compiled | None
    default: Compiled

    def find(self, type_code: str, destination: str, at: datetime) -> Terms | None:
        """The terms for one unit of `type_code` to `destination` at `at`; a leading + is ignored; None if no rate."""
        if type_code not in self.types:
            return None
        group, timed = self.places[type_code]
        key, at_us = group * SPAN + key_of(destination), microseconds(at)
        for owner, table in self.tables():
            row = table.search_one(key, at_us)
            if row != NEVER:
                return terms_at(table.rates[row], owner, timed, destination.lstrip("+"))
        return None

    def tables(self) -> list[tuple[UUID, Compiled]]:
        """The owners of its rates and the rates, those that come first first."""
        return [*([(self.account_id, self.own)] if self.own else []), (OPERATOR_ID, self.default)]


def decks_of(account_ids: Sequence[UUID], state: State | None = None) -> Decks:
    """The decks that rate these accounts' events: as of the caller's transaction, which takes one small query when nothing
    changed; or as of a `state`, which whoever uses them must compare with that of its transaction."""
    state = state or state_now(account_ids)
    return Decks(account_ids, state, _compiled(state.types, state.versions))


def deck_of(account_id: UUID) -> Deck:
    """The deck that rates this account's events, as of the caller's transaction. One small query when nothing changed."""
    return decks_of([account_id]).deck(account_id)


def ask(account_ids: Collection[UUID]) -> psycopg.Cursor[Any]:
    """Ask for the state of the default rates and of these accounts' own, as the transaction sees it; see `told`."""
    return execute(SQL["versions"], {"account_ids": [OPERATOR_ID, *account_ids]})


def told(asked: psycopg.Cursor[Any], account_ids: Collection[UUID]) -> State:
    """What was answered to `ask`."""
    rows = asked.fetchall()
    types = [(code, is_timed) for _, _, code, is_timed in rows if code is not None]
    versions = {OPERATOR_ID: 0} | {account_id: version for account_id, version, code, _ in rows if code is None}
    state = State(Types(tuple(code for code, _ in types), tuple(timed for _, timed in types)), versions)
    _remember(state, account_ids)
    return state


def state_now(account_ids: Collection[UUID]) -> State:
    """As `ask` and `told`. One small query."""
    return told(ask(account_ids), account_ids)


def remembered(account_ids: Collection[UUID]) -> State | None:
    """The state as it was told last, if it was of all these accounts; costs no query, and may be old."""
    types, seen = _seen
    if types is None or not seen.keys() >= set(account_ids):
        return None
    versions = {account_id: version for account_id in account_ids if (version := seen[account_id]) is not None}
    return State(types, versions | {OPERATOR_ID: seen[OPERATOR_ID] or 0})


def _remember(state: State, account_ids: Collection[UUID]) -> None:
    """Keep what was told outside of a transaction, which is committed for sure."""
    global _seen
    if connection.in_atomic_block:
        return
    types, seen = _seen
    if types != state.types or len(seen) > MOST_SEEN:
        seen = {}
    _seen = state.types, seen
    seen.update({account_id: state.versions.get(account_id) for account_id in (OPERATOR_ID, *account_ids)})


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)


def terms_at(rate: Any, owner: UUID, timed: bool, number: str | None = None) -> Terms:
    """One row of compiled rates as terms; `number` is one that it was found for, which spares working the prefix out."""
    row_id, rate_e6, connect_micro, minimum_micro, from_us, until_us, low, _, initial, increment, _, length = (
        rate.item()
    )
    return Terms(
        account_id=owner,
        id=UUID(bytes=bytes(row_id)),
        prefix=digits_of(low % SPAN) if number is None else number[:length],
        rate_cents=Decimal(rate_e6).scaleb(-6),
        connect_fee=Decimal(connect_micro).scaleb(-6),
        initial_seconds=initial,
        increment_seconds=increment,
        timed=timed,
        valid_from=EPOCH + timedelta(microseconds=from_us),
        valid_until=None if until_us == FOREVER_US else EPOCH + timedelta(microseconds=until_us),
        minimum_charge=Decimal(minimum_micro).scaleb(-6),
    )


def terms_of(row: Rate, unit: str) -> Terms:
    """A stored rate as rating needs it; `unit` is its credit type's unit."""
    return Terms(
        account_id=row.account_id,
        id=row.id,
        prefix=row.prefix,
        rate_cents=row.rate_cents,
        connect_fee=row.connect_fee,
        initial_seconds=row.initial_seconds,
        increment_seconds=row.increment_seconds,
        timed=unit == CreditType.Unit.SECONDS,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        minimum_charge=row.minimum_charge,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    types: Types
    table: Compiled


_seen: tuple[Types | None, dict[UUID, int | None]] = (None, {})
"""The types and versions that were told last; None for accounts that never had rates of their own."""

_kept: dict[UUID, _Kept] = {}  # the least recently used first
_reading = Lock()


def _compiled(types: Types, versions: Mapping[UUID, int]) -> dict[UUID, Compiled]:
    """The rates of each owner at its version: those kept, and the others read now (by one thread at a time)."""
    with _reading:
        kept = {owner: _kept.pop(owner) for owner in versions if owner in _kept}
        old = [owner for owner in versions if not _is_at(kept.get(owner), versions[owner], types)]
        if old:
            for owner, table in _read(old, types).items():
                kept[owner] = _Kept(versions[owner], types, table)
        _kept.update(kept)
        if old:
            _forget_some()
    return {owner: one.table for owner, one in kept.items()}


def _is_at(kept: _Kept | None, version: int, types: Types) -> bool:
    return kept is not None and kept.version == version and kept.types == types


def _forget_some() -> None:
    """Keep own rates within bounds; the default ones always stay."""
    sizes = {owner: kept.table.size_bytes for owner, kept in _kept.items() if owner != OPERATOR_ID}
    excess = sum(sizes.values()) - KEPT_BYTES
    for owner, size in sizes.items():
        if excess <= 0:
            break
        excess -= size
        del _kept[owner]


def _read(owners: Sequence[UUID], types: Types) -> dict[UUID, Compiled]:
    """Read and compile the rates of these owners; of those without any, too."""
    packed = dict.fromkeys(owners, b"")
    wanted = {"account_ids": owners, "type_codes": list(types.codes)}
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(SQL["rates"], wanted) as copy:
        copy.set_types(["uuid", "bytea"])
        packed.update(copy.rows())
    return {owner: compiled(_columns(np.frombuffer(rows, _PACKED))) for owner, rows in packed.items()}


def _columns(rows: Columns) -> Columns:
    """Rows as the statement packs them, as columns to be compiled."""
    rates = np.zeros(len(rows), RATE)
    for name in ("id", "rate_e6", "connect_micro", "minimum_micro", "initial", "increment"):
        rates[name] = rows[name]
    rates["from_us"], rates["until_us"] = _instants(rows["from"]), _instants(rows["until"])
    signs = rows["prefix"].copy().view(np.uint8).reshape(len(rows), DIGITS)
    signs[signs == ord(" ")] = 0
    rates["length"] = (signs != 0).sum(axis=1)
    rates["low"] = keys_of_signs(signs) + rows["group"].astype(np.int64) * SPAN
    return rates


def _instants(since_2000: NDArray[np.int64]) -> NDArray[np.int64]:
    """PostgreSQL's instants (its infinities at both ends) in microseconds since 1970."""
    values = since_2000.astype(np.int64)
    return np.where(abs(values) < FOREVER_US - _US_TO_2000, values + _US_TO_2000, values)


def _parted(own: Sequence[tuple[int, Compiled]], most: int, large: int = 20_000) -> list[list[tuple[int, Compiled]]]:
    """Own rates in parts of at most `most` owners; large ones alone."""
    small = [one for one in own if len(one[1]) < large]
    parts = [small[begin : begin + max(1, most)] for begin in range(0, len(small), max(1, most))]
    return parts + [[one] for one in own if len(one[1]) >= large]
