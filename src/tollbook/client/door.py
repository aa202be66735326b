"""One request, repeated while that makes sense.

Repeated are: a server that can't be reached or does not answer in time, 429, 5xx, and 409 while the first request of the
same Idempotency-Key still runs. Every call of this client may be repeated: events have ids, holds have keys. Nothing
else of 4xx is ever repeated.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from tollbook.client.errors import Closed, InsufficientCredit, Refused, Unavailable

Answer = TypeVar("Answer")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 30.0
LONGEST_OBEYED_SECONDS = 600.0
CONNECT_SECONDS = 10.0
ROOT = "/api/v1"
NOT_OURS = "http_error"
"""The code of a refusal that names none: a proxy's, or that of another server."""


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""


class Door:
    """The way to one server with one key. May be used by several threads. `leave` ends every wait between two tries."""

    def __init__(self, url: str, key: str, timeout_seconds: float) -> None:
        self.url = _checked_url(url)
        self.leave = threading.Event()
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {_checked_key(key)}", "User-Agent": _name()},
            timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        )

    def ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience_seconds: float = 0.0,
        tell: Callable[[Unavailable], None] = lambda failure: None,
    ) -> Answer:
        """The answer as `kind`. Tries again, with growing pauses, for `patience_seconds`; `tell` hears of each failure.

        Raises Unavailable after that (or when told to leave), Refused for an answer that a repeat would not change.
        """
        if self.leave.is_set():
            raise Closed("The client is closed.")
        deadline = time.monotonic() + patience_seconds
        attempt = 0
        while True:
            try:
                request = self._http.build_request(method, self.url + ROOT + path, content=content, headers=headers)
                return _read(self._http.send(request), kind)
            except httpx.RequestError as error:
                failure = _Failure(f"{self.url} does not answer: {error or type(error).__name__}")
            except _Failure as told:
                failure = told
            pause = _pause(attempt, failure.retry_after)
            unavailable = Unavailable(f"{str(failure).rstrip('.')}.")
            tell(unavailable)
            if time.monotonic() + pause > deadline or self.leave.wait(pause):
                raise unavailable
            attempt += 1

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


class _Failure(Exception):
    """One try that failed and may be repeated."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _read(response: httpx.Response, kind: type[Answer]) -> Answer:
    if response.is_success:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _Failure(f"the answer is not Tollbook's: {error}") from None
    status, problem, whole = response.status_code, *_problem(response)
    if status == 429 or status >= 500 or (status == 409 and problem.code == "idempotency_in_progress"):
        raise _Failure(f"the server asks to try later: {status} {problem.detail}".rstrip(), _retry_after(response))
    refusal = InsufficientCredit if status == 402 else Refused
    raise refusal(status, problem.code or NOT_OURS, problem.detail or response.reason_phrase, whole)


def _problem(response: httpx.Response) -> tuple[_Problem, dict[str, Any]]:
    try:
        whole = msgspec.json.decode(response.content, type=dict[str, Any])
        return msgspec.convert(whole, _Problem), whole
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Problem(), {}


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from now, from a number or a date."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def _pause(attempt: int, retry_after: float | None) -> float:
    """Never sooner than the server asked, and never in step with other clients."""
    usual = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempt, 20)) * random.uniform(0.5, 1.0)
    asked = min(retry_after or 0.0, LONGEST_OBEYED_SECONDS)
    return max(usual, asked * random.uniform(1.0, 1.1))


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{url!r} is not an address like https://billing.example.com")
    return url.rstrip("/").removesuffix(ROOT)


def _checked_key(key: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("the key is one word, tb_...")
    return key


def _name() -> str:
    try:
        return f"tollbook-client/{version('tollbook')}"
    except PackageNotFoundError:
        return "tollbook-client"
