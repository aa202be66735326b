"""The thread that delivers what waits, in order, and sees what is refused.

One thread, so that events arrive in the order in which they were sent. A batch that the server will not read at all (400,
413, 422) is halved until the event is found that is to blame. A key that is refused keeps everything waiting.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollbook.client.door import LONGEST_PAUSE_SECONDS
from tollbook.client.errors import ClientError, Closed, Full, Refused, SpoolFailed, Unavailable, Undelivered
from tollbook.client.event import Rejection, Result, id_of
from tollbook.client.waiting import Batch, Waiting

log = logging.getLogger("tollbook.client")
UNREADABLE = (400, 413, 422)
Post = Callable[[Sequence[bytes], Callable[[Unavailable], None]], Result]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a batch goes: with so many events, so many bytes, or when its first event has waited so long."""

    events: int
    bytes: int
    linger_seconds: float


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom to tell: of an event that was refused, with its JSON; of trouble with the server, and None when it is over."""

    rejected: Callable[[Rejection, bytes], None] | None
    problem: Callable[[ClientError | None], None] | None


class Sender:
    """Delivers from `waiting` by `post`, which tries until it is told to leave; `leave` is what tells it."""

    def __init__(self, waiting: Waiting, post: Post, leave: threading.Event, pace: Pace, ears: Ears) -> None:
        self._waiting = waiting
        self._post = post
        self._leave = leave
        self._pace = pace
        self._ears = ears
        self._changed = threading.Condition()
        self._put = waiting.count()
        self._done = 0
        self._hurry = 0  # deliver up to this one without lingering
        self._ending = False
        self.problem: ClientError | None = None
        self._thread = threading.Thread(target=self._run, name="tollbook-client", daemon=True)
        self._thread.start()

    def put(self, lines: Sequence[bytes], patience_seconds: float) -> None:
        """Keep the lines for delivery; waits so long for room. Raises Full, SpoolFailed, Closed."""
        deadline = time.monotonic() + patience_seconds
        while True:
            if self._ending:
                raise Closed("The client is closed.")
            before = self._done
            try:
                self._waiting.put(lines)
            except Full:
                with self._changed:
                    if not self._changed.wait_for(lambda: self._done > before, deadline - time.monotonic()):  # noqa: B023
                        raise
                continue
            with self._changed:
                self._put += len(lines)
                self._changed.notify_all()
            return

    def flush(self, timeout_seconds: float) -> None:
        """Return once everything that was put before is acknowledged or rejected.

        Raises Undelivered after that time, and at once when the key is refused, which waiting does not mend.
        """
        with self._changed:
            wanted = self._put
            self._hurry = max(self._hurry, wanted)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done >= wanted or isinstance(self.problem, Refused), timeout_seconds)
            if self._done < wanted:
                raise Undelivered(wanted - self._done, reason=str(self.problem or ""))

    def stop(self, patience_seconds: float) -> None:
        """Deliver no more. Waits so long for a request that is on its way."""
        with self._changed:
            self._ending = True
            self._leave.set()
            self._changed.notify_all()
        self._thread.join(patience_seconds)

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                batch = self._waiting.take(self._pace.events, self._pace.bytes)
                self._finish(batch, self._delivered(batch.lines).rejected if batch.lines else ())
            except ClientError as problem:
                self._noticed(problem)
                self._leave.wait(LONGEST_PAUSE_SECONDS)
            except OSError as error:
                self._noticed(SpoolFailed(f"The spool can't be read, or rejected events not be written down: {error}"))
                self._leave.wait(LONGEST_PAUSE_SECONDS)

    def _wait_for_work(self) -> bool:
        """Wait until a batch is full, or old, or in a hurry. False: nothing is to be delivered any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._put > self._done)
            self._changed.wait_for(self._is_due, self._pace.linger_seconds)
            return not self._ending

    def _is_due(self) -> bool:
        return self._ending or self._put - self._done >= self._pace.events or self._hurry > self._done

    def _delivered(self, lines: Sequence[bytes]) -> Result:
        try:
            return self._post(lines, self._noticed)
        except Refused as refusal:
            if refusal.status not in UNREADABLE:
                raise
            if len(lines) == 1:
                return Result(rejected=(Rejection(0, id_of(lines[0]), refusal.code, refusal.detail),))
        middle = len(lines) // 2
        return self._delivered(lines[:middle]).and_then(self._delivered(lines[middle:]))

    def _finish(self, batch: Batch, rejected: Sequence[Rejection]) -> None:
        self._waiting.done(batch, rejected)
        self._noticed(None)
        for one in rejected:
            self._tell_rejected(one, batch.lines[one.index])
        if batch.damaged:
            log.error(
                "%d records of the spool were damaged; they are in its file of rejected events", len(batch.damaged)
            )
        with self._changed:
            self._done += len(batch.lines)
            self._changed.notify_all()

    def _noticed(self, problem: ClientError | None) -> None:
        """Tell of the first of several problems, and of its end."""
        with self._changed:
            before, self.problem = self.problem, problem
            self._changed.notify_all()
        if type(before) is type(problem):
            return
        if problem is not None:
            log.warning("%s Events wait.", problem)
        elif before is not None:
            log.info("the server takes events again")
        if self._ears.problem is not None:
            _safely(lambda: self._ears.problem and self._ears.problem(problem))

    def _tell_rejected(self, rejection: Rejection, line: bytes) -> None:
        log.warning("event %r was not taken: %s (%s)", rejection.id, rejection.message, rejection.code)
        if self._ears.rejected is not None:
            _safely(lambda: self._ears.rejected and self._ears.rejected(rejection, line))


def _safely(call: Callable[[], object]) -> None:
    """What a listener raises is its own trouble and must not end the delivery."""
    try:
        call()
    except Exception:
        log.exception("a listener of the client failed")
