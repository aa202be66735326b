"""Group commit: requests that wait are gathered into one piece of work, so that each costs its share of a transaction.

Nothing waits for a timer: whoever comes while all writers are at work waits for the next one that is free, and goes with
all others that wait. So a lone request is served at once, and the groups grow with the load.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connections

Item = TypeVar("Item")
Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Full(Exception):
    """More waits already than would be served soon: the sender should come again a little later."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    weight: int
    future: "Future[Answer]" = field(default_factory=Future)


class Gatherer(Generic[Item, Answer]):
    """Writer threads that do `work` for groups of items, each with an answer (or an exception, which only its item gets).

    `most`: the weight of a group beyond which no further item joins. `room`: the weight that may wait. Threads start with
    the first item and live as long as the process.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Answer | BaseException]],
        threads: int,
        most: int,
        room: int,
    ) -> None:
        self._name, self._work, self._most, self._room = name, work, most, room
        self._threads = threads
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._weight = 0
        self._changed = threading.Condition()
        self._started = False

    @property
    def waiting(self) -> int:
        """The weight that waits for a writer now."""
        return self._weight

    def submit(self, item: Item, weight: int = 1) -> "Future[Answer]":
        """The future of an item's answer. Raises Full; never waits."""
        one: _Waiting[Item, Answer] = _Waiting(item, weight)
        with self._changed:
            if self._waiting and self._weight + weight > self._room:
                raise Full
            self._start()
            self._waiting.append(one)
            self._weight += weight
            self._changed.notify()
        return one.future

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for number in range(self._threads):
                threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._serve_safely(self._next())  # kept in no variable, or it would live on while we wait for the next

    def _serve_safely(self, group: list[_Waiting[Item, Answer]]) -> None:
        try:
            self._serve(group)
        except BaseException as error:  # a writer must not die while somebody waits
            log.exception("a group failed")
            for one in group:
                if not one.future.done():
                    one.future.set_exception(error)
        finally:
            give_back()

    def _next(self) -> list[_Waiting[Item, Answer]]:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            group = [self._waiting.popleft()]
            weight = group[0].weight
            while self._waiting and weight + self._waiting[0].weight <= self._most:
                group.append(self._waiting.popleft())
                weight += group[-1].weight
            self._weight -= weight
            return group

    def _serve(self, group: list[_Waiting[Item, Answer]]) -> None:
        """Answer a group; when its work fails as a whole, each item by itself, so that one defect spoils no other."""
        group = [one for one in group if one.future.set_running_or_notify_cancel()]
        if not group:
            return
        try:
            answers = self._work([one.item for one in group])
        except (OperationalError, InterfaceError) as error:  # the database is away: it is so for each of them
            answers = [error] * len(group)
        except Exception as error:
            if len(group) > 1:
                log.warning("a group of %s failed; its requests are done one by one", len(group), exc_info=error)
                for one in group:
                    self._serve_one(one)
                return
            answers = [error]
        for one, answer in zip(group, answers, strict=True):
            _deliver(one, answer)

    def _serve_one(self, one: _Waiting[Item, Answer]) -> None:
        try:
            answer: Answer | BaseException = self._work([one.item])[0]
        except Exception as error:
            answer = error
        _deliver(one, answer)


def give_back() -> None:
    """End this thread's use of its connections, as Django does after a request.

    A connection left inside a transaction would swallow the next call's work: that is a defect of ours, so it is
    logged, and Django's object is forgotten; whoever gets the connection next finds it rolled back.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            log.error("A call left a transaction open; it is rolled back.")
            connection.close()
            del connections[connection.alias]
        else:
            connection.close_if_unusable_or_obsolete()


def _deliver(one: _Waiting[Item, Answer], answer: Answer | BaseException) -> None:
    if isinstance(answer, BaseException):
        one.future.set_exception(answer)
    else:
        one.future.set_result(answer)
