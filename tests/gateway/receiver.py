"""An endpoint for webhooks that keeps what it gets."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Delivery:
    """One webhook as it came; `thread` tells connections apart."""

    at: float
    header: str
    body: bytes
    thread: int


class Receiver:
    """Keeps deliveries; `answers` gives the status for each (by default 200)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.deliveries: list[Delivery] = []
        self.answers: Callable[[int], int] = lambda number: 200
        self.arrived = threading.Condition()

    def take(self, delivery: Delivery) -> int:
        """Keep one; the status to answer with."""
        with self.arrived:
            self.deliveries.append(delivery)
            self.arrived.notify_all()
            return self.answers(len(self.deliveries))

    def wait_for(self, count: int, seconds: float = 10) -> list[Delivery]:
        """Wait until so many have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.deliveries) >= count, seconds), self.deliveries
            return list(self.deliveries)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine, for the block."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take(
                Delivery(time.monotonic(), self.headers["Stripe-Signature"], body, threading.get_ident())
            )
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
