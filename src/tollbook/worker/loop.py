"""Runs the timetable: a thread per job, one that listens, and a stop that takes less than a second.

Several workers may run at once, on one machine or many. Killed anywhere, nothing is lost: jobs ask for the state.
"""

import logging
import time
from collections.abc import Sequence
from threading import Event, Thread

import psycopg
from django.db import connections

from tollbook.postgres import wake
from tollbook.worker import round as rounds
from tollbook.worker.timetable import JOBS, Job

log = logging.getLogger("tollbook.worker")

STOP_SECONDS = 0.9
LISTEN_SECONDS = 0.5
REST_SECONDS = 0.2
"""A woken job rests this long between two runs, so that a thousand wake-ups a second are five runs a second."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""After a failure (the database is away): the pause before the next try, doubled up to the longest."""


def run(stop: Event, jobs: Sequence[Job] = JOBS) -> None:
    """Run the jobs until `stop` is set; returns within a second of it.

    A job in the middle of something longer (a gateway's call) is left behind in its daemon thread: when the process ends
    there, the state machine goes on from what is committed.
    """
    runners = [Runner(job, stop) for job in jobs]
    listener = Thread(target=_listen, args=(stop, runners), name="worker-listen", daemon=True)
    for thread in (*runners, listener):
        thread.start()
    log.info("worker started: %s", ", ".join(job.name for job in jobs))
    stop.wait()
    for runner in runners:
        runner.wake()
    deadline = time.monotonic() + STOP_SECONDS
    for thread in (*runners, listener):
        thread.join(max(0.0, deadline - time.monotonic()))
    log.info("worker stopped")


class Runner(Thread):
    """Runs one job in its rhythm, earlier when woken, later after a failure."""

    def __init__(self, job: Job, stop: Event) -> None:
        super().__init__(name=f"worker-{job.name}", daemon=True)
        self.job = job
        self._stop_asked = stop
        self._alarm = Event()

    def wake(self) -> None:
        """Don't wait for the next turn."""
        self._alarm.set()

    def run(self) -> None:
        """Until asked to stop."""
        pause = FIRST_PAUSE
        try:
            while not self._stop_asked.is_set():
                started = time.monotonic()
                self._alarm.clear()
                if rounds.run(self.job, self._stop_asked):
                    pause = FIRST_PAUSE
                    self._rest(started)
                else:
                    self._stop_asked.wait(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            connections.close_all()

    def _rest(self, started: float) -> None:
        self._stop_asked.wait(REST_SECONDS)
        self._alarm.wait(max(0.0, started + self.job.every_seconds - time.monotonic()))


def _listen(stop: Event, runners: Sequence[Runner]) -> None:
    """Wake the jobs that want it when an account's numbers moved; come back by itself when the database was away."""
    woken = [runner for runner in runners if runner.job.woken]
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            with wake.listening() as own:
                pause = FIRST_PAUSE
                _wake(woken)  # for what was told while nobody listened
                while not stop.is_set():
                    for _ in own.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                        _wake(woken)
        except psycopg.Error as error:
            log.warning("not listening, trying again: %s", error)
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _wake(runners: Sequence[Runner]) -> None:
    for runner in runners:
        runner.wake()
