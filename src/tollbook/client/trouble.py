"""Whether the server can be reached, told once when that changes."""

import logging
import threading
from collections.abc import Callable

from tollbook.client.errors import ClientError

log = logging.getLogger("tollbook.client")


class Trouble:
    """The problem of the moment. `tell` hears of the first of several alike, and of None when it is over."""

    def __init__(self, tell: Callable[[ClientError | None], None] | None) -> None:
        self.problem: ClientError | None = None
        self._tell = tell
        self._lock = threading.Lock()

    def met(self, problem: ClientError | None) -> None:
        """There is a problem, or (None) there is none any more."""
        with self._lock:
            before, self.problem = self.problem, problem
        if type(before) is type(problem):
            return
        if problem is None:
            log.info("the server takes events again")
        else:
            log.warning("%s Events wait.", problem)
        tell = self._tell
        if tell is not None:
            safely(lambda: tell(problem))


def safely(call: Callable[[], object]) -> None:
    """What a listener raises is its own trouble and must not end the delivery."""
    try:
        call()
    except Exception:
        log.exception("a listener of the client failed")
