"""A batch made ready for its transaction: judged, taken apart, rated, and in the order in which its keys are written.

Reads rates and may write new values of attributes, but locks nothing; what is prepared can be recorded as long as the
rates are the same, which the transaction looks at again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from tollbook.postgres.ids import new_id
from tollbook.rating.deck import Decks, Found, decks_of
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
    """Events to be written, column by column, in order of (account, id): no id of an account twice. `places` says where
    they stand in the batch; `groups` which of the groups they belong to."""

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
    ids: list[str]
    to: list[str]
    sender: list[str]
    own: list[bytes]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Prepared:
    """A batch ready to be recorded. `again` are places whose id stands in the batch before, with the row that has it;
    `late` are places of events that are too late to be new, but may be known."""

    account_ids: Sequence[UUID]
    versions: dict[UUID, int]
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


def prepare(batch: Batch, oldest: timedelta | None) -> Prepared:
    """Judge, rate and order a batch. `oldest`: how late an event may be (None: any). Locks nothing."""
    decks = decks_of(batch.account_ids)
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
    order, again = _ordered(batch, accounts, good & ~unrated)
    keys = accounts[order] * len(types) + judged.types[order]
    distinct, groups = np.unique(keys, return_inverse=True)
    rows = Rows(
        places=order,
        accounts=accounts[order],
        groups=groups,
        at_us=judged.at_us[order],
        quantity_micro=judged.quantity_micro[order],
        billed_micro=billed[order],
        cost_micro=cost[order],
        rate_ids=found.rate_ids[order],
        campaigns=np.array(split.campaigns, np.int32)[order],
        agents=np.array(split.agents, np.int32)[order],
        ids=_taken(batch.ids, order),
        to=_taken(batch.to, order),
        sender=_taken(batch.sender, order),
        own=_taken(split.own, order),
    )
    listed = [
        Group(batch.account_ids[key // len(types)], decks.type_codes[key % len(types)], new_id())
        for key in distinct.tolist()
    ]
    late = [place for place, fault in faults.items() if fault.code == TOO_LATE]
    return Prepared(batch.account_ids, decks.versions, rows, listed, again, late, faults, batch, judged)


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


def _ordered(batch: Batch, accounts: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The places of the good events in order of (account, id), the first of each id; and the others, each with the row
    of the first. The order is the same in every process, so that two batches with the same ids wait in one order."""
    ids = batch.ids
    by_account = np.empty(len(batch.account_ids), np.intp)
    by_account[sorted(range(len(batch.account_ids)), key=lambda index: batch.account_ids[index].bytes)] = range(
        len(batch.account_ids)
    )
    order = np.array(sorted(np.flatnonzero(good).tolist(), key=ids.__getitem__), np.intp)
    order = order[np.argsort(by_account[accounts[order]], kind="stable")] if len(order) else order
    keys = list(zip(accounts[order].tolist(), _taken(ids, order), strict=True))
    if len(set(keys)) == len(keys):
        return order, []
    firsts: list[int] = []
    again: list[tuple[int, int]] = []
    for position, place in enumerate(order.tolist()):
        if position and keys[position] == keys[position - 1]:
            again.append((place, len(firsts) - 1))
        else:
            firsts.append(place)
    return np.array(firsts, np.intp), again


def _taken(column: Sequence[Any], order: np.ndarray) -> list[Any]:
    return [column[place] for place in order.tolist()]
