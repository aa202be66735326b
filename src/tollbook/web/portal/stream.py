"""`/billing/credits/stream`: the live rows of Minutes/Credits as server-sent events.

The view checks access like every page. Under the server, `live` stands in front of it: it lets the view decide, and
when that says yes, keeps the line open by itself, because Django would keep a thread for each open answer.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone, translation

from tollbook.accounts import access
from tollbook.accounts.account import by_id
from tollbook.accounts.tables import Area, User
from tollbook.postgres.scope import rows_of
from tollbook.web import gauges
from tollbook.web.portal import bars
from tollbook.web.portal.hub import Hub, Reading, Source, Stream, event
from tollbook.web.portal.page import PortalRequest, page

PATH = "/billing/credits/stream"
KEY = "tollbook.viewer"
"""Where the view leaves, in the request's scope, who may follow what."""

SEND_SECONDS = 20
"""A reader who takes nothing for so long is dropped; the page comes back by itself."""

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks on: a session of a user, with the password it was opened with (as a hash of its hash)."""

    account_id: UUID
    user_id: UUID
    session_key: str
    session_hash: str


@page(area=Area.CREDITS, scope=False)
def stream(request: PortalRequest) -> HttpResponse:
    """All rows as they are now, once; under the server, nothing yet, for `live` goes on from here."""
    session = request.session
    scope = getattr(request, "scope", {})
    answer = HttpResponse(content_type="text/event-stream; charset=utf-8", headers={"X-Accel-Buffering": "no"})
    if KEY in scope:
        key, hash = session.session_key or "", session.get(HASH_SESSION_KEY, "")
        scope[KEY].append(Viewer(request.account.id, request.user.id, key, hash))
    else:
        reading = read(request.account.id)
        answer.content = event("gauges", told(list(reading.rows.values()), reading.as_of, reading.zone))
    return answer


def live(pages: App) -> App:
    """`pages`, with streams kept open beside it. One hub for the process, made by the first stream."""
    hubs: dict[asyncio.AbstractEventLoop, Hub[Viewer]] = {}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != PATH or scope["method"] != "GET":
            await pages(scope, receive, send)
            return
        viewers: list[Viewer] = []
        opened = await _asked(pages, scope, viewers)
        if not viewers:
            for message in opened:
                await send(message)
            return
        loop = asyncio.get_running_loop()
        if loop not in hubs:
            hubs[loop] = Hub(Source(read, allowed, told, listening))
            _end_with_the_process(hubs[loop], loop)
        await _follow(hubs[loop], viewers[0], opened[0], receive, send)

    return application


def _end_with_the_process(hub: Hub[Viewer], loop: asyncio.AbstractEventLoop) -> None:
    """End the streams at SIGINT and SIGTERM: the server waits for open answers before it says that it is stopping, and
    these would stay open for ever. What handled the signals goes on to do so (the loop hears of them by itself).
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)

        def handle(number: int, frame: object, before: Any = before) -> None:
            loop.call_soon_threadsafe(hub.end)
            if callable(before):
                before(number, frame)

        signal.signal(number, handle)


async def _asked(pages: App, scope: Scope, viewers: list[Viewer]) -> list[Message]:
    """The view's whole answer. It is asked without a word about compression, which would hold events back."""
    answered: list[Message] = []
    first = True

    async def nothing_more() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError("unreachable: nothing sets the event")

    async def keep(message: Message) -> None:
        answered.append(message)

    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    await pages({**scope, "headers": headers, KEY: viewers}, nothing_more, keep)
    return answered


async def _follow(hub: Hub[Viewer], viewer: Viewer, start: Message, receive: Receive, send: Send) -> None:
    """Send what the hub tells until one of the two ends goes away."""
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    opened = hub.open(viewer.account_id, viewer)
    gone = asyncio.create_task(_until_gone(receive, opened))
    try:
        await send({**start, "headers": headers})
        async for data in opened:
            await asyncio.wait_for(send({"type": "http.response.body", "body": data, "more_body": True}), SEND_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        pass
    finally:
        gone.cancel()
        hub.close(viewer.account_id, opened)


async def _until_gone(receive: Receive, opened: Stream[Viewer]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    opened.end()


def read(account_id: UUID) -> Reading:
    """The account's rows as they are now. Own transaction, as the portal's role; for a thread."""
    try:
        with rows_of(account_id):
            account = by_id(account_id)
            with timezone.override(account.timezone), translation.override(account.locale):
                now = datetime.now(UTC)
                return Reading({row["type"]: row for row in bars.rows(account, now)}, now, account.timezone)
    finally:
        connections.close_all()


def allowed(viewers: Collection[Viewer]) -> set[Viewer]:
    """Those who are still signed in, with the same password, and may still read Minutes/Credits. Three queries for all."""
    try:
        keys = Session.objects.filter(
            session_key__in=[viewer.session_key for viewer in viewers], expire_date__gt=timezone.now()
        )
        signed_in = set(keys.values_list("session_key", flat=True))
        users = User.objects.in_bulk([viewer.user_id for viewer in viewers])
        readers = access.readers(users.values(), Area.CREDITS)
        hashes = {user.id: user.get_session_auth_hash() for user in users.values() if user.id in readers}
        return {
            viewer
            for viewer in viewers
            if viewer.session_key in signed_in
            and hashes.get(viewer.user_id) == viewer.session_hash
            and users[viewer.user_id].account_id == viewer.account_id
        }
    finally:
        connections.close_all()


def told(rows: list[bars.Row], as_of: datetime, zone: str) -> dict[str, Any]:
    """The data of one event, as live.js takes it."""
    with timezone.override(zone):
        message = gauges.message(rows, as_of)
    return message if rows else {name: message[name] for name in ("as_of", "as_of_text")}


async def listening() -> psycopg.AsyncConnection[Any]:
    """A connection of the hub's own, beside the pool, which notices a dead network within half a minute."""
    parameters: dict[str, Any] = connection.get_connection_params()
    for django_only in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(django_only, None)
    parameters |= {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)


urls = [path("billing/credits/stream", stream, name="stream")]
