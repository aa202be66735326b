"""Machines that send usage and don't give up: whatever happens, each batch is told until it is acknowledged."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.faults.world import Batch

TRY_AGAIN = {429, 503}
PATIENCE_SECONDS = 60


class Senders:
    """`count` connections that take batches from `source` until it answers None, or until they are told to stop.

    An answer that asks for patience (429, 503) or none at all means: again, the same. Anything else is a surprise.
    """

    def __init__(self, address: str, secret: str, count: int, source: Callable[[], Batch | None]) -> None:
        self._client = {"base_url": address, "headers": {"Authorization": f"Bearer {secret}"}, "trust_env": False}
        self._source = source
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.answered = self.accepted = self.duplicates = self.broken = self.put_off = 0
        self.rejected: list[dict[str, Any]] = []
        self.surprises: list[str] = []
        self.without_retry_after = 0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def join(self) -> None:
        """Wait until everything that was begun is acknowledged."""
        self._wait(lambda: False)

    def until(self, acknowledged: int) -> None:
        """Wait until so many different events are acknowledged, or there are no more."""
        self._wait(lambda: len(self.acknowledged) >= acknowledged)

    def go_on(self, more: int) -> None:
        """Wait until so many more requests are answered with 200."""
        wanted = self.answered + more
        self._wait(lambda: self.answered >= wanted)

    def sure(self) -> set[str]:
        """The ids acknowledged by now."""
        with self._lock:
            return set(self.acknowledged)

    def _wait(self, done: Callable[[], bool]) -> None:
        answered, since = self.answered, time.monotonic()
        while not done() and any(thread.is_alive() for thread in self._threads):
            if self.answered != answered:
                answered, since = self.answered, time.monotonic()
            assert time.monotonic() < since + PATIENCE_SECONDS, f"stuck at {answered}: {self.surprises[:3]}"
            time.sleep(0.01)

    def _send(self) -> None:
        with httpx.Client(timeout=30, **self._client) as client:
            while not self._stop.is_set():
                batch = self._source()
                if batch is None:
                    return
                while not self._acknowledged(client, batch):
                    time.sleep(0.1)

    def _acknowledged(self, client: httpx.Client, batch: Batch) -> bool:
        try:
            answer = client.post("/api/v1/usage", content=json.dumps(batch))
        except httpx.TransportError:
            with self._lock:
                self.broken += 1
            return False
        with self._lock:
            if answer.status_code == 200:
                self._note(answer.json(), batch)
            elif answer.status_code in TRY_AGAIN:
                self.put_off += 1
                self.without_retry_after += "retry-after" not in answer.headers
            else:
                self.surprises.append(answer.text)
        return answer.status_code == 200

    def _note(self, said: dict[str, Any], batch: Batch) -> None:
        self.answered += 1
        self.accepted += said["accepted"]
        self.duplicates += said["duplicates"]
        self.rejected += said["rejected"]
        self.acknowledged |= {event["id"] for event in batch}
