"""A thousand connections that dawdle: whoever is quick is served as ever, and the slow ones are shown out after a while."""

import json
import os
import resource
import selectors
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.databases import Database
from tests.faults import world
from tests.faults.serving import own_server, running_web
from tollbook.cli.running import IDLE_SECONDS
from tollbook.web.intake import GRACE_SECONDS

pytestmark = [pytest.mark.faults, own_server]

COUNT = int(os.environ.get("TOLLBOOK_FAULT_SLOW", "1000"))
PATIENCE_SECONDS = max(IDLE_SECONDS, GRACE_SECONDS) + 15
PAUSE_SECONDS = 1


@dataclass(eq=False)
class Dawdler:
    """One connection: says its beginning, then one more byte now and then, until it is cut."""

    kind: str
    line: socket.socket
    drip: bytes
    began: float = field(default_factory=time.monotonic)
    next_drip: float = 0
    heard: bytes = b""
    seconds: float = 0

    @property
    def end(self) -> str:
        """How it was shown out."""
        return f"{self.kind}: {self.heard.split()[1].decode() if self.heard else 'closed'}"


BEGINNINGS: dict[str, Callable[[str], tuple[bytes, bytes]]] = {
    "says nothing": lambda key: (b"", b""),
    "drips headers": lambda key: (b"POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nX-Long: ", b"x"),
    "drips a body": lambda key: (post("/api/v1/usage", f"Authorization: Bearer {key}\r\nContent-Length: 100000"), b" "),
    "drips chunks": lambda key: (
        post("/api/v1/usage", f"Authorization: Bearer {key}\r\nTransfer-Encoding: chunked"),
        b"1\r\n \r\n",
    ),
    "drips a hold": lambda key: (post("/api/v1/holds", f"Authorization: Bearer {key}\r\nContent-Length: 100000"), b" "),
    "drips a form": lambda key: (post("/sign-in/", "Content-Length: 100000"), b"x"),
    "stops in a body": lambda key: (post("/api/v1/usage", f"Authorization: Bearer {key}\r\nContent-Length: 1000"), b""),
}


def post(path: str, headers: str) -> bytes:
    """All of a request but its body."""
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}\r\n\r\n".encode()


class Crowd:
    """All of them, driven by one thread."""

    def __init__(self, address: str, key: str) -> None:
        place = urlsplit(address)
        self._selector = selectors.DefaultSelector()
        self.slow: list[Dawdler] = []
        self.open = 0
        for number in range(COUNT):
            kind = [*BEGINNINGS][number % len(BEGINNINGS)]
            beginning, drip = BEGINNINGS[kind](key)
            line = socket.create_connection((str(place.hostname), place.port or 0))
            line.sendall(beginning)
            line.setblocking(False)
            dawdler = Dawdler(kind, line, drip)
            self._selector.register(line, selectors.EVENT_READ, dawdler)
            self.slow.append(dawdler)
            self.open += 1
        self._thread = threading.Thread(target=self._dawdle, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until all are shown out, or until patience ends; close what is left."""
        self._thread.join(PATIENCE_SECONDS + 5)
        for dawdler in self.slow:
            dawdler.line.close()

    def _dawdle(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self.open and time.monotonic() < end:
            for key, _ in self._selector.select(timeout=0.1):
                self._hear(key.data)
            for dawdler in self.slow:
                if not dawdler.seconds and dawdler.drip and time.monotonic() >= dawdler.next_drip:
                    self._drip(dawdler)

    def _hear(self, dawdler: Dawdler) -> None:
        try:
            piece = dawdler.line.recv(65_536)
        except OSError:
            piece = b""
        dawdler.heard += piece
        if not piece:
            self._selector.unregister(dawdler.line)
            dawdler.seconds = time.monotonic() - dawdler.began
            self.open -= 1

    def _drip(self, dawdler: Dawdler) -> None:
        dawdler.next_drip = time.monotonic() + PAUSE_SECONDS
        try:
            dawdler.line.send(dawdler.drip)
        except OSError:
            dawdler.drip = b""  # cut; it will be heard


def latencies(client: httpx.Client, telling: world.Telling, until: Callable[[], bool]) -> list[float]:
    """Milliseconds of single events, about fifty a second, as long as `until` is not true."""
    took = []
    while not until():
        started = time.perf_counter()
        answer = client.post("/api/v1/usage", content=json.dumps(telling.some(1)))
        took.append((time.perf_counter() - started) * 1_000)
        assert answer.status_code == 200, answer.text
        time.sleep(0.02)
    return took


def told(took: list[float]) -> str:
    """Median and 99th percentile."""
    return f"p50 {statistics.median(took):.1f} ms, p99 {statistics.quantiles(took, n=100)[98]:.1f} ms"


def test_slow_connections_are_shown_out_and_hold_nobody_up(db: Database, static_files: None, tmp_path: Path) -> None:
    """Slowloris (2009), and R-U-Dead-Yet with bodies: with headers, with bodies, and by saying nothing at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < COUNT + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, COUNT + 200), hard))
    made, telling = world.made(), world.Telling(408)
    with running_web(db.environment(), tmp_path / "web.log") as web:
        key = {"Authorization": f"Bearer {made.secret}"}
        with httpx.Client(base_url=web.address, headers=key, timeout=20, trust_env=False) as client:
            quiet_until = time.monotonic() + 4
            quiet = latencies(client, telling, lambda: time.monotonic() > quiet_until)
            crowd = Crowd(web.address, made.secret)
            crowded = latencies(client, telling, lambda: not crowd._thread.is_alive())
            crowd.join()

    ends = Counter(dawdler.end for dawdler in crowd.slow)
    print(f"alone: {told(quiet)}; among {COUNT}: {told(crowded)}; longest {max(one.seconds for one in crowd.slow):.0f} s")
    print(dict(ends))
    assert crowd.open == 0, "somebody slow is still there"
    for kind in BEGINNINGS:
        assert ends[f"{kind}: closed"] + ends[f"{kind}: 408"] == sum(one.kind == kind for one in crowd.slow), ends
    assert ends["drips a body: 408"] and ends["drips a form: 408"]
    world.prove(made, telling.told)
