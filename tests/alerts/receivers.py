"""Somebody's web server that takes webhooks, and a mail server, both on this machine and real."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.test.utils import override_settings

from tests.processes import free_port


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers every request with `status`, or as `act` does; remembers what came."""

    address: str
    received: list[Received] = field(default_factory=list)
    status: int = 200
    extra: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    act: Callable[[BaseHTTPRequestHandler], None] | None = None

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.received]


CERTIFICATE = Path(__file__).with_name("hooks.example.pem")
"""Of hooks.example and nobody else, with its key, made for these tests; nobody trusts it but they."""


@contextmanager
def receiving(tls: bool = False) -> Iterator[Receiver]:
    """A web server on a free port of 127.0.0.1; with TLS, by the certificate of hooks.example."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, self.rfile.read(length)))
            if receiver.act is not None:
                receiver.act(self)
                return
            self.send_response(receiver.status)
            for name, value in receiver.extra.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host = "https://hooks.example" if tls else "http://127.0.0.1"
    receiver = Receiver(f"{host}:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """An answer of which every byte comes in time and the whole never does."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        try:
            handler.wfile.write(b"x-%d: y\r\n" % number)
            time.sleep(0.05)
        except OSError:
            return


@dataclass
class MailServer:
    """A mail server that takes everything but the addresses, or the steps, that `refuses` names with the answer it shall
    give; and anybody but who gives a password, none of which it knows. It thinks about each message for `seconds`."""

    port: int
    messages: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    seconds: float = 0

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if "MAIL" not in self.refuses:
            envelope.mail_from = address
        return self.refuses.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.seconds)
        if "DATA" in self.refuses:
            return self.refuses["DATA"]
        message = message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[arg-type]
        self.messages.append((envelope.rcpt_tos[0], message))  # type: ignore[arg-type]
        return "250 Taken"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for to, message in self.messages if to == address]


@contextmanager
def mailing() -> Iterator[MailServer]:
    """A mail server on a free port, which Django's settings lead to."""
    server = MailServer(free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port, auth_require_tls=False)
    controller.start()
    backend = "django.core.mail.backends.smtp.EmailBackend"
    try:
        with override_settings(
            EMAIL_BACKEND=backend, EMAIL_HOST="127.0.0.1", EMAIL_PORT=server.port, EMAIL_USE_TLS=False, EMAIL_TIMEOUT=5,
            EMAIL_HOST_USER="", DEFAULT_FROM_EMAIL="billing@operator.example", PUBLIC_URL="https://bill.example",
        ):  # fmt: skip
            yield server
    finally:
        controller.stop()


def open_to_this_machine() -> override_settings:
    """Let webhooks go to receivers on this machine, without TLS."""
    return override_settings(WEBHOOK_NETWORKS=["127.0.0.0/8"], WEBHOOK_PORTS="*", WEBHOOK_HTTP=True)
