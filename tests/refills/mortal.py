"""Talks to the process that dies on command; see `killed`."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.databases import Database


class Mortal:
    """A process whose children die where they are told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def dies(self, point: str, when: str = "before", number: int = 1, **more: int) -> bool:
        """Let one do what is due; whether it was killed at that point (False: it has no such point so often)."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"point": point, "when": when, "number": number} | more) + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        assert ended["code"] == 0, "it failed instead of dying; see its standard error"
        return ended["signal"] == 9


@contextlib.contextmanager
def mortal(db: Database, **environment: str) -> Iterator[Mortal]:
    """Start it, and end it after the block."""
    variables = os.environ | db.environment() | {"TOLLBOOK_GATEWAYS": "simulated"} | environment
    command = [sys.executable, "-m", "tests.refills.killed"]
    process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Mortal(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)
