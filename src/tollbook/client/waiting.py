"""What waits to be delivered: what a place for it must do, and the one in memory."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tollbook.client.errors import Full
from tollbook.client.event import Rejection


@dataclass(frozen=True, slots=True)
class Batch:
    """The oldest lines that wait, and what was found damaged among them."""

    lines: tuple[bytes, ...] = ()
    damaged: tuple[bytes, ...] = ()


class Waiting(Protocol):
    """Lines in the order they came. Many put; one takes, and says when a batch is done."""

    def put(self, lines: Sequence[bytes]) -> None:
        """Keep all of them, or none and raise Full or SpoolFailed."""

    def take(self, most_events: int, most_bytes: int) -> Batch:
        """The oldest, which stay until `done`."""

    def done(self, batch: Batch, rejected: Iterable[Rejection]) -> None:
        """Everything of the batch that was taken last is acknowledged or rejected."""

    def count(self) -> int:
        """How many wait."""

    def close(self) -> None:
        """Let go of whatever is held open."""


class Memory:
    """At most `most_events` lines, gone with the process."""

    def __init__(self, most_events: int) -> None:
        self._most = most_events
        self._lines: deque[bytes] = deque()
        self._lock = threading.Lock()

    def put(self, lines: Sequence[bytes]) -> None:
        """As Waiting says. More than the limit at once is taken when nothing else waits."""
        with self._lock:
            if self._lines and len(self._lines) + len(lines) > self._most:
                raise Full(f"{len(self._lines):,} events wait already for the server to take them.")
            self._lines.extend(lines)

    def take(self, most_events: int, most_bytes: int) -> Batch:
        """As Waiting says; at least one line if there is one."""
        taken: list[bytes] = []
        size = 0
        with self._lock:
            for line in self._lines:
                size += len(line)
                if taken and (len(taken) >= most_events or size > most_bytes):
                    break
                taken.append(line)
        return Batch(tuple(taken))

    def done(self, batch: Batch, rejected: Iterable[Rejection]) -> None:
        """As Waiting says. Rejections are the caller's to tell."""
        with self._lock:
            for _ in batch.lines:
                self._lines.popleft()

    def count(self) -> int:
        """As Waiting says."""
        return len(self._lines)

    def close(self) -> None:
        """Nothing to do."""
