"""A program in a process of its own: it prepares, says so, waits for the word, measures, and reports.

What it prepares (bodies, rows) is not part of the measurement, and its processor time is told apart from the server's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = dict[str, Any]


class Failed(RuntimeError):
    """A child ended without a report; what it said about it is on stderr."""


class Child:
    """A started program, ready to go."""

    def __init__(self, module: str, process: subprocess.Popen[str]) -> None:
        self._module = module
        self._process = process

    def go(self) -> None:
        """Let it measure."""
        self._write("go")

    def stop(self) -> None:
        """Tell one that measures until it is told to stop."""
        self._write("stop")

    def report(self) -> Report:
        """What it measured. Raises Failed."""
        line = self._line()
        if not line:
            raise Failed(f"{self._module} ended without a report")
        return json.loads(line)

    def wait_until_ready(self) -> None:
        """Return when everything is prepared. Raises Failed."""
        if self._line() != "ready":
            raise Failed(f"{self._module} could not prepare")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()


@contextmanager
def child(module: str, order: Report) -> Iterator[Child]:
    """`python -m benchmarks.harness.<module>` with this order, prepared; gone after the block whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.harness.{module}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        started = Child(module, process)
        started._write(json.dumps(order))
        started.wait_until_ready()
        yield started
    finally:
        process.kill()
        process.communicate()


def run(module: str, order: Report) -> Report:
    """Prepare, go, report."""
    with child(module, order) as started:
        started.go()
        return started.report()


def serve(prepare: Callable[[Report], Callable[[], Report]]) -> None:
    """The program's side: `prepare` gets the order and returns what measures. Adds `cpu`, the seconds it took itself."""
    measure = prepare(json.loads(sys.stdin.readline()))
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        return
    before = time.process_time()
    report = measure()
    print(json.dumps(report | {"cpu": time.process_time() - before}), flush=True)
