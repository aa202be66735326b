"""Group commit: requests that wait are gathered into one piece of work, so that each costs its share of a transaction.

Nothing waits for a timer: whoever comes while all writers are at work waits for the next one that is free, and goes with
all others that wait. So a lone request is served at once, and the groups grow with the load.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
    future: "asyncio.Future[Answer]"


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

    def submit(self, item: Item, weight: int = 1) -> "asyncio.Future[Answer]":
        """The future of an item's answer, in the running loop; whoever cancels it in time has nothing done. Raises Full;
        never waits."""
        one: _Waiting[Item, Answer] = _Waiting(item, weight, asyncio.get_running_loop().create_future())
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
            _deliver(group, [error] * len(group))
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
        group = [one for one in group if not one.future.done()]
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
                    _deliver([one], [self._alone(one.item)])
                return
            answers = [error]
        _deliver(group, answers)

    def _alone(self, item: Item) -> Answer | BaseException:
        try:
            return self._work([item])[0]
        except Exception as error:
            return error


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


def _deliver(group: Sequence[_Waiting[Item, Answer]], answers: Sequence[Answer | BaseException]) -> None:
    """Hand all answers of a group over at once: to wake a loop costs more than to answer."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | BaseException]]] = {}
    for one, answer in zip(group, answers, strict=True):
        by_loop.setdefault(one.future.get_loop(), []).append((one.future, answer))
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # a loop that is closed has nobody waiting
            loop.call_soon_threadsafe(_answer, told)


def _answer(told: Sequence[tuple["asyncio.Future[Answer]", Answer | BaseException]]) -> None:
    for future, answer in told:
        if future.done():
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
