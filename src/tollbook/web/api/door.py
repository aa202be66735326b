"""The short way of the busiest calls, past the framework: POST /usage, and POST /holds without an Idempotency-Key.

What it asks of a request is what the framework's routes ask: a key with the right scope, a body of a type and size that
are taken, and all of it within a bounded time. Errors have the same shape.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from tollbook.web.api import holds, problems, usage
from tollbook.web.api.auth import Caller, caller_of, check_type
from tollbook.web.api.encodings import LARGEST_BODY, too_large

BODY_SECONDS = 20
"""How long a body may take to come; a working connection brings the largest in a second or two."""

Serve = Callable[[Caller, Mapping[str, str], bytes], Awaitable[bytes]]
JSON = b"application/json"
_CALLS: dict[str, tuple[Any, Serve, int]] = {
    "/api/v1/usage": (usage.send_usage, usage.taken, 200),
    "/api/v1/holds": (holds.place_hold, holds.placed, 201),
}


class Gone(Exception):
    """The sender hung up before the body was complete."""


class Door:
    """An ASGI application in front of another one."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the busiest calls; let all others pass."""
        call = _CALLS.get(scope["path"]) if scope["type"] == "http" else None
        if call is None or scope["method"] != "POST":  # type: ignore[typeddict-item]
            await self._inner(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if "idempotency-key" in headers:
            await self._inner(scope, receive, send)
            return
        handler, serve, status = call
        try:
            caller = scope["auth"] = await caller_of(headers.get("authorization", ""), handler.opt["scope"])
            check_type(headers, handler.opt)
            answer = await serve(caller, headers, await _body(headers, receive))
        except Gone:
            return
        except Exception as error:
            await _refuse(send, error)
            return
        await _send(send, status, answer, [(b"content-type", JSON)])


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    declared = headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > LARGEST_BODY:
        raise too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                if size > LARGEST_BODY:
                    raise too_large()
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts) if len(parts) > 1 else bytes(part)
    except TimeoutError:
        raise HTTPException(
            status_code=408, detail=f"The body did not come within {BODY_SECONDS} seconds. Nothing was done; repeat it."
        ) from None


async def _refuse(send: Send, error: Exception) -> None:
    kind = next(kind for kind in type(error).__mro__ if kind in problems.HANDLERS)
    response = problems.HANDLERS[kind](None, error)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    if response.status_code in (408, 413) or isinstance(error, HTTPException):
        headers.append((b"connection", b"close"))  # the rest of the body is not wanted
    await _send(send, response.status_code, response.content.encode(), headers)


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
