"""Child: small requests on many connections, one thread, in a closed loop or in an open one at a given rate.

In the open loop requests are due at random instants (a Poisson process from a fixed seed), whether or not earlier ones
are answered, and each is timed from when it was due: one that had to wait for a free connection waited.
"""

import json
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator

from tests.gateway.started import WEBHOOK_SECRET
from tests.gateway.webhooks import sign

from benchmarks.harness import child, wire
from benchmarks.harness.traffic import TYPES, Told, Traffic, as_json, slug

DRAIN_SECONDS = 5.0
"""How long after the last request was due those that are late may still be sent and answered."""

ACCEPTED = {"event": b'"accepted":1', "hold": b'"state":"open"', "webhook": b'"received":true'}
EVENTS_OF_A_CHARGE = 5
REFUSED_FOR_NOW = {429, 503}


class Load:
    """The prepared requests, and what became of each."""

    def __init__(self, order: child.Report) -> None:
        self.port, self.connections, self.seconds = order["port"], order["connections"], float(order["seconds"])
        rate = order.get("per_second")
        self.requests = list(_requests(order))
        self.expected = ACCEPTED[order["kind"]]
        self.due = _instants(rate, len(self.requests)) if rate else None
        self.next = self.refused = 0
        self.waits: list[float] = []
        self.lasted = 0.0

    def measure(self) -> child.Report:
        """How many were answered and how soon, in seconds; how many were refused for now, and never sent."""
        sockets = {one.fileno(): one for one in (wire.connect(self.port) for _ in range(self.connections))}
        self.free, self.open, self.parts = deque(sockets.values()), dict[int, float](), dict[int, bytes]()
        poll = select.epoll()
        for number in sockets:
            poll.register(number, select.EPOLLIN)
        self.began = time.perf_counter()
        while self._send_due() or self.open:
            select.select([poll], [], [], self._pause())  # to the microsecond, which epoll's own timeout is not
            for number, _ in poll.poll(0):
                self._receive(sockets[number])
        self.lasted = time.perf_counter() - self.began
        for one in sockets.values():
            one.close()
        return self._report()

    def _report(self) -> child.Report:
        unsent = len(self.requests) - self.next if self.due else 0
        late = [self.lasted - due for due in (self.due or [])[self.next : self.next + unsent]]
        done = {"answered": len(self.waits), "refused": self.refused, "unsent": unsent, "seconds": self.lasted}
        return done | {"waits": self.waits + late}

    def _send_due(self) -> bool:
        """Send what is due while connections are free; whether there is more to send."""
        now = time.perf_counter() - self.began
        while self.next < len(self.requests):
            due = self.due[self.next] if self.due else now
            if now > self.seconds + (DRAIN_SECONDS if self.due else 0):
                return False
            if due > now or not self.free:
                return True
            connection = self.free.popleft()
            connection.sendall(self.requests[self.next])
            self.open[connection.fileno()] = due
            self.next += 1
        return False

    def _pause(self) -> float:
        """Until the next one is due, if a connection is free for it; one second at most."""
        if not self.due or not self.free or self.next >= len(self.requests):
            return 1.0
        return min(1.0, max(0.0, self.began + self.due[self.next] - time.perf_counter()))

    def _receive(self, connection: socket.socket) -> None:
        number = connection.fileno()
        data = connection.recv(65_536)
        if not data:
            raise RuntimeError("the server closed a connection")
        data = self.parts.pop(number, b"") + data
        if not wire.whole(data):
            self.parts[number] = data
            return
        self.free.append(connection)
        self._settle(time.perf_counter() - self.began - self.open.pop(number), data)

    def _settle(self, wait: float, answer: bytes) -> None:
        if self.expected in answer:
            self.waits.append(wait)
        elif wire.status(answer) in REFUSED_FOR_NOW:
            self.refused += 1
        else:
            raise RuntimeError(f"an unexpected answer: {answer[:800]!r}")


def _requests(order: child.Report) -> Iterator[bytes]:
    if order["kind"] == "webhook":
        yield from (_webhook(number) for number in range(order["count"]))
        return
    make = _event if order["kind"] == "event" else _hold
    yield from (make(order, told) for told in Traffic(**order["traffic"]).events())


def _instants(rate: float, count: int) -> list[float]:
    """When each request is due, in seconds from the start."""
    chance, at, instants = random.Random(11), 0.0, []
    for _ in range(count):
        at += chance.expovariate(rate)
        instants.append(at)
    return instants


def _event(order: child.Report, told: Told) -> bytes:
    return wire.post("/api/v1/usage", order["key"], f"[{as_json(told)}]".encode())


def _hold(order: child.Report, told: Told) -> bytes:
    body = (
        f'{{"event_id":"{told.id}","account":"{slug(told.account)}","type":"{TYPES[0]}","quantity":60,'
        f'"to":"+{told.to}","ttl_seconds":600}}'
    )
    headers = {"Idempotency_Key": told.id} if order.get("idempotency_key") else {}
    return wire.post("/api/v1/holds", order["key"], body.encode(), **headers)


def _webhook(number: int) -> bytes:
    """Of a charge that none of ours is, signed now; several events tell of each."""
    now = int(time.time())
    charge = {"id": f"pi_{now}_{number // EVENTS_OF_A_CHARGE}", "object": "payment_intent", "description": "x" * 2_000}
    event = {"id": f"evt_{now}_{number}", "type": "payment_intent.succeeded", "created": now, "data": {"object": charge}}
    body = json.dumps(event).encode()
    signature = sign(body, [WEBHOOK_SECRET], now)
    return wire.post("/api/v1/gateways/stripe/webhook", "", body, Stripe_Signature=signature)


def prepare(order: child.Report) -> Callable[[], child.Report]:
    """Format every request."""
    return Load(order).measure


if __name__ == "__main__":
    child.serve(prepare)
