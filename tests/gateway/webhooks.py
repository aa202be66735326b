"""Webhooks to one endpoint: https://docs.stripe.com/webhooks.

Signed (https://docs.stripe.com/webhooks#verify-manually): `Stripe-Signature: t=<seconds>,v1=<HMAC-SHA256 over "t.body">`,
one v1 for each active secret. Sent again when the endpoint does not answer 2xx, each time with a new timestamp and
signature; delivered at least once, in no promised order.

Modes: normal | duplicate (each 2 to `most` times) | shuffle (held back and sent in another order) | early (delivered
before the API answers) | late (`seconds` after it) | mute (not sent; `release` sends what was kept back).
"""

import hashlib
import hmac
import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any
from urllib.parse import urlsplit

from tests.gateway.clock import Clock

MODES = ("normal", "duplicate", "shuffle", "early", "late", "mute")
TIMEOUT_SECONDS = 10


@dataclass
class Settings:
    """What a test may set. `retry_seconds` are the pauses before each further attempt; Stripe's own go over up to three
    days with exponential back-off (https://docs.stripe.com/webhooks#retries). `timestamp` is "real" (the machine's
    clock) or "clock" (the simulated one)."""

    target: str = ""
    mode: str = "normal"
    secrets: list[str] = field(default_factory=lambda: ["whsec_test"])
    kinds: list[str] = field(default_factory=list)
    retry_seconds: list[float] = field(default_factory=lambda: [0.1, 0.3, 1.0, 3.0, 10.0])
    seconds: float = 0.5
    most: int = 5
    seed: int = 0
    connections: int = 8
    timestamp: str = "real"

    def check(self) -> None:
        """Raises ValueError for a mode or clock that does not exist."""
        if self.mode not in MODES:
            raise ValueError(f"there is no mode {self.mode}; there are {', '.join(MODES)}")
        if self.timestamp not in ("real", "clock"):
            raise ValueError("timestamp is real or clock")


def sign(payload: bytes, secrets: list[str], at: int) -> str:
    """The header Stripe-Signature: https://docs.stripe.com/webhooks#verify-manually."""
    signed = f"{at}.".encode() + payload
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


class Sender:
    """Sends events over several connections at once."""

    def __init__(self, clock: Clock, api_version: str) -> None:
        self.settings = Settings()
        self._clock = clock
        self._api_version = api_version
        self._random = random.Random(0)
        self._due: list[tuple[float, int, dict[str, Any], int, threading.Event | None]] = []
        self._number = 0
        self._kept: list[dict[str, Any]] = []
        self._told: Counter[str] = Counter()
        self._under_way = 0
        self._wake = threading.Condition()
        self._workers = 0

    def set(self, given: dict[str, Any]) -> None:
        """Change the settings named. Raises TypeError or ValueError for what does not exist."""
        settings = Settings(**(self.settings.__dict__ | given))
        settings.check()
        with self._wake:
            if "seed" in given or settings.mode != self.settings.mode:
                self._random = random.Random(settings.seed)
            self.settings = settings
            while self._workers < settings.connections:
                self._workers += 1
                threading.Thread(target=self._work, daemon=True).start()

    def before_answer(self, events: list[dict[str, Any]]) -> None:
        """In the mode early: deliver now, and return when the endpoint has answered (or did not in time)."""
        if self.settings.mode != "early":
            return
        done = [self._plan(event, 0.0, threading.Event()) for event in self._wanted(events)]
        for each in done:
            if each is not None:
                each.wait(TIMEOUT_SECONDS)

    def after_answer(self, events: list[dict[str, Any]]) -> None:
        """In every other mode: plan the deliveries."""
        mode, settings = self.settings.mode, self.settings
        if mode == "early":
            return
        for event in self._wanted(events):
            if mode == "mute":
                self._kept.append(event)
            for _ in range(self._times(mode)):
                self._plan(event, self._pause(mode, settings.seconds))

    def release(self, again: bool = False) -> int:
        """Send what the mode mute kept back; how many events that is."""
        kept, self._kept = self._kept, list(self._kept) if again else []
        for event in kept:
            self._plan(event, 0.0)
        return len(kept)

    def send(self, event: dict[str, Any], times: int = 1) -> None:
        """Send one event (again), whatever the mode: https://docs.stripe.com/webhooks#manual-retries."""
        for _ in range(times):
            self._plan(event, 0.0)

    def told(self) -> dict[str, Any]:
        """Deliveries so far by outcome, and what is still to come."""
        with self._wake:
            return dict(self._told) | {"waiting": len(self._due) + self._under_way, "kept": len(self._kept)}

    def _wanted(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kinds = self.settings.kinds
        return [each for each in events if self.settings.target and (not kinds or each["type"] in kinds)]

    def _times(self, mode: str) -> int:
        return {"mute": 0, "duplicate": self._random.randint(2, max(2, self.settings.most))}.get(mode, 1)

    def _pause(self, mode: str, seconds: float) -> float:
        if mode == "late":
            return seconds
        return self._random.uniform(0, seconds) if mode in ("shuffle", "duplicate") else 0.0

    def _plan(
        self, event: dict[str, Any], pause: float, done: threading.Event | None = None, attempt: int = 0
    ) -> threading.Event | None:
        with self._wake:
            self._number += 1
            heappush(self._due, (time.monotonic() + pause, self._number, event, attempt, done))
            self._wake.notify()
        return done

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            event, attempt, done = self._next()
            connection, status = self._post(connection, event)
            self._note(event, attempt, status, done)

    def _next(self) -> tuple[dict[str, Any], int, threading.Event | None]:
        with self._wake:
            while not self._due or self._due[0][0] > time.monotonic():
                self._wake.wait(self._due[0][0] - time.monotonic() if self._due else None)
            _, _, event, attempt, done = heappop(self._due)
            self._under_way += 1
            return event, attempt, done

    def _post(
        self, connection: http.client.HTTPConnection | None, event: dict[str, Any]
    ) -> tuple[http.client.HTTPConnection | None, int]:
        target = urlsplit(self.settings.target)
        payload = json.dumps(event, indent=2).encode()
        at = int(time.time() if self.settings.timestamp == "real" else self._clock.now())
        headers = {
            "Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": sign(payload, self.settings.secrets, at),
        }
        try:
            if connection is None or connection.port != target.port:
                connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=TIMEOUT_SECONDS)
            connection.request("POST", f"{target.path or '/'}{'?' + target.query if target.query else ''}", payload, headers)
            answer = connection.getresponse()
            answer.read()
            return connection, answer.status
        except (OSError, http.client.HTTPException):
            if connection is not None:
                connection.close()
            return None, 0

    def _note(self, event: dict[str, Any], attempt: int, status: int, done: threading.Event | None) -> None:
        accepted = 200 <= status < 300
        pauses = self.settings.retry_seconds
        again = not accepted and attempt < len(pauses)
        with self._wake:
            self._told["accepted" if accepted else f"refused {status}"] += 1
            self._told["sent"] += 1
            if not accepted and not again:
                self._told["given up"] += 1
        if again:
            self._plan(event, pauses[attempt], None, attempt + 1)
        with self._wake:
            self._under_way -= 1
        if done is not None:
            done.set()
