"""A worker that dies: by SIGKILL, before or after a statement, a commit or a charge of its own."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.db import connection, connections

from tests.refills.killed import DATABASE, Fatal
from tollbook.payments import gateway

POINTS = {"statement": 400, "commit": 40, "charge": 4}
"""What may be the last thing it does, and how late at most; mostly it is early."""


@dataclass(frozen=True)
class Death:
    """Where a worker dies."""

    point: str
    number: int
    when: str


def drawn(dice: random.Random) -> Death:
    """Some death."""
    point = dice.choice(list(POINTS))
    return Death(point, int(POINTS[point] ** dice.random()), dice.choice(["before", "after"]))


def die(death: Death, work: Callable[[], None]) -> bool:
    """Do the work in a process of its own, which dies; False when it came to its end before. No other threads may run."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            _do(death, work)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed instead of dying; see its standard error"
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _do(death: Death, work: Callable[[], None]) -> None:
    fatal = Fatal(death.number, death.when)
    if death.point == "statement":
        with connection.execute_wrapper(fatal):
            work()
        return
    if death.point == "commit":
        commit = DATABASE._commit
        DATABASE._commit = lambda self: fatal(commit, self)
    else:
        gateway.charge = partial(fatal, gateway.charge)
    work()
