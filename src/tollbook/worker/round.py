"""One run of one job: by one worker at a time, timed, written down."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from zlib import crc32

from django.db import Error, connection

from tollbook.postgres.named import load
from tollbook.worker.timetable import Job

SQL = load(__file__)
log = logging.getLogger("tollbook.worker")


def run(job: Job, stop: Event) -> bool:
    """Run `job` unless another worker is at it; whether nothing failed. Never raises."""
    started = time.monotonic()
    try:
        with _alone(job.name) as mine:
            done = job.run(stop) if mine else 0
            took_ms = round((time.monotonic() - started) * 1000)
            if mine:
                _beat(job.name, took_ms, "")
    except Exception as error:
        log.exception("%s failed", job.name, extra={"job": job.name})
        _tell_failure(job.name, round((time.monotonic() - started) * 1000), error)
        return False
    if done:
        log.info("%s did %s", job.name, done, extra={"job": job.name, "took_ms": took_ms})
    return True


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether this worker got the job's turn, which it keeps during the block.

    A lock of the session, not of a transaction: a job has many of these. It ends with the connection at the latest.
    """
    key = crc32(name.encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute(SQL["take_turn"], {"key": key})
        mine = cursor.fetchone()[0]
    try:
        yield mine
    finally:
        if mine:
            _give_back(key)


def _give_back(key: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(SQL["give_turn_back"], {"key": key})
    except Error:
        connection.close()  # it is broken, and the lock went with it


def _tell_failure(name: str, took_ms: int, error: Exception) -> None:
    """Write the failure down, if the database still listens; leave the thread with a usable connection or none."""
    try:
        _beat(name, took_ms, f"{type(error).__name__}: {error}"[:300])
    except Error:
        connection.close()


def _beat(name: str, took_ms: int, error: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SQL["beat"], {"job": name, "took_ms": took_ms, "error": error})
