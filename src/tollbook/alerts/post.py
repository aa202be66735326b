"""One request to one checked address: the name is in the certificate and the Host header, the connection goes to the
address that was checked. No redirects, no proxies, and an end: in time, and in what is read of the answer.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
from django.db import connection

from tollbook.alerts import address
from tollbook.alerts.address import Target

SECONDS = 15.0
"""For everything together: looking up, connecting, sending, reading."""

MOST_BYTES = 64 * 1024
"""Of the answer, its headers included. More is not read; the status counts."""

KEPT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` is None when nothing did, and then `outcome` says why. `retry_after` in seconds, if told.
    `is_final`: trying again could change nothing."""

    status: int | None
    outcome: str
    text: str = ""
    took_ms: int = 0
    retry_after: int = 0
    is_final: bool = False

    @property
    def is_success(self) -> bool:
        """Any 2xx."""
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send `body`; never raises for what the network or the other side does. Raises RuntimeError inside a transaction,
    which would be held open for as long as the other side likes."""
    if connection.in_atomic_block:
        raise RuntimeError("a webhook must not be sent inside a database transaction")
    started = time.monotonic()
    try:
        target = address.parse(url)
        answer = _exchanged(target, address.resolve(target, SECONDS), body, headers, started + SECONDS)
    except address.NotAllowed as refusal:
        answer = Answer(None, refusal.message)
    except address.NotFoundByName as missing:
        answer = Answer(None, str(missing))
    except _TooMuch:
        answer = Answer(None, f"The answer was longer than {MOST_BYTES // 1024} KB before it was understood.")
    except (httpcore.TimeoutException, TimeoutError):
        answer = Answer(None, f"No answer within {SECONDS:.0f} seconds.")
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        answer = Answer(None, _in_words(error))
    took_ms = round((time.monotonic() - started) * 1000)
    return Answer(answer.status, answer.outcome, answer.text, took_ms, answer.retry_after)


def _exchanged(target: Target, pinned: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Answer:
    sent = {
        "host": target.authority,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": "Tollbook-Webhooks/1",
        "accept": "*/*",
        "connection": "close",
        **headers,
    }
    url = httpcore.URL(
        scheme=target.scheme, host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    backend = _Pinned(pinned, deadline)
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)
    pool = httpcore.ConnectionPool(ssl_context=_trusted(), http1=True, http2=False, retries=0, network_backend=backend)
    with pool, pool.stream(
        "POST", url, headers=list(sent.items()), content=body, extensions={"timeout": timeouts}
    ) as response:  # fmt: skip
        return _read(response)


def _read(response: httpcore.Response) -> Answer:
    given = {name.lower(): value for name, value in response.headers}
    after = given.get(b"retry-after", b"").decode("latin-1")
    return Answer(
        response.status,
        f"Answered {response.status}.",
        _beginning(response),
        retry_after=int(after) if after.isascii() and after.isdigit() and len(after) < 7 else 0,
    )


def _beginning(response: httpcore.Response) -> str:
    """The first part of the answer as text that can be shown; whatever goes wrong after the status is no failure."""
    read = b""
    try:
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= KEPT_CHARACTERS * 4:
                break
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, _TooMuch, OSError):
        pass
    text = read.decode("utf-8", "replace")[:KEPT_CHARACTERS]
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


class _TooMuch(Exception):
    """The other side sends more than we read."""


class _Pinned(httpcore.NetworkBackend):
    """Connects to the checked address, whatever name is asked for, with streams that end."""

    def __init__(self, pinned: str, deadline: float) -> None:
        self._pinned, self._deadline, self._own = pinned, deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Bounded(self._own.connect_tcp(self._pinned, port, _left(self._deadline)), self._deadline)


class _Bounded(httpcore.NetworkStream):
    """A stream with an end: no operation outlives the deadline, not even one byte at a time, and it reads no more than
    `MOST_BYTES`."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline, self._read = stream, deadline, 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._read >= MOST_BYTES:
            raise _TooMuch
        data = self._stream.read(min(max_bytes, MOST_BYTES - self._read), _left(self._deadline))
        self._read += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts."""
    return ssl.create_default_context()


def _in_words(error: Exception) -> str:
    """Why there was no answer, without what the network's errors tell about the inside."""
    text = str(error)
    if "CERTIFICATE" in text or "certificate" in text:
        return "The certificate is not valid for this address."
    if isinstance(error, httpcore.ConnectError | OSError):
        return "No connection could be made."
    return "The connection broke before there was an answer."
