"""Two at once, with certainty: the second begins when the first is about to write, and gets as far as locks let it."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

SECONDS = 1.0


class Overlapping:
    """At the first statement that begins so, `other` runs in a thread of its own, until it ends or has to wait."""

    def __init__(self, begins: str, other: Callable[[], object]) -> None:
        self.begins, self.other = begins, other
        self.thread: threading.Thread | None = None

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.thread is None and sql.startswith(self.begins):
            self.thread = threading.Thread(target=self._run)
            self.thread.start()
            self.thread.join(SECONDS)
        return execute(sql, params, many, context)

    def _run(self) -> None:
        try:
            self.other()
        finally:
            connections.close_all()


def overlapping(begins: str, first: Callable[[], object], other: Callable[[], object]) -> None:
    """Run `first`, with `other` in its midst, and wait for both."""
    wrapper = Overlapping(begins, other)
    with connection.execute_wrapper(wrapper):
        first()
    assert wrapper.thread is not None, f"nothing began with {begins}"
    wrapper.thread.join()
