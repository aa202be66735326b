"""A batch of events of any accounts, column by column, and what is wrong with some of them.

Columns, because ten thousand events are judged, rated and summed by a few operations on arrays. What is wrong with an
event is said by `event.fault_of` alone; the arrays only find the events that it must be asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import compress, repeat
from operator import attrgetter
from typing import Any
from uuid import UUID

import numpy as np

from tollbook.usage.event import LARGEST_QUANTITY, SOONEST_MINUTES, Event, Fault, fault_of, microseconds

MILLION, PLACES = 1_000_000, 6
MOST = int(LARGEST_QUANTITY)
_ZONE = attrgetter("tzinfo")
_EXACT_SECONDS = 4_000_000_000
"""As far from 1970 a float of seconds still tells microseconds apart."""


@dataclass(slots=True)
class Batch:
    """Events as they were sent: `accounts` says for each which of `account_ids` it belongs to (distinct ids, any order).

    `attributes` is JSON text, empty for none; `quantities` are in their type's unit.
    """

    account_ids: Sequence[UUID]
    accounts: list[int]
    ids: list[str]
    types: list[str]
    quantities: list[int | Decimal]
    occurred: list[datetime]
    to: list[str]
    sender: list[str]
    attributes: list[bytes]

    def __len__(self) -> int:
        return len(self.ids)

    def event(self, place: int) -> Event:
        """One of the events, without its attributes."""
        quantity = Decimal(self.quantities[place])
        return Event(
            self.ids[place], self.types[place], quantity, self.occurred[place], self.to[place], self.sender[place]
        )

    def parts(self, keep: np.ndarray) -> "Batch":
        """Those of the events where `keep` is true."""
        columns: list[Any] = [list(compress(column, keep)) for column in self._columns()]
        return Batch(self.account_ids, *columns)

    def _columns(self) -> list[list[Any]]:
        return [
            self.accounts, self.ids, self.types, self.quantities, self.occurred, self.to, self.sender, self.attributes,
        ]  # fmt: skip


@dataclass(slots=True)
class Judged:
    """A batch as numbers: millionths of quantity, microseconds since 1970, index into the known types; and its faults."""

    quantity_micro: np.ndarray
    at_us: np.ndarray
    types: np.ndarray
    faults: dict[int, Fault]


def of_events(account_id: UUID, events: Sequence[Event], told: Sequence[bytes]) -> Batch:
    """The batch of one account's events; `told` are their attributes as JSON text."""
    return Batch(
        account_ids=[account_id],
        accounts=[0] * len(events),
        ids=[event.id for event in events],
        types=[event.type for event in events],
        quantities=[event.quantity for event in events],
        occurred=[event.occurred_at for event in events],
        to=[event.to for event in events],
        sender=[event.sender for event in events],
        attributes=list(told),
    )


def judge(batch: Batch, types: dict[str, int], now: datetime, oldest: timedelta | None) -> Judged:
    """The batch's numbers and faults. `types` are the known type codes with their index; `oldest` is how late is too late.

    The numbers of events with a fault mean nothing.
    """
    suspects = np.zeros(len(batch), bool)
    suspects |= _any_odd_text(batch)
    quantity_micro = _quantities(batch.quantities, suspects)
    at_us = _instants(batch.occurred, suspects)
    known = np.fromiter(map(types.get, batch.types, repeat(-1)), np.intp, len(batch))
    suspects |= known < 0
    suspects |= at_us > microseconds(now + timedelta(minutes=SOONEST_MINUTES))
    suspects |= at_us < (0 if oldest is None else microseconds(now - oldest))
    faults: dict[int, Fault] = {}
    for place in np.flatnonzero(suspects).tolist():
        fault = fault_of(batch.event(place), types, now, oldest)
        if fault:
            faults[place] = fault
    return Judged(quantity_micro, at_us, known, faults)


def _any_odd_text(batch: Batch) -> bool:
    """Whether any id or number wants a closer look: one look at all of them together."""
    texts = "".join(batch.ids) + "".join(batch.to) + "".join(batch.sender)
    lengths = set(map(len, batch.ids))
    return (
        not texts.isprintable()
        or min(lengths, default=1) < 1
        or max(lengths, default=1) > 200
        or max(max(map(len, batch.to), default=0), max(map(len, batch.sender), default=0)) > 64
    )


def _quantities(quantities: Sequence[int | Decimal], suspects: np.ndarray) -> np.ndarray:
    if set(map(type, quantities)) == {int}:
        try:
            whole = np.array(quantities, np.int64)
        except OverflowError:
            whole = np.array([min(max(int(one), -1), MOST + 1) for one in quantities], np.int64)
        suspects |= (whole < 0) | (whole > MOST)
        return whole * MILLION
    return np.array([_millionths(one, suspects, place) for place, one in enumerate(quantities)], np.int64)


def _millionths(told: int | Decimal, suspects: np.ndarray, place: int) -> int:
    quantity = Decimal(told)
    exponent = quantity.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -PLACES or not 0 <= quantity <= LARGEST_QUANTITY:
        suspects[place] = True  # not a number, finer than may be, or out of range
        return 0
    return int(quantity * MILLION)


def _instants(occurred: Sequence[datetime], suspects: np.ndarray) -> np.ndarray:
    if None in map(_ZONE, occurred):
        suspects |= np.array([one.tzinfo is None for one in occurred])
        occurred = [one if one.tzinfo else one.replace(tzinfo=UTC) for one in occurred]
    seconds = np.fromiter(map(datetime.timestamp, occurred), float, len(occurred))
    if len(seconds) and np.abs(seconds).max() > _EXACT_SECONDS:
        return np.array([microseconds(one) for one in occurred], np.int64)
    return np.rint(seconds * MILLION).astype(np.int64)


def summable(figures: np.ndarray) -> np.ndarray:
    """Whole numbers as they are, or as Python's own where 64 bits might not hold their sum."""
    largest = int(np.abs(figures).max(initial=0))
    return figures if largest * len(figures) < 2**62 else figures.astype(object)
