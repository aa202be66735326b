"""A running Tollbook that a test may kill and start again, an account that pays, and a key."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connections

from tests import processes
from tests.cast import a_rate, an_account, funded
from tests.databases import Database
from tests.processes import APPLICATION, free_port, wait_until_alive
from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM


class Web:
    """The web process at one port, in a session of its own so that nothing of it outlives a kill."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        arguments = ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port), APPLICATION]
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until_alive(self.address, self._process, self._log)

    def kill(self) -> None:
        """SIGKILL all of it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def web(db: Database, static_files: None, tmp_path: Path) -> Iterator[Web]:
    """A web process that works on `db` and may be killed."""
    made = Web(db.environment(), tmp_path / "web.log")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def secret(db: Database) -> str:
    """A key of the operator, for an account whose outbound minutes have a price."""
    return a_market()


@dataclass(frozen=True)
class Market:
    """A running server and a key for it."""

    url: str
    secret: str


@pytest.fixture(scope="module")
def market(
    database: Database, static_files: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    """One server for all tests of a module, which keep apart by the ids of their events."""
    database.empty()
    secret = a_market()
    with processes.web(database.environment(), tmp_path_factory.mktemp("market") / "web.log") as address:
        yield Market(address, secret)
    connections.close_all()


def a_market() -> str:
    """An account with money, rates, and a key of the operator."""
    account = an_account()
    for type_code in ("outbound", "inbound"):
        a_rate(type_code)
    funded(account, "outbound", "1000")
    _, text = key.create(OPERATOR_ID, "client", sorted(key.SCOPES), SYSTEM)
    return text
