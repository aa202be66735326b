"""Bounded repetition of what lost a race or its connection."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.db import OperationalError, connection, transaction

Result = TypeVar("Result")

# Serialization failure, deadlock, and the three ways in which a server says that it is going away or not there yet.
WORTH_REPEATING = {"40001", "40P01", "57P01", "57P02", "57P03"}
ATTEMPTS = 5


def in_transaction(work: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """Run `work` in a transaction of its own; repeat it after a deadlock, a serialization failure or a lost connection.

    `work` must be safe to repeat with the same ids, because the answer to a COMMIT can be lost although it happened.
    Must not be called inside a transaction. Raises what the last attempt raised.
    """
    if connection.in_atomic_block:
        raise RuntimeError("in_transaction() opens its own transaction and must not stand inside another one")
    return repeated(partial(_in_one, work), attempts)


def repeated(work: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """As `in_transaction`, for work that needs no transaction, such as reading what is wanted before one begins."""
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except OperationalError as error:
            if attempt == attempts or not _worth_repeating(error):
                raise
            _forget_broken_connection()
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _in_one(work: Callable[[], Result]) -> Result:
    with transaction.atomic():
        return work()


def _worth_repeating(error: OperationalError) -> bool:
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state in WORTH_REPEATING or state.startswith("08")


def _forget_broken_connection() -> None:
    if connection.connection is not None and not connection.is_usable():
        connection.close()
