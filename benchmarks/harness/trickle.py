"""Child: slow connections. Half send a head byte by byte, half a body; whoever is cut off comes again."""

import random
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.harness import child, wire

BODY_BYTES = 5_000
REST_SECONDS = 0.01


class Trickle:
    """So many open requests, each of which gets one more byte every `pause` seconds until the word comes to stop."""

    def __init__(self, order: child.Report) -> None:
        self.port, self.pause, self.count = order["port"], order["pause"], order["connections"]
        request = wire.post("/api/v1/usage", order["key"], b" " * BODY_BYTES)
        head, body = request[:-BODY_BYTES], request[-BODY_BYTES:]
        self.parts = ((b"", head), (head, body))
        self.cut = 0
        self.slow = [self._opened(place) for place in range(self.count)]

    def measure(self) -> child.Report:
        """How often a connection was cut off."""
        chance = random.Random(5)
        due = [time.perf_counter() + chance.random() * self.pause for _ in self.slow]
        while not select.select([sys.stdin], [], [], REST_SECONDS)[0]:
            now = time.perf_counter()
            for place, at in enumerate(due):
                if at <= now:
                    due[place] += self.pause
                    self._next_byte(place)
        for connection, _ in self.slow:
            connection.close()
        return {"cut": self.cut}

    def _next_byte(self, place: int) -> None:
        connection, left = self.slow[place]
        try:
            connection.sendall(next(left))
        except (OSError, StopIteration):
            connection.close()
            self.cut += 1
            self.slow[place] = self._opened(place)

    def _opened(self, place: int) -> tuple[socket.socket, Iterator[bytes]]:
        at_once, slowly = self.parts[place % 2]
        connection = wire.connect(self.port)
        if at_once:
            connection.sendall(at_once)
        return connection, (bytes([byte]) for byte in slowly)


def prepare(order: child.Report) -> Callable[[], child.Report]:
    """Open all of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2 * order["connections"] + 100), most))
    return Trickle(order).measure


if __name__ == "__main__":
    child.serve(prepare)
