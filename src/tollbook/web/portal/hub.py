"""One process's live rows: one LISTEN connection wakes it, each account is read once per change, all its streams are told.

Everything here runs in one event loop; only reading rows and checking access happen in threads. What a reader of a
stream has not taken yet is merged row by row, so a slow one holds a handful of rows, never a queue.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg

from tollbook.postgres.wake import CHANNEL

log = logging.getLogger("tollbook.stream")

GAP_SECONDS = 0.06
"""How long changes of one account are gathered: a busy switch debits hundreds of times a second."""

TICK_SECONDS = 15
"""How often a quiet stream hears that its rows still hold, and how often access is checked again."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 10.0
THREADS = 3

Row = dict[str, Any]
Viewer = TypeVar("Viewer")


@dataclass(frozen=True, slots=True)
class Reading:
    """An account's rows by type, when they were true, and its time zone."""

    rows: dict[str, Row]
    as_of: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class Source(Generic[Viewer]):
    """What a hub asks of the world. The first two run in threads: read an account's rows, and say which of these viewers may
    still see what they see. `told` writes rows (or none: a tick) with their instant and zone as the data of one event.
    """

    read: Callable[[UUID], Reading]
    allowed: Callable[[Collection[Viewer]], set[Viewer]]
    told: Callable[[list[Row], datetime, str], dict[str, Any]]
    connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]


class Stream(Generic[Viewer]):
    """What one open page has not been sent yet."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self._waiting: dict[str, Row] = {}
        self._data: bytes | None = None
        self._something = asyncio.Event()
        self.is_over = False

    def put(self, rows: list[Row], data: bytes, encode: Callable[[list[Row]], bytes]) -> None:
        """Give it rows, `data` being the same ones encoded for everybody; merged with what is still waiting."""
        merged = self._waiting | {row["type"]: row for row in rows}
        self._data = data if len(merged) == len(rows) else encode(list(merged.values()))
        self._waiting = merged
        self._something.set()

    def tick(self, data: bytes) -> None:
        """Give it a sign of life, unless it has something better to send."""
        if self._data is None:
            self._data = data
            self._something.set()

    def end(self) -> None:
        """Let it come to its end."""
        self.is_over = True
        self._something.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What is to be sent, as it comes, until the stream is over."""
        while True:
            await self._something.wait()
            self._something.clear()
            if self.is_over:
                return
            data, self._data, self._waiting = self._data, None, {}
            if data is not None:
                yield data


@dataclass(slots=True, eq=False)
class Feed(Generic[Viewer]):
    """One account that somebody looks at."""

    account_id: UUID
    streams: set[Stream[Viewer]] = field(default_factory=set)
    known: Reading | None = None
    is_stale: bool = False
    tells_all: bool = False
    read_at: float = 0.0
    task: asyncio.Task[None] | None = None


class Hub(Generic[Viewer]):
    """All feeds of a process. Starts with the first stream, in the running event loop."""

    def __init__(self, source: Source[Viewer]) -> None:
        self._source = source
        self._feeds: dict[UUID, Feed[Viewer]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "stream")
        self._tasks: list[asyncio.Task[None]] = []
        self._unchecked = 0
        self._is_over = False
        self.is_listening = False

    def open(self, account_id: UUID, viewer: Viewer) -> Stream[Viewer]:
        """A new stream, which is sent all rows first. The viewer's access was checked just now."""
        if self._is_over:
            ended: Stream[Viewer] = Stream(viewer)
            ended.end()
            return ended
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_time())]
        feed = self._feeds.setdefault(account_id, Feed(account_id))
        stream: Stream[Viewer] = Stream(viewer)
        feed.streams.add(stream)
        if feed.known is not None and self.is_listening:
            self._tell([stream], list(feed.known.rows.values()), feed.known)
        else:
            self._wake(feed)
        return stream

    def close(self, account_id: UUID, stream: Stream[Viewer]) -> None:
        """Forget a stream; a feed nobody looks at is forgotten with it."""
        feed = self._feeds.get(account_id)
        if feed is not None:
            feed.streams.discard(stream)
            if not feed.streams:
                del self._feeds[account_id]

    def end(self) -> None:
        """End every stream, and listen no more. To be called in the event loop."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        for stream in self._all():
            stream.end()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _all(self) -> list[Stream[Viewer]]:
        return [stream for feed in self._feeds.values() for stream in feed.streams]

    def _wake(self, feed: Feed[Viewer], tells_all: bool = False) -> None:
        feed.is_stale = True
        feed.tells_all |= tells_all
        if feed.task is None or feed.task.done():
            feed.task = asyncio.create_task(self._refresh(feed))

    async def _refresh(self, feed: Feed[Viewer]) -> None:
        """Read while there are changes: at once after a pause, and else not before the gap is over."""
        loop = asyncio.get_running_loop()
        while feed.is_stale and feed.streams and not self._is_over:
            await asyncio.sleep(max(0.0, feed.read_at + GAP_SECONDS - loop.time()))
            feed.is_stale, feed.read_at = False, loop.time()
            try:
                reading = await loop.run_in_executor(self._threads, self._source.read, feed.account_id)
            except Exception:  # a feed that stopped for any reason would show old money as new
                log.warning("rows can't be read; trying again", exc_info=True)
                feed.is_stale = True
                await asyncio.sleep(FIRST_WAIT_SECONDS * 4)
                continue
            self._compare(feed, reading)

    def _compare(self, feed: Feed[Viewer], reading: Reading) -> None:
        before = {} if feed.known is None or feed.tells_all else feed.known.rows
        feed.known, feed.tells_all = reading, False
        changed = [row for code, row in reading.rows.items() if _differ(before.get(code, {}), row)]
        if changed:
            self._tell(list(feed.streams), changed, reading)

    def _tell(self, streams: list[Stream[Viewer]], rows: list[Row], reading: Reading) -> None:
        def encode(some: list[Row]) -> bytes:
            return event("gauges", self._source.told(some, reading.as_of, reading.zone))

        data = encode(rows)
        for stream in streams:
            stream.put(rows, data, encode)

    async def _listen(self) -> None:
        """Be woken by PostgreSQL; when the line is lost, come back and tell everybody everything."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                async with await self._source.connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self.is_listening, wait = True, FIRST_WAIT_SECONDS
                    for feed in list(self._feeds.values()):
                        self._wake(feed, tells_all=True)
                    async for notice in connection.notifies():
                        self._heard(notice.payload)
            except (psycopg.Error, OSError) as error:
                log.warning("the line to the database is lost: %s", error)
            finally:
                self.is_listening = False
            await asyncio.sleep(wait * random.uniform(0.75, 1.25))
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _heard(self, payload: str) -> None:
        try:
            feed = self._feeds.get(UUID(payload))
        except ValueError:
            return
        if feed is not None:
            self._wake(feed)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if await self._check_access() and self.is_listening:
                self._tick()

    async def _check_access(self) -> bool:
        """End the streams of those who may no longer look; whether that could be found out. When it could not twice
        running, all are ended, because nobody may look on trust for longer than that.
        """
        streams = self._all()
        viewers = {stream.viewer for stream in streams}
        try:
            loop = asyncio.get_running_loop()
            allowed = await loop.run_in_executor(self._threads, self._source.allowed, viewers) if viewers else set()
        except Exception:  # whatever it is, nobody may look on because of it
            log.warning("access can't be checked", exc_info=True)
            self._unchecked += 1
            allowed = viewers if self._unchecked < 2 else set()
        else:
            self._unchecked = 0
        for stream in streams:
            if stream.viewer not in allowed:
                stream.end()
        return self._unchecked == 0

    def _tick(self) -> None:
        now = datetime.now(UTC)
        for feed in self._feeds.values():
            if feed.known is not None and not feed.is_stale:
                data = event("tick", self._source.told([], now, feed.known.zone))
                for stream in feed.streams:
                    stream.tick(data)


def _differ(before: Row, after: Row) -> bool:
    """Whether anything that is shown differs. A forecast's instant moves with every look at it; its text tells when it
    moved by enough to be read.
    """
    return before | {"runs_out": None} != after | {"runs_out": None}


def event(name: str, data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
