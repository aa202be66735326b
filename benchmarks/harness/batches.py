"""Child: sends batches of events over HTTP on a few connections, as fast as they are answered, or at a given pace."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness import child, wire
from benchmarks.harness.traffic import Traffic, json_bodies, ndjson_bodies

PATH = "/api/v1/usage"
LONGEST_WAIT_SECONDS = 1.0


class Sender:
    """`connections` threads share the batches until there are none left or `seconds` are over.

    `per_second` paces events over all connections. A batch that is refused for now (429, 503) is sent again.
    """

    def __init__(self, order: child.Report) -> None:
        self.port, self.connections, self.seconds = order["port"], order["connections"], order["seconds"]
        self.per_second: float = order.get("per_second") or 0
        self.requests = list(_requests(order))
        self.sent = self.accepted = self.refused = 0
        self.waits: list[float] = []
        self.lock = threading.Lock()
        self.faults: list[str] = []

    def measure(self) -> child.Report:
        """Events acknowledged, the seconds from the first byte sent to the last answer, and each batch's wait."""
        sockets = [wire.connect(self.port) for _ in range(self.connections)]
        self.began = time.perf_counter()
        batches = self._batches()
        threads = [threading.Thread(target=self._send, args=(one, batches)) for one in sockets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - self.began
        for one in sockets:
            one.close()
        if self.faults or self.accepted != self.sent:
            raise RuntimeError(f"{self.accepted} of {self.sent} events were accepted: {self.faults[:3]}")
        return {"events": self.accepted, "seconds": seconds, "refused": self.refused, "waits": self.waits}

    def _batches(self) -> Iterator[tuple[int, bytes]]:
        """Those that may still be sent, each when it is due; called with the lock held."""
        due = self.began
        for count, request in self.requests:
            if self.per_second:
                time.sleep(max(0.0, due - time.perf_counter()))
                due += count / self.per_second
            if time.perf_counter() - self.began > self.seconds:
                return
            yield count, request

    def _send(self, connection: socket.socket, batches: Iterator[tuple[int, bytes]]) -> None:
        try:
            while True:
                with self.lock:
                    count, request = next(batches, (0, b""))
                if not count:
                    return
                self._send_one(connection, count, request)
        except Exception as error:
            self.faults.append(repr(error))

    def _send_one(self, connection: socket.socket, count: int, request: bytes) -> None:
        began = time.perf_counter()
        answer = self._answered(connection, request)
        accepted, rejected = _outcome(answer)
        with self.lock:
            self.sent += count
            self.accepted += accepted
            self.waits.append(time.perf_counter() - began)
            self.faults += rejected

    def _answered(self, connection: socket.socket, request: bytes) -> bytes:
        while True:
            connection.sendall(request)
            answer = wire.read(connection)
            if wire.status(answer) not in (429, 503):
                return answer
            self.refused += 1
            time.sleep(LONGEST_WAIT_SECONDS)


def _outcome(answer: bytes) -> tuple[int, list[str]]:
    if wire.status(answer) != 200:
        return 0, [answer[:500].decode(errors="replace")]
    told: dict[str, Any] = json.loads(wire.body(answer))
    return told["accepted"], [str(rejection) for rejection in told["rejected"][:3]]


def _requests(order: child.Report) -> Iterator[tuple[int, bytes]]:
    traffic = Traffic(**order["traffic"])
    how = order.get("format", "json")
    bodies = ndjson_bodies if how == "ndjson" else json_bodies
    headers = {"Content_Type": "application/x-ndjson"} if how == "ndjson" else {}
    if order.get("gzip"):
        headers["Content_Encoding"] = "gzip"
    for count, body in bodies(traffic, order["size"]):
        yield count, wire.post(PATH, order["key"], gzip.compress(body, 1) if order.get("gzip") else body, **headers)


def prepare(order: child.Report) -> Callable[[], child.Report]:
    """Format every request."""
    return Sender(order).measure


if __name__ == "__main__":
    child.serve(prepare)
