"""Client: what a program holds on to."""

import atexit
import gzip
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec

from tollbook.client.door import NOT_OURS, Door
from tollbook.client.errors import ClientError, NoPrice, Refused, Unavailable, Undelivered
from tollbook.client.event import MOST_EVENTS, Event, Rejection, Result, as_line, id_of
from tollbook.client.holds import Holds
from tollbook.client.prices import Question, Quote, Quotes, Wallet, Wallets
from tollbook.client.sender import Listener, Pace, Sender
from tollbook.client.spool import Spool
from tollbook.client.trouble import Trouble
from tollbook.client.waiting import Memory, Waiting

Answer = TypeVar("Answer")
UNREADABLE = (400, 413, 422)
MOST_BYTES = 8 * 1024 * 1024
MOST_IN_MEMORY = 100_000
SMALLEST_GZIPPED = 1_024
CLOSE_SECONDS = 10.0


class Client:
    """One server, one key. May be used by several threads; not across a fork.

    With `spool` (a folder, which one process has at a time) `send` returns when the events are on disk: they survive this
    process and, with `durable`, this machine; what an earlier process left there is delivered first. `spool_bytes` bounds
    it. Without a spool, at most 100,000 events wait in memory.

    A batch goes with `batch_events` events, with `batch_bytes` bytes, or `linger_seconds` after its first event.
    `timeout_seconds` bounds one try, `patience_seconds` how long a call goes on trying, or waits for room. `compress`
    sends bigger batches gzipped. `on_rejected` hears of each sent event that the server will not take, `on_problem` when
    the delivery stalls and, with None, when it goes on; both are called by the delivering thread.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        spool: Path | str | None = None,
        spool_bytes: int = 1024 * 1024 * 1024,
        durable: bool = True,
        batch_events: int = 5_000,
        batch_bytes: int = 4 * 1024 * 1024,
        linger_seconds: float = 0.2,
        timeout_seconds: float = 30.0,
        patience_seconds: float = 30.0,
        compress: bool = False,
        on_rejected: Listener | None = None,
        on_problem: Callable[[ClientError | None], None] | None = None,
    ) -> None:
        self._door = Door(url, key, timeout_seconds)
        self._patience = patience_seconds
        self._compress = compress
        self._pace = Pace(
            max(1, min(batch_events, MOST_EVENTS)), max(1, min(batch_bytes, MOST_BYTES)), max(0.0, linger_seconds)
        )
        self._waiting: Waiting = Memory(MOST_IN_MEMORY) if spool is None else Spool(Path(spool), spool_bytes, durable)
        self._kept = spool is not None
        self._trouble = Trouble(on_problem)
        self._sender = Sender(
            self._waiting, self._post_until_told, self._door.leave, self._pace, self._trouble, on_rejected
        )
        self._closed = False
        self.holds = Holds(self._door, patience_seconds)
        _open_clients.add(self)

    def __repr__(self) -> str:
        return f"<Client of {self._door.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, event: Event) -> None:
        """Hand over one event for delivery; the server's answer is not waited for. Raises Full, SpoolFailed, Closed."""
        self.send_many([event])

    def send_many(self, events: Iterable[Event]) -> None:
        """Hand over events for delivery, all or (with an error) none; one fsync for all of them."""
        lines = [as_line(event) for event in events]
        if lines:
            self._sender.put(lines, self._patience)

    def record(self, events: Iterable[Event]) -> Result:
        """Send events now and say what became of each. Raises Unavailable, Refused.

        Any number: they go in as many requests as they need. After an error repeat them all, nothing is debited twice.
        """
        result = Result()
        for lines in _batches([as_line(event) for event in events]):
            result = result.and_then(self._post_apart(lines, self._patience))
            self._trouble.met(None)
        return result

    def flush(self, timeout_seconds: float = 60.0) -> None:
        """Wait until everything sent before is acknowledged or rejected. Raises Undelivered after that time."""
        self._sender.flush(timeout_seconds)

    @property
    def waiting(self) -> int:
        """How many events were sent and are neither acknowledged nor rejected yet."""
        return self._waiting.count()

    @property
    def problem(self) -> ClientError | None:
        """Why the delivery stalls, or None."""
        return self._trouble.problem

    def wallets(self, account: str) -> tuple[Wallet, ...]:
        """The account's wallets, now."""
        return self._ask("GET", f"/accounts/{quote(account, safe='')}/wallets", Wallets).items

    def quote(self, type: str, quantity: Decimal | int, *, to: str | None = None, account: str | None = None) -> Quote:
        """What this quantity would cost now. Raises NoPrice where such an event would be rejected."""
        found = self.quotes([Question(type=type, quantity=quantity, to=to, account=account)])
        for one in found.rejected:
            raise NoPrice(one.code, one.message)
        return found.quotes[0]

    def quotes(self, questions: Sequence[Question]) -> Quotes:
        """What up to 1,000 things would cost, and which of them have no price. Nothing is debited."""
        return self._ask("POST", "/rate", Quotes, msgspec.json.encode(questions))

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Deliver for so long, then stop. Safe to repeat.

        What is left stays in the spool for the next client, so a server that is away is not waited for; without a spool,
        raises Undelivered with the events.
        """
        if self._closed:
            return
        self._closed = True
        _open_clients.discard(self)
        try:
            self._sender.flush(0.0 if self._kept and self.problem else timeout_seconds)
        except Undelivered:
            pass
        finally:
            self._sender.stop(timeout_seconds)
            left = self._waiting.take(MOST_IN_MEMORY, 1 << 40).lines if not self._kept else ()
            self._waiting.close()
            self._door.close()
        if left:
            raise Undelivered(len(left), left, str(self.problem or ""))

    def _ask(self, method: str, path: str, kind: type[Answer], body: bytes | None = None) -> Answer:
        answer = self._door.ask(
            method,
            path,
            kind,
            content=body,
            headers={"Content-Type": "application/json"} if body else None,
            patience_seconds=self._patience,
            tell=self._trouble.met,
        )
        self._trouble.met(None)
        return answer

    def _post_until_told(self, lines: Sequence[bytes]) -> Result:
        return self._post_apart(lines, float("inf"))

    def _post_apart(self, lines: Sequence[bytes], patience_seconds: float) -> Result:
        """Post them; halve what the server will not read at all, until what is to blame is alone and can be rejected.

        A refusal that is not Tollbook's own (of a proxy, or of another server at a wrong address) rejects no event.
        """
        try:
            return self._post(lines, patience_seconds)
        except Refused as refusal:
            ours = refusal.code != NOT_OURS
            if refusal.status not in UNREADABLE or not (ours or (refusal.status == 413 and len(lines) > 1)):
                raise
            if len(lines) == 1:
                return Result(rejected=(Rejection(0, id_of(lines[0]), refusal.code, refusal.detail),))
        middle = len(lines) // 2
        first = self._post_apart(lines[:middle], patience_seconds)
        return first.and_then(self._post_apart(lines[middle:], patience_seconds))

    def _post(self, lines: Sequence[bytes], patience_seconds: float) -> Result:
        body, headers = self._encoded(b"\n".join(lines))
        try:
            result = self._door.ask(
                "POST",
                "/usage",
                Result,
                content=body,
                headers=headers,
                patience_seconds=patience_seconds,
                tell=self._trouble.met,
            )
        except Refused as refusal:
            if refusal.status != 415 or "Content-Encoding" not in headers:
                raise
            self._compress = False  # a server that is older than this client
            return self._post(lines, patience_seconds)
        if result.count != len(lines) or not all(0 <= one.index < len(lines) for one in result.rejected):
            raise Unavailable(f"The answer is not about the {len(lines)} events that were sent.")
        return result

    def _encoded(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": "application/x-ndjson"}
        if not self._compress or len(body) < SMALLEST_GZIPPED:
            return body, headers
        return gzip.compress(body, 1, mtime=0), headers | {"Content-Encoding": "gzip"}


def _batches(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Pieces that the server takes in one request."""
    first = size = 0
    for place, line in enumerate(lines):
        size += len(line) + 1
        if place > first and (place - first >= MOST_EVENTS or size > MOST_BYTES):
            yield lines[first:place]
            first, size = place, len(line) + 1
    if lines:
        yield lines[first:]


_open_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A program that ends without close() still delivers what it can."""
    for client in list(_open_clients):
        client.close()
