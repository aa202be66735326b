"""Everything the gateway knows: its objects, what search sees of them, and the journal that outlives a kill.

One change at a time, under one lock: journal line first, then the truth file; nothing is answered before both are
written. After a SIGKILL the journal is read back and the truth file completed, so a killed gateway comes back as one
that was merely out of reach.
"""

import contextlib
import copy
import json
import secrets
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gateway import errors
from tests.gateway.clock import Clock
from tests.gateway.idempotency import Memory
from tests.gateway.truth import Writer

Object = dict[str, Any]
PREFIXES = {
    "payment_intent": "pi", "charge": "ch", "customer": "cus", "payment_method": "pm", "setup_intent": "seti",
    "checkout.session": "cs_test", "refund": "re", "dispute": "du", "event": "evt", "balance_transaction": "txn",
}
WITHOUT_LIVEMODE = ("refund", "balance_transaction")
SEARCHED = ("payment_intent", "charge", "customer")


@dataclass
class Change:
    """What one request did: objects touched, money moved, events to tell."""

    key: str | None = None
    request_id: str | None = None
    touched: dict[str, Object] = field(default_factory=dict)
    created: list[Object] = field(default_factory=list)
    money: list[dict[str, Any]] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    remembered: dict[str, Any] | None = None
    mark: int = 0


class Books:
    """The objects by id and by kind in the order of their creation. Private facts have names that begin with `_`."""

    def __init__(self, clock: Clock, folder: Path, truth: Path) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.memory = Memory(clock)
        self.objects: dict[str, Object] = {}
        self.kinds: dict[str, list[str]] = {}
        self.search_lag_seconds = 0.0
        self._versions: dict[str, list[tuple[float, Object]]] = {}
        self._labelled: dict[tuple[str, str, str], list[str]] = {}
        self._truth = Writer(truth)
        journal = folder / "journal"
        self._restore(journal)
        self._journal = open(journal, "ab", buffering=0)  # noqa: SIM115 - open as long as the process

    @contextlib.contextmanager
    def change(self, key: str | None = None, request_id: str | None = None) -> Iterator[Change]:
        """One change, alone; written down at its end, also when an endpoint refuses after it changed something."""
        change = Change(key, request_id)
        with self.lock:
            try:
                yield change
            finally:
                self._write(change)
        self._truth.wait(change.mark)

    def new(self, change: Change, kind: str, content: Object) -> Object:
        """Keep a new object: an id, the kind, the instant and, where it belongs, `livemode` are added."""
        reference = f"{PREFIXES[kind]}_{secrets.token_hex(12)}"
        thing: Object = {"id": reference, "object": kind, "created": self.clock.second()} | content
        if kind not in WITHOUT_LIVEMODE:
            thing["livemode"] = False
        self.kinds.setdefault(kind, []).append(thing["id"])
        self.objects[thing["id"]] = thing
        change.created.append(thing)
        self.touch(change, thing)
        return thing

    def undo(self, change: Change) -> None:
        """An endpoint refused what was asked: nothing it made stays. (A declined card is not refused; its charge stays.)"""
        for thing in reversed(change.created):
            self.kinds[thing["object"]].remove(thing["id"])
            del self.objects[thing["id"]]
        change.touched, change.created, change.money, change.events = {}, [], [], []

    def touch(self, change: Change, thing: Object) -> None:
        """The object has changed: write it down, and let search see it when its time has come."""
        change.touched[thing["id"]] = thing

    def find(self, kind: str, reference: str, param: str = "id") -> Object:
        """The object, or a Refusal `resource_missing`."""
        thing = self.objects.get(reference)
        if thing is None or thing["object"] != kind or thing.get("_deleted"):
            raise errors.missing({"payment_method": "PaymentMethod"}.get(kind, kind), reference, param)
        return thing

    def newest_first(self, kind: str) -> Iterator[Object]:
        """https://docs.stripe.com/api/pagination: lists are in reverse order of creation."""
        return (self.objects[reference] for reference in reversed(self.kinds.get(kind, [])))

    def seen_by_search(self, kind: str, label: tuple[str, str] | None) -> Iterator[Object]:
        """What search sees of each object now, newest first: the state of `search_lag_seconds` ago
        (https://docs.stripe.com/search#data-freshness). `label` narrows to a metadata pair."""
        horizon = self.clock.now() - self.search_lag_seconds
        ids = self.kinds.get(kind, []) if label is None else self._labelled.get((kind, *label), [])
        for reference in reversed(ids):
            versions = self._versions[reference]
            place = bisect_right(versions, horizon, key=lambda version: version[0])
            if place:
                yield versions[place - 1][1]

    def advance(self, seconds: float) -> None:
        """Put the clock forward, and remember that over a kill."""
        with self.lock:
            self.clock.advance(seconds)
            self._note(Change())

    def moved(self, change: Change, what: str, thing: Object, amount: int, **more: Any) -> None:
        """Money moves: a line for the truth file."""
        change.money.append({
            "at": round(self.clock.now(), 6), "what": what, "id": thing["id"], "amount": amount,
            "currency": thing["currency"], "key": change.key,
        } | more)

    def _write(self, change: Change) -> None:
        for thing in change.touched.values():
            self._index(thing)
        if not (change.touched or change.money or change.remembered):
            return
        self._note(change)
        change.mark = self._truth.append(change.money)

    def _note(self, change: Change) -> None:
        line = {
            "at": self.clock.now(), "ahead": self.clock.ahead, "objects": list(change.touched.values()),
            "money": change.money, "remembered": change.remembered,
        }
        self._journal.write(json.dumps(line).encode() + b"\n")

    def _index(self, thing: Object, at: float | None = None) -> None:
        if thing["object"] not in SEARCHED:
            return
        versions = self._versions.setdefault(thing["id"], [])
        for pair in thing["metadata"].items():
            ids = self._labelled.setdefault((thing["object"], *pair), [])
            if not any(version[1]["metadata"].get(pair[0]) == pair[1] for version in versions):
                ids.append(thing["id"])
        versions.append((self.clock.now() if at is None else at, copy.deepcopy(thing)))

    def _restore(self, journal: Path) -> None:
        if not journal.exists():
            return
        whole, _, half = journal.read_bytes().rpartition(b"\n")
        for line in filter(None, whole.split(b"\n")):
            self._read_back(json.loads(line))
        if half:
            journal.write_bytes(whole + b"\n" if whole else b"")

    def _read_back(self, line: dict[str, Any]) -> None:
        self.clock.ahead = max(self.clock.ahead, line["ahead"])
        for thing in line["objects"]:
            if thing["id"] not in self.objects:
                self.kinds.setdefault(thing["object"], []).append(thing["id"])
            self.objects[thing["id"]] = thing
            self._index(thing, line["at"])
        self._truth.wait(self._truth.append(self._truth.unwritten(line["money"])))
        if line["remembered"]:
            self.memory.restore(line["remembered"])
