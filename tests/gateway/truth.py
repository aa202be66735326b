"""The truth file: every movement of money at the gateway, one JSON line each, on disk before any answer is sent.

It stands outside Tollbook's database, so that it can be held against the ledger: `charged(truth) == credited(ledger)`.

    {"at": 1790000000.5, "what": "charge", "id": "ch_...", "amount": 5000, "currency": "usd", "payment_intent": "pi_...",
     "customer": "cus_...", "metadata": {...}, "key": "the idempotency key"}

`what` is charge (in), refund (out), refund_failed (back in), dispute (out), dispute_won (back in); `amount` is in the
currency's minor unit and never negative. Disputes name their `fee` beside it.
"""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIGN = {"charge": 1, "refund": -1, "refund_failed": 1, "dispute": -1, "dispute_won": 1}


@dataclass(frozen=True)
class Movement:
    """One line: `amount` in the minor unit of `currency` (lower case)."""

    at: float
    what: str
    id: str
    amount: int
    currency: str
    payment_intent: str | None = None
    customer: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    fee: int = 0

    @property
    def signed(self) -> int:
        """The amount as seen by the merchant: positive is received."""
        return SIGN[self.what] * self.amount


def read(path: Path) -> list[Movement]:
    """Every movement so far, in order. A line cut short by a kill counts as not written: no answer followed it."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [Movement(**json.loads(line)) for line in lines]


def charges(path: Path) -> list[Movement]:
    """The charges alone."""
    return [movement for movement in read(path) if movement.what == "charge"]


def total(movements: Iterable[Movement]) -> Counter[str]:
    """What the merchant has received, by currency, in minor units."""
    totals: Counter[str] = Counter()
    for movement in movements:
        totals[movement.currency] += movement.signed
    return totals


def twice(path: Path, name: str) -> dict[str, list[Movement]]:
    """The charges that share one value of the metadata `name` (a refill's id, say): each is money taken twice."""
    by_value: dict[str, list[Movement]] = {}
    for charge in charges(path):
        by_value.setdefault(charge.metadata.get(name, ""), []).append(charge)
    return {value: same for value, same in by_value.items() if value and len(same) > 1}


class Writer:
    """Appends, and waits for the disk: one flush serves everybody who wrote before it."""

    def __init__(self, path: Path) -> None:
        _drop_half_a_line(path)
        self.written = {movement.id + movement.what for movement in read(path)}
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the process
        self._count = 0
        self._flushed = 0
        self._flushing = threading.Lock()

    def append(self, movements: Iterable[dict[str, Any]]) -> int:
        """Write what is not written yet; a mark for `wait`. Called under the books' lock."""
        for movement in movements:
            self.written.add(movement["id"] + movement["what"])
            self._file.write(json.dumps(movement).encode() + b"\n")
            self._count += 1
        return self._count

    def wait(self, mark: int) -> None:
        """Return when everything up to the mark is on disk."""
        if self._flushed >= mark:
            return
        with self._flushing:
            if self._flushed < mark:
                count = self._count
                os.fsync(self._file.fileno())
                self._flushed = count

    def unwritten(self, movements: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Those that a kill kept from the file although the journal has them."""
        return (each for each in movements if each["id"] + each["what"] not in self.written)


def _drop_half_a_line(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
