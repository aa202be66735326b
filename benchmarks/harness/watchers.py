"""Child: open portal streams, and when each of them was told a new balance of one wallet."""

import resource
import select
import socket
import sys
import time
from collections.abc import Callable

from benchmarks.harness import child, wire

AT_ONCE = 16
END, BALANCE = b"\n\n", b'"balance":"'


class Watchers:
    """`each` streams for every cookie. Only rows of the wallet of `type` are looked at, as little as possible."""

    def __init__(self, order: child.Report) -> None:
        self.row = f'"type":"{order["type"]}"'.encode()
        self.poll = select.epoll()
        self.streams: dict[int, tuple[socket.socket, int]] = {}
        self.rest: dict[int, bytes] = {}
        self.told: list[tuple[int, int, str, float]] = []
        self.messages = 0
        cookies = [(place, cookie) for place, cookie in enumerate(order["cookies"]) for _ in range(order["each"])]
        for first in range(0, len(cookies), AT_ONCE):
            self._open(order["port"], cookies[first : first + AT_ONCE])

    def measure(self) -> child.Report:
        """Until told to stop: (cookie, stream, balance, when) for each change, on the machine's monotonic clock."""
        self.told, self.messages = [], 0
        self.poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            for number, _ in self.poll.poll():
                if number == sys.stdin.fileno():
                    return {"told": self.told, "messages": self.messages, "open": len(self.streams)}
                self._read(number)

    def _open(self, port: int, cookies: list[tuple[int, str]]) -> None:
        """Ask for some streams, and read until each has been told everything once."""
        fresh = set()
        for place, cookie in cookies:
            connection = wire.connect(port)
            connection.sendall(
                f"GET /billing/credits/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode()
            )
            self.streams[connection.fileno()] = (connection, place)
            self.poll.register(connection.fileno(), select.EPOLLIN)
            fresh.add(connection.fileno())
        deadline = time.monotonic() + wire.TIMEOUT_SECONDS
        while fresh - {stream for _, stream, _, _ in self.told}:
            if time.monotonic() > deadline:
                raise RuntimeError("streams do not open")
            for number, _ in self.poll.poll(1):
                self._read(number)

    def _read(self, number: int) -> None:
        connection, place = self.streams[number]
        data = connection.recv(262_144)
        if not data:
            self.poll.unregister(number)
            connection.close()
            del self.streams[number]
            return
        whole, _, rest = (self.rest.get(number, b"") + data).rpartition(END)
        self.rest[number] = rest
        self.messages += 1
        at = whole.rfind(self.row)
        if at >= 0:
            balance = whole[whole.find(BALANCE, at) + len(BALANCE) :].partition(b'"')[0]
            self.told.append((place, number, balance.decode(), time.perf_counter()))


def prepare(order: child.Report) -> Callable[[], child.Report]:
    """Open all streams."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2 * order["each"] * len(order["cookies"]) + 100), most))
    return Watchers(order).measure


if __name__ == "__main__":
    child.serve(prepare)
