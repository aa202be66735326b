"""What anybody may send us: a body of so many bytes, at a bearable pace. Stands in front of every door.

Without it, a thousand lines that drip one byte a second are a thousand requests open for ever, and pages would put a body
of any size on the disk before they look who sent it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger("tollbook.web")

LARGEST_BODY = 16 * 1024 * 1024
GRACE_SECONDS = 15
SLOWEST_BYTES_A_SECOND = 16 * 1024
"""A body has the grace, and a second more for each so many bytes that came."""

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Text = Callable[["Unbearable"], tuple[str, str]]


class Unbearable(Exception):
    """A body that nobody waits for or keeps: the status, a stable code, and a sentence."""

    status, code, sentence = 400, "invalid", "The body can't be taken."


class TooLarge(Unbearable):
    """More bytes than anybody needs to send at once."""

    status, code, sentence = 413, "too_large", "The body is too large; send it in parts."


class TooSlow(Unbearable):
    """Bytes that come so slowly that the line is better used by somebody else."""

    status, code, sentence = 408, "too_slow", "The body did not arrive in time; repeat the request."


class Intake:
    """An ASGI application around another one, which gets its body through `receive` within the limits, or Unbearable.

    What the inner one lets escape is answered here, in the words of `text` (media type and content).
    """

    def __init__(self, app: App, text: Text, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._text = text
        self._largest = largest
        self._watch = _Watch()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on; a request without a body goes through untouched."""
        announced = _announced(scope) if scope["type"] == "http" else 0
        if announced == 0:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._largest, self._watch)
        try:
            if announced > self._largest:
                raise TooLarge
            await self._app(scope, body.receive, body.send)
        except Unbearable as error:
            if body.answered:
                raise
            await self._refuse(scope, error, send)

    async def _refuse(self, scope: Scope, error: Unbearable, send: Send) -> None:
        log.info("body refused", extra={"path": scope["path"], "status": error.status})
        media_type, text = self._text(error)
        content = text.encode()
        headers = {b"content-type": media_type.encode(), b"content-length": b"%d" % len(content), b"connection": b"close"}
        await send({"type": "http.response.start", "status": error.status, "headers": [*headers.items()]})
        await send({"type": "http.response.body", "body": content})


class _Body:
    """A request's body as it comes, and whether its answer has begun."""

    __slots__ = ("_came", "_largest", "_late", "_receive", "_send", "_started", "_waiting", "_watch", "_whole", "answered")

    def __init__(self, receive: Receive, send: Send, largest: int, watch: "_Watch") -> None:
        self._receive = receive
        self._send = send
        self._largest = largest
        self._watch = watch
        self._started = time.monotonic()
        self._came = 0
        self._waiting: asyncio.Task[Any] | None = None
        self._whole = self._late = self.answered = False

    async def receive(self) -> Message:
        """The next piece. After the last one it is the other side's hanging up that is waited for, however long."""
        if self._whole:
            return await self._receive()
        message = await self._next()
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._came > self._largest:
                raise TooLarge
        return message

    async def _next(self) -> Message:
        self._waiting = asyncio.current_task()
        self._watch.over(self)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if self._late and self._waiting is not None and self._waiting.uncancel() == 0:
                raise TooSlow from None
            raise
        finally:
            self._waiting = None
            self._watch.forget(self)

    def end_if_late(self, now: float) -> None:
        """Wake whoever waits for a piece that comes too late."""
        late = now > self._started + GRACE_SECONDS + self._came / SLOWEST_BYTES_A_SECOND
        if late and not self._late and self._waiting is not None:
            self._late = True
            self._waiting.cancel()

    async def send(self, message: Message) -> None:
        """Pass on, and remember that there is an answer."""
        self.answered = True
        await self._send(message)


class _Watch:
    """Looks once a second whether somebody waits too long: a timer for each request would cost ten times as much."""

    def __init__(self) -> None:
        self._bodies: set[_Body] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def over(self, body: _Body) -> None:
        """Watch, until told to forget."""
        self._bodies.add(body)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(1, self._look)

    def forget(self, body: _Body) -> None:
        """It came, or it is over."""
        self._bodies.discard(body)

    def _look(self) -> None:
        now = time.monotonic()
        for body in tuple(self._bodies):
            body.end_if_late(now)
        if self._bodies:
            asyncio.get_running_loop().call_later(1, self._look)
        else:
            self._loop = None


def _announced(scope: Scope) -> int:
    """How long the body says it is: 0 for none, 1 for one that does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 1
        if name == b"transfer-encoding":
            return 1
    return 0
