"""The sockets: HTTP/1.1 with keep-alive, one thread a connection, and the faults that strike there."""

import contextlib
import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.gateway import control, pages
from tests.gateway.desk import Answer, Desk, Request

LOST = ("drop_before", "drop_after")
GARBLED = "<html><body>upstream sent invalid header</body></html>"
AT_ONCE = struct.pack("ii", 1, 0)


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and nowhere else."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, desk: Desk) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.desk = desk
        desk.base_url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what happened stands in the truth file and at /_control."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, address.path, address.query, body, headers)
        if address.path.startswith("/_control"):
            answer = control.answer(self.server.desk, request)
        elif address.path.startswith("/c/"):
            answer = pages.answer(self.server.desk, request)
        else:
            answer = self.server.desk.answer(request)
        with contextlib.suppress(OSError):
            self._send(answer)
        self.server.desk.told(answer.events)

    def _send(self, answer: Answer) -> None:
        """https://docs.stripe.com/error-low-level#network-errors: what a client may see of an answer."""
        kind = answer.fault.kind
        if kind in LOST:
            self._lose()
            return
        content = (GARBLED if kind == "garbled" else answer.body).encode()
        head = {
            "Content-Type": "text/html" if kind == "garbled" else "application/json", "Content-Length": str(len(content)),
        } | answer.headers
        reason = self.responses.get(answer.status, ("",))[0]
        lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in head.items())]
        whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
        if kind == "half_answer":
            self.wfile.write(whole[:-max(1, len(content) // 2)])
            self._lose()
            return
        self.wfile.write(whole)

    def _lose(self) -> None:
        """Close without a word; half of the clients (by their port) see a reset, the others the end of the stream."""
        self.close_connection = True
        if self.client_address[1] % 2:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
