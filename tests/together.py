"""The same work in several threads that begin at the same moment."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connection, connections

Answer = TypeVar("Answer")


def together(count: int, work: Callable[[], Answer]) -> list[Answer]:
    """Do `work` in `count` threads at once; what each answered. Fails with their errors."""
    barrier, answers, errors = threading.Barrier(count), [], []

    def one() -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=20)
            answers.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    return answers
