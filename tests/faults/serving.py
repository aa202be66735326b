"""Tollbook's processes, for tests that end them without warning."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.processes import STOP_SECONDS, free_port, wait_until_alive


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
