"""A process that does what is due to refills and dies, by SIGKILL, where it is told to. One start, many deaths: it forks.

Reads lines of JSON from standard input, `{"point": name, "when": "before" | "after", "number": n}`, and answers each with
the signal that ended the child, or 0 when it came to its end. Points: `statement` and `commit` count what goes to the
database; `write` counts writes to sockets, of libpq too, before, half and after (`faults/deadly_writes.c` must be preloaded,
and `port` may name the only peer that counts); the others are functions, by name.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

import django

django.setup()

from django.db import connection, connections  # noqa: E402

from tollbook.payments import gateway  # noqa: E402
from tollbook.refills import decide, run, send  # noqa: E402
from tollbook.refills import settle as settling  # noqa: E402

FUNCTIONS: dict[str, tuple[Any, str]] = {
    "the decision": (decide, "decide"),
    "the intent": (decide, "_insert"),
    "charging": (send, "begin"),
    "the attempt's key": (send.attempts, "begin"),
    "the charge": (gateway, "charge"),
    "the answer": (run, "settle"),
    "the payment": (settling, "receive"),
    "the credit": (settling, "fund"),
    "the invoice": (settling, "issue"),
    "the settlement": (settling, "apply"),
    "the claim": (send, "claim"),
    "the question": (gateway, "look_up"),
    "charging again": (send, "begin_again"),
}
ROUNDS = 2
MOMENTS = {"before": 0, "half": 1, "after": 2}
DATABASE = type(connections["default"])


class Fatal:
    """Counts calls of something, of all threads, and dies at one of them."""

    def __init__(self, number: int, when: str) -> None:
        self.left, self.when, self.counting = number, when, Lock()

    def __call__(self, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        with self.counting:
            self.left -= 1
            is_last = self.left == 0
        if is_last and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = work(*args, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def do(point: str, when: str, number: int, port: int = 0) -> None:
    """Do what is due, and die."""
    if point == "write":
        ctypes.CDLL(None).arm(ctypes.c_long(number), MOMENTS[when], port)
        rounds()
        return
    fatal = Fatal(number, when)
    if point == "statement":
        with connection.execute_wrapper(fatal):
            rounds()
        return
    places = {"commit": (DATABASE, "_commit")} | FUNCTIONS
    place, name = places[point]
    work = getattr(place, name)
    setattr(place, name, _method(fatal, work) if isinstance(place, type) else partial(fatal, work))
    rounds()


def rounds() -> None:
    for _ in range(ROUNDS):
        run.run_due()


def _method(fatal: Fatal, work: Callable[..., Any]) -> Callable[..., Any]:
    def called(self: Any, *args: Any, **named: Any) -> Any:
        return fatal(work, self, *args, **named)

    return called


def main() -> None:
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                do(**told)
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        print(json.dumps({"signal": os.WTERMSIG(status), "code": status >> 8}), flush=True)


if __name__ == "__main__":
    main()
