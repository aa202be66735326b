"""Rates compiled for search in memory: columns and ranges of keys, no objects, no database.

Prefixes are nested or apart, never crossing. So the last prefix that begins at or before a number's key either covers
the number, or one of the shorter prefixes around it does: from a rate that does not fit (too early, over, another
destination) one link leads to the next best, first the older rates of the same prefix, then the newest one of the next
shorter prefix. Rates are kept in the order of their prefixes' keys, the newest first within one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tollbook.rating.destination import DIGITS, SPAN, width_of

FOREVER_US = np.iinfo(np.int64).max
NEVER = 0  # the row that stands for "no rate": valid always and everywhere, so that every search ends there
GROUPS = int(FOREVER_US // SPAN)  # so many credit types, of so many accounts, fit into one compiled table
WORTH_SORTING = 4_096

Rows = NDArray[np.intp]
Columns = NDArray[np.void]

# Instants in microseconds since 1970 UTC, `until_us` exclusive. `low` to `high` (exclusive) are the keys its prefix
# covers, moved by SPAN for each group (credit type). Prices and fees as integers: cents x 10^6, currency x 10^6.
RATE = np.dtype(
    [("id", "V16"), ("rate_e6", "i8"), ("connect_micro", "i8"), ("minimum_micro", "i8"), ("from_us", "i8"),
     ("until_us", "i8"), ("low", "i8"), ("high", "i8"), ("initial", "i4"), ("increment", "i4"),
     ("next", "i4"), ("length", "i4")],
)  # fmt: skip


@dataclass(frozen=True)
class Compiled:
    """One owner's rates (or several owners', see `merged`), `rates[NEVER]` included, and where each prefix begins."""

    rates: Columns
    lows: NDArray[np.int64]
    newest: NDArray[np.int32]

    @cached_property
    def size_bytes(self) -> int:
        """What it takes of memory."""
        return self.rates.nbytes + self.lows.nbytes + self.newest.nbytes

    def __len__(self) -> int:
        return len(self.rates) - 1

    def search(self, keys: NDArray[np.int64], at_us: NDArray[np.int64]) -> Rows:
        """The row of the best rate for each key (moved by its group) at its instant; NEVER where there is none."""
        rows = self._last_begun(keys)
        left = np.flatnonzero(self._misses(rows, keys, at_us))
        while left.size:
            rows[left] = self.rates["next"][rows[left]]
            left = left[self._misses(rows[left], keys[left], at_us[left])]
        return rows

    def search_one(self, key: int, at_us: int) -> int:
        """As `search`, for one."""
        row = int(self.newest[self.lows.searchsorted(key, "right")])
        while row != NEVER:
            rate = self.rates[row]
            if rate["from_us"] <= at_us < rate["until_us"] and key < rate["high"]:
                break
            row = int(rate["next"])
        return row

    def in_force(self, group: int, at_us: int) -> Rows:
        """The rows of one group that are used at an instant: of each prefix the newest that is valid then, by prefix."""
        first, last = self.lows.searchsorted([group * SPAN, (group + 1) * SPAN])
        begin, end = (
            int(self.newest[place + 1]) if place < len(self.lows) else len(self.rates) for place in (first, last)
        )
        rates = self.rates[begin:end]
        rows = begin + np.flatnonzero((rates["from_us"] <= at_us) & (at_us < rates["until_us"]))
        return rows[np.unique(self.rates["low"][rows], return_index=True)[1]]

    def _last_begun(self, keys: NDArray[np.int64]) -> Rows:
        """The newest rate of the last prefix that begins at or before each key. Neighbours are looked up one after another,
        where it matters: they are found in the same part of a large table, which is then at hand.
        """
        if len(self.lows) < WORTH_SORTING or len(keys) < 64:
            return self.newest[self.lows.searchsorted(keys, "right")].astype(np.intp)
        order = _nearly_sorted(keys)
        rows = np.empty(len(keys), np.intp)
        rows[order] = self.newest[self.lows.searchsorted(keys[order], "right")]
        return rows

    def _misses(self, rows: Rows, keys: NDArray[np.int64], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        rates = self.rates.take(rows)
        return (rates["from_us"] > at_us) | (rates["until_us"] <= at_us) | (rates["high"] <= keys)


def compiled(rates: Columns) -> Compiled:
    """Compile one owner's rates, which come in any order, without `high` and `next`."""
    rates = rates[np.lexsort((-rates["from_us"], rates["low"]))]
    lows, firsts = np.unique(rates["low"], return_index=True)
    newest = np.append(NEVER, firsts + 1).astype(np.int32)
    table = np.concatenate([_never(), rates])
    table["high"][1:] = rates["low"] + _WIDTHS[rates["length"]]
    table["next"][1:] = np.arange(2, len(table) + 1)
    oldest = np.append(newest[2:], len(table))[: len(lows)] - 1
    table["next"][oldest] = newest[_around(lows, rates["length"][firsts])]
    return Compiled(table, lows, newest)


def merged(parts: Sequence[Compiled], groups: int) -> Compiled:
    """Several owners' rates as one table: each has `groups` groups, behind those of the owners before."""
    counts = np.array([len(part) for part in parts])
    rows_before = np.repeat(np.cumsum(counts) - counts, counts)
    keys_before = np.arange(len(parts)) * (groups * SPAN)
    table = np.concatenate([_never(), *(part.rates[1:] for part in parts)])
    table["low"][1:] += np.repeat(keys_before, counts)
    table["high"][1:] += np.repeat(keys_before, counts)
    table["next"][1:] += np.where(table["next"][1:] == NEVER, 0, rows_before).astype(np.int32)
    prefixes = np.array([len(part.lows) for part in parts])
    lows = np.concatenate([part.lows for part in parts]) + np.repeat(keys_before, prefixes)
    newest = np.concatenate([part.newest[1:] for part in parts]) + np.repeat(np.cumsum(counts) - counts, prefixes)
    return Compiled(table, lows, np.append(NEVER, newest).astype(np.int32))


def put(rates: Columns, places: Rows, values: Columns) -> None:
    """`rates[places] = values`, twenty times as fast: whole rows and not field by field."""
    whole = f"V{RATE.itemsize}"
    rates.view(whole)[places] = values.view(whole)


_WIDTHS = np.array([width_of(length) for length in range(DIGITS + 1)])


def _never() -> Columns:
    row = np.zeros(1, RATE)
    row["from_us"], row["until_us"], row["high"] = -FOREVER_US, FOREVER_US, FOREVER_US
    row["initial"] = row["increment"] = 1
    return row


def _around(lows: NDArray[np.int64], lengths: NDArray[np.int32]) -> NDArray[np.intp]:
    """For each prefix the place (from 1) of the longest other one that it begins with; 0 where there is none."""
    around = np.zeros(len(lows), np.intp)
    for length in np.unique(lengths):
        shorter, longer = np.flatnonzero(lengths == length), np.flatnonzero(lengths > length)
        begins = lows[longer] - lows[longer] % width_of(int(length))
        places = lows[shorter].searchsorted(begins).clip(max=len(shorter) - 1)
        inside = lows[shorter][places] == begins
        around[longer[inside]] = shorter[places[inside]] + 1
    return around


def _nearly_sorted(keys: NDArray[np.int64]) -> Rows:
    """The order of the keys but for their last digits, in a third of the time of a whole sort: the places ride along in
    the lowest bits.
    """
    bits = len(keys).bit_length()
    packed = (keys >> bits << bits) | np.arange(len(keys))
    packed.sort()
    return packed & ((1 << bits) - 1)
