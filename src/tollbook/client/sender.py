"""The thread that delivers what waits, in order, and sees what is refused.

One thread, so that events arrive in the order in which they were sent. A key that is refused keeps everything waiting.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollbook.client.door import LONGEST_PAUSE_SECONDS
from tollbook.client.errors import ClientError, Closed, Full, Refused, SpoolFailed, Undelivered
from tollbook.client.event import Rejection, Result
from tollbook.client.trouble import Trouble, safely
from tollbook.client.waiting import Batch, Waiting

log = logging.getLogger("tollbook.client")
Post = Callable[[Sequence[bytes]], Result]
Listener = Callable[[Rejection, bytes], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a batch goes: with so many events, so many bytes, or when its first event has waited so long."""

    events: int
    bytes: int
    linger_seconds: float


class Sender:
    """Delivers from `waiting` by `post`, which tries until `leave` tells it to leave. `on_rejected` hears of events that
    were refused, with their JSON."""

    def __init__(
        self,
        waiting: Waiting,
        post: Post,
        leave: threading.Event,
        pace: Pace,
        trouble: Trouble,
        on_rejected: Listener | None,
    ) -> None:
        self._waiting = waiting
        self._post = post
        self._leave = leave
        self._pace = pace
        self._trouble = trouble
        self._on_rejected = on_rejected
        self._changed = threading.Condition()
        self._put = waiting.count()
        self._done = 0
        self._hurry = 0  # deliver up to this one without lingering
        self._ending = False
        self._refused: Refused | None = None
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
                    if not self._changed.wait_for(lambda: self._done > before, _waitable(deadline - time.monotonic())):  # noqa: B023
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
            self._changed.wait_for(
                lambda: self._done >= wanted or self._refused is not None, _waitable(timeout_seconds)
            )
            if self._done < wanted:
                raise Undelivered(wanted - self._done, reason=str(self._trouble.problem or ""))

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
                self._finish(batch, self._post(batch.lines).rejected if batch.lines else ())
            except ClientError as problem:
                self._stalled(problem)
            except OSError as error:
                self._stalled(SpoolFailed(f"The spool can't be read, or rejected events not be written down: {error}."))
            except Exception as error:  # a defect must not end the delivery unheard
                log.exception("the delivery failed")
                self._stalled(ClientError(f"The delivery failed: {error!r}."))

    def _wait_for_work(self) -> bool:
        """Wait until a batch is full, or old, or in a hurry. False: nothing is to be delivered any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._put > self._done)
            self._changed.wait_for(self._is_due, self._pace.linger_seconds)
            return not self._ending

    def _is_due(self) -> bool:
        return self._ending or self._put - self._done >= self._pace.events or self._hurry > self._done

    def _stalled(self, problem: ClientError) -> None:
        self._trouble.met(problem)
        with self._changed:
            self._refused = problem if isinstance(problem, Refused) else None
            self._changed.notify_all()
        self._leave.wait(LONGEST_PAUSE_SECONDS)

    def _finish(self, batch: Batch, rejected: Sequence[Rejection]) -> None:
        self._waiting.done(batch, rejected)
        self._trouble.met(None)
        for one in rejected:
            self._tell_rejected(one, batch.lines[one.index])
        if batch.damaged:
            log.error("%d damaged records of the spool are in its file of rejected events", len(batch.damaged))
        with self._changed:
            self._refused = None
            self._done += len(batch.lines)
            self._changed.notify_all()

    def _tell_rejected(self, rejection: Rejection, line: bytes) -> None:
        log.warning("event %r was not taken: %s (%s)", rejection.id, rejection.message, rejection.code)
        tell = self._on_rejected
        if tell is not None:
            safely(lambda: tell(rejection, line))


def _waitable(seconds: float) -> float:
    """As long as a thread can wait: for ever is too long for some systems."""
    return min(seconds, threading.TIMEOUT_MAX)
