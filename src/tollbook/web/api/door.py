"""The short way of the busiest calls, past the framework: POST /usage, POST /holds, and webhooks of gateways.

What it asks of a request is what the framework's routes ask: a key with the right scope, a body of a type that is taken.
Errors have the same shape.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from tollbook.web.api import gateways, holds, problems, usage
from tollbook.web.api.auth import Caller, caller_of, check_type
from tollbook.web.api.gathered import Reply
from tollbook.web.intake import LARGEST_BODY, TooLarge

Serve = Callable[[Caller, Mapping[str, str], bytes], Awaitable[Reply]]
Answer = Callable[[Any, Mapping[str, str], Receive], Awaitable[Reply]]
_CALLS: dict[str, tuple[Any, Serve]] = {
    "/api/v1/usage": (usage.send_usage, usage.taken),
    holds.HOLDS_PATH: (holds.place_hold, holds.placed),
}


class Gone(Exception):
    """The sender hung up before the body was complete."""


class Door:
    """An ASGI application in front of another one."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the busiest calls; let all others pass."""
        answer = _way_of(scope) if scope["type"] == "http" and scope["method"] == "POST" else None  # type: ignore[typeddict-item]
        if answer is None:
            await self._inner(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            reply = await answer(scope, headers, receive)
        except Gone:
            return
        except Exception as error:
            await _refuse(send, error)
            _let_go(error)
            return
        told = {"content-type": reply.media_type, **reply.headers}
        await _send(send, reply.status, reply.body, [(name.lower().encode(), text.encode()) for name, text in told.items()])


def _way_of(scope: Scope) -> Answer | None:
    """What answers a POST to this address; None: the framework does."""
    path = scope["path"]
    if path in _CALLS:
        return _called
    return _told if gateways.named_in(path) else None


async def _called(scope: Any, headers: Mapping[str, str], receive: Receive) -> Reply:
    handler, serve = _CALLS[scope["path"]]
    scope["path_template"] = scope["path"]
    caller = scope["auth"] = await caller_of(headers.get("authorization", ""), handler.opt["scope"])
    check_type(headers, handler.opt)
    return await serve(caller, headers, await _body(receive))


async def _told(scope: Any, headers: Mapping[str, str], receive: Receive) -> Reply:
    """A webhook needs no key: its signature is one. Anybody may send one, so no more of it is kept than it can be."""
    scope["path_template"] = gateways.TEMPLATE
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > gateways.LARGEST:
        raise TooLarge
    return await gateways.taken(
        gateways.named_in(scope["path"]) or "", headers, await _body(receive, gateways.LARGEST)
    )


async def _body(receive: Receive, largest: int = LARGEST_BODY) -> bytes:
    """The whole body, up to `largest` bytes; `Intake`, in front of us, bounds its time. Raises TooLarge."""
    parts, came = [], 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        came += len(parts[-1])
        if came > largest:
            raise TooLarge
        if not message.get("more_body", False):
            return b"".join(parts) if len(parts) > 1 else bytes(parts[0])


async def _refuse(send: Send, error: Exception) -> None:
    kind = next(kind for kind in type(error).__mro__ if kind in problems.HANDLERS)
    response = problems.HANDLERS[kind](None, error)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    await _send(send, response.status_code, response.content.encode(), headers)


def _let_go(error: BaseException) -> None:
    """Forget where it came from: futures lead to it and it to frames with the whole body, in circles, so that all of it
    would stay until the next collection of garbage."""
    error.__traceback__ = error.__context__ = error.__cause__ = None


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
