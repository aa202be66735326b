"""Around every request of a machine: its id in the logs and the answer, one line of log, headers.

Outermost, so that it also covers what never reaches a route.
"""

import logging
import time
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from tollbook import logs
from tollbook.metrics import count_request
from tollbook.web.requests import HEADERS, request_id_from

log = logging.getLogger("tollbook.web")
QUIET = {"/healthz", "/readyz", "/metrics", "/api/v1/usage", "/api/v1/holds"}
"""What comes too often for a line of log each time it goes well."""

_ALWAYS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Edge:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, timed and logged."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_from(_header(scope, b"x-request-id"))
        logs.request_id.set(request_id)
        path, started, status = scope["path"], time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(request_id, started)]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            count_request(_route(scope), status)
            level = logging.DEBUG if path in QUIET and status < 400 else logging.INFO
            log.log(level, "request", extra=_line(scope, path, status, started))


def _route(scope: Any) -> str:
    """The pattern of the address, as whoever answered left it in the scope; one word for all that lead nowhere."""
    return scope.get("path_template") or "nowhere"


def _header(scope: Any, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def _headers(request_id: str, started: float) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", request_id.encode()),
        (b"server-timing", f"app;dur={_milliseconds(started)}".encode()),
        (b"cache-control", b"private, no-store"),
        *_ALWAYS,
    ]


def _line(scope: Any, path: str, status: int, started: float) -> dict[str, object]:
    line = {"method": scope["method"], "path": path, "status": status, "took_ms": _milliseconds(started)}
    caller = scope.get("auth")
    return line if caller is None else line | {"user": f"tb_{caller.key.prefix}"}


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
