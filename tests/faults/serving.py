"""Tollbook's processes, for tests that end them without warning."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import conftest, databases
from tests.processes import STOP_SECONDS, free_port, wait_until_alive
from tollbook.postgres.embedded import APP, DATABASE, OWNER
from tollbook.postgres.home import PORT

own_server = pytest.mark.skipif(
    bool(conftest.EXTERNAL), reason="shown on a server of the test's own, which the run on the embedded one has done"
)


class Web:
    """The web process as `tollbook web` runs it, in a session of its own so that nothing of it outlives a kill."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | environment
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tollbook", "web", "--port", str(self.port)],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until_alive(self.address, self._process, self._log)

    def kill(self) -> None:
        """SIGKILL all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """Ask it to end, as a new version's installation would; what is open is answered or cut."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)

    @property
    def pids(self) -> list[int]:
        """Its processes: the one that was started, and the ones it started."""
        return [pid for pid in _all_pids() if _session_of(pid) == self._process.pid]


@contextlib.contextmanager
def running_web(environment: Mapping[str, str], log: Path) -> Iterator[Web]:
    """The web process for the length of the block."""
    made = Web(environment, log)
    try:
        yield made
    finally:
        made.kill()


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@contextlib.contextmanager
def serving(command: list[str], home: Path, log: Path) -> Iterator["Serving"]:
    """`tollbook serve`, with the database it brings, for the length of the block. `command` runs it: all but its own
    arguments `serve --port N`."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port)], env=environment | {"TOLLBOOK_HOME": str(home)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True, start_new_session=True,
        )  # fmt: skip
    made = Serving(process, f"http://127.0.0.1:{port}", home, log)
    try:
        wait_until_alive(made.address, process, log)
        with databases.used_by_django(made.database()):
            yield made
    finally:
        made.end()


@dataclass
class Serving:
    """A running `tollbook serve`, perhaps with a view of the file system that is its own."""

    process: subprocess.Popen[str]
    address: str
    home: Path
    log: Path

    def obey(self, word: str) -> None:
        """Have whatever runs it do something."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        while self.process.stdout.readline().strip() != "done":
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]

    def database(self) -> databases.Database:
        """Its database, reached through the process's own view of the file system."""
        home = Path(f"/proc/{self.process.pid}/root{self.home}")
        passwords = json.loads((home / "postgres-passwords.json").read_text())
        place = f"{DATABASE}?host={quote(str(home / 'postgres' / 'run'), safe='')}&port={PORT}"
        urls = [f"postgresql://{name}:{passwords[key]}@/{place}" for name, key in ((APP, "app"), (OWNER, "owner"))]
        return databases.Database(DATABASE, *urls)

    def end(self) -> None:
        """End it in order: database, web, worker."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
