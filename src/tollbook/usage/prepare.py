"""A batch made ready for its transaction: judged, taken apart, rated, and in the order in which its keys are written.

Reads rates and may write new values of attributes, but locks nothing; what is prepared can be recorded as long as the
rates are the same, which the transaction looks at again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import eq, itemgetter
from typing import Any
from uuid import UUID

import numpy as np

from tollbook.postgres.ids import new_id
from tollbook.rating import country
from tollbook.rating.deck import Decks, Found, State, decks_of
from tollbook.rating.price import price_many
from tollbook.usage import attributes
from tollbook.usage.batch import Batch, Judged, judge
from tollbook.usage.event import TOO_LATE, Fault

LARGEST_COST = 900_000_000 * 1_000_000
"""In millionths of the account's currency: ten thousand of these still add up in 64 bits."""

Body = tuple[str, int, int, str, str]
"""What tells two events with one id apart: type, millionths of quantity, microseconds since 1970, to, sender."""


@dataclass(frozen=True, slots=True)
class Group:
    """What becomes one debit: one account's events of one type in a batch."""

    account_id: UUID
    type_code: str
    transfer_id: UUID


@dataclass(slots=True)
class Rows:
    """Events to be written, column by column, in order of (account, type, id): no id of an account twice. `places` says
    where they stand in the batch; `groups`, which rise, to which of the groups they belong; `places_to` where their numbers
    lead (see `country`)."""

    places: np.ndarray
    accounts: np.ndarray
    groups: np.ndarray
    at_us: np.ndarray
    quantity_micro: np.ndarray
    billed_micro: np.ndarray
    cost_micro: np.ndarray
    rate_ids: np.ndarray
    campaigns: np.ndarray
    agents: np.ndarray
    ids: Sequence[str]
    to: Sequence[str]
    sender: Sequence[str]
    own: Sequence[bytes]
    places_to: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Prepared:
    """A batch ready to be recorded. `again` are places whose id stands in the batch before, with the row that has it;
    `late` are places of events that are too late to be new, but may be known."""

    account_ids: Sequence[UUID]
    state: State
    rows: Rows
    groups: list[Group]
    again: list[tuple[int, int]]
    late: list[int]
    faults: dict[int, Fault]
    batch: Batch
    judged: Judged

    def body(self, place: int) -> Body:
        """What the event at a place of the batch is known by besides its id."""
        batch, judged = self.batch, self.judged
        at, quantity = int(judged.at_us[place]), int(judged.quantity_micro[place])
        return batch.types[place], quantity, at, batch.to[place], batch.sender[place]


def prepare(batch: Batch, oldest: timedelta | None, state: State | None = None) -> Prepared:
    """Judge, rate and order a batch. `oldest`: how late an event may be (None: any). `state`: as `decks_of` takes it.
    Locks nothing."""
    decks = decks_of(batch.account_ids, state)
    types = {code: index for index, code in enumerate(decks.type_codes)}
    judged = judge(batch, types, datetime.now(UTC), oldest)
    split = attributes.split(batch.account_ids, batch.accounts, batch.attributes)
    faults = {place: Fault("bad_attributes", sentence) for place, sentence in split.faults.items()} | judged.faults
    accounts = np.array(batch.accounts, np.intp)
    good = np.ones(len(batch), bool)
    good[list(faults)] = False
    found, billed, cost = _priced(decks, batch, judged, accounts, good)
    unrated = good & ~(found.known & (cost <= LARGEST_COST))
    for place in np.flatnonzero(unrated).tolist():
        faults[place] = _unpriced(batch, place, bool(found.known[place]))
    order, again = _ordered(batch, accounts, judged.types, good & ~unrated)
    starts = _changes(accounts[order] * len(types) + judged.types[order])
    places, begins = order.tolist(), order[starts].tolist()
    rows = Rows(
        places=order,
        accounts=accounts[order],
        groups=np.cumsum(starts) - 1,
        at_us=judged.at_us[order],
        quantity_micro=judged.quantity_micro[order],
        billed_micro=billed[order],
        cost_micro=cost[order],
        rate_ids=found.rate_ids[order],
        campaigns=np.array(split.campaigns, np.int32)[order],
        agents=np.array(split.agents, np.int32)[order],
        ids=_taken(batch.ids, places),
        to=_taken(batch.to, places),
        sender=_taken(batch.sender, places),
        own=_taken(split.own, places),
        places_to=country.places_of_keys(found.destinations, batch.to)[order],
    )
    listed = [Group(batch.account_ids[batch.accounts[place]], batch.types[place], new_id()) for place in begins]
    late = [place for place, fault in faults.items() if fault.code == TOO_LATE]
    return Prepared(batch.account_ids, decks.state, rows, listed, again, late, faults, batch, judged)


def _priced(
    decks: Decks, batch: Batch, judged: Judged, accounts: np.ndarray, good: np.ndarray
) -> tuple[Found, np.ndarray, np.ndarray]:
    """Rates and prices of all events; those of bad ones mean nothing, but must not upset the arithmetic."""
    types, quantities, at_us = judged.types, judged.quantity_micro, judged.at_us
    if not good.all():
        types, quantities, at_us = (np.where(good, column, 0) for column in (types, quantities, at_us))
    found = decks.find(accounts, types, batch.to, at_us)
    return found, *price_many(found, quantities)


def _unpriced(batch: Batch, place: int, known: bool) -> Fault:
    if known:
        return Fault("cost_too_large", "The event would cost more than an event can.")
    where = f" to {batch.to[place]}" if batch.to[place] else ""
    return Fault("no_rate", f"No rate for {batch.types[place]}{where} at that time.")


def _ordered(
    batch: Batch, accounts: np.ndarray, types: np.ndarray, good: np.ndarray
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The places of the good events in order of (account, type, id), the first of each id; and the others, each with the
    row of the first. The order is the same in every process, so that two batches with the same events wait in one order."""
    ids = batch.ids
    by_id = sorted(np.flatnonzero(good).tolist(), key=ids.__getitem__)
    named = _taken(ids, by_id)
    again: list[tuple[int, int]] = []
    if any(map(eq, named, islice(named, 1, None))):
        by_id, again = _firsts(batch, by_id)
    rank = np.empty(len(batch.account_ids), np.intp)
    rank[sorted(range(len(rank)), key=lambda index: batch.account_ids[index].bytes)] = range(len(rank))
    places = np.array(by_id, np.intp)
    order = places[np.argsort(rank[accounts[places]] * (types.max(initial=0) + 1) + types[places], kind="stable")]
    if again:
        rows = dict(zip(order.tolist(), range(len(order)), strict=True))
        again = [(place, rows[first]) for place, first in again]
    return order, again


def _firsts(batch: Batch, places: Sequence[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """Those of the places that are the first of their account's id, and the others, each with its first."""
    firsts: dict[tuple[int, str], int] = {}
    others = []
    for place in places:
        first = firsts.setdefault((batch.accounts[place], batch.ids[place]), place)
        if first != place:
            others.append((place, first))
    return list(firsts.values()), others


def _changes(keys: np.ndarray) -> np.ndarray:
    """Where a run of equal keys begins."""
    return np.r_[True, keys[1:] != keys[:-1]] if len(keys) else np.zeros(0, bool)


def _taken(column: Sequence[Any], order: Sequence[int]) -> Sequence[Any]:
    return itemgetter(*order)(column) if len(order) > 1 else [column[place] for place in order]
