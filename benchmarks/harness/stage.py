"""What is measured: the embedded PostgreSQL with its production settings, and `tollbook web` and `tollbook worker` on it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from django.core.management import call_command
from django.test import Client
from tests import conftest, leftovers, processes
from tests.cast import LONG_AGO, a_rate, an_account
from tests.databases import Database, created
from tests.people import person

from benchmarks.harness import deck
from benchmarks.harness.machine import Tree
from benchmarks.harness.traffic import ACCOUNTS, TYPES, slug
from tollbook.accounts import key as keys
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account, Level
from tollbook.postgres.embedded import Embedded
from tollbook.postgres.ids import new_id
from tollbook.wallets.credit import adjust

RATE_CENTS = "1.20"
FUNDS = Decimal(10_000_000)
"""In every wallet: nothing runs out while it is measured."""

SIZES = """
SELECT relname, CASE relkind WHEN 'i' THEN pg_relation_size(oid) ELSE pg_table_size(oid) END
FROM pg_class
WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'floor_%'
"""


@dataclass(frozen=True)
class Stage:
    """Tollbook, running: where, with which key, and its processes."""

    database: Database
    accounts: list[Account]
    port: int
    key: str
    web: Tree
    worker: Tree

    def postgres_version(self) -> str:
        """Such as 18.4."""
        with self.database.connect("owner") as connection:
            return ".".join(map(str, divmod(connection.info.server_version, 10_000)))

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each table without its indexes, and of each index."""
        with self.database.connect("owner") as connection:
            return dict(connection.execute(SIZES).fetchall())


@contextmanager
def postgres() -> Iterator[Embedded]:
    """A server of this run, gone with all of its data after the block; what a killed run left goes first."""
    leftovers.clear_away()
    try:
        with Embedded(conftest.HOME / "server") as server:
            yield server
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)


@contextmanager
def tollbook(
    server: Embedded, *, prefixes: bool = False, accounts: int = ACCOUNTS, more: Mapping[str, str] = {}
) -> Iterator[Stage]:
    """A database with funded accounts, default rates (flat, or a deck of 200,000 prefixes), web and worker on it, which
    find `more` in their environment."""
    with created(server, "postgres") as database:
        call_command("collectstatic", interactive=False, verbosity=0)
        cast = _cast(accounts)
        if prefixes:
            load_deck(database)
        with running(database, cast, more) as stage:
            yield stage


@contextmanager
def running(database: Database, accounts: list[Account], more: Mapping[str, str] = {}) -> Iterator[Stage]:
    """`tollbook web` and `tollbook worker` on this database, until the end of the block."""
    _, key = keys.create(OPERATOR_ID, f"benchmark {new_id()}", ("usage", "holds", "read"), SYSTEM)
    port, log = processes.free_port(), conftest.HOME / f"{database.name}.log"
    environment = {**database.environment(), **more}
    with (
        processes.python("tollbook", "web", "--port", str(port), environment=environment, log=log) as web,
        processes.python("tollbook", "worker", environment=environment, log=log) as worker,
    ):
        processes.wait_until_alive(f"http://127.0.0.1:{port}", web, log)
        yield Stage(database, accounts, port, key, Tree(web.pid), Tree(worker.pid))


def load_deck(database: Database) -> None:
    """Default rates for outbound minutes by 200,000 prefixes; written past `set_rate`, which takes one at a time."""
    now = datetime.now(UTC)
    columns = "account_id, id, type_code, prefix, description, rate_cents, connect_fee, initial_seconds, increment_seconds"
    with database.connect("owner") as connection, connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(f"COPY rate ({columns}, valid_from, created_by, created_at) FROM STDIN") as copy:
            for prefix in deck.prefixes():
                row = (OPERATOR_ID, new_id(), "outbound", prefix, "", deck.cents(prefix), 0, 6, 6)
                copy.write_row((*row, LONG_AGO, "benchmark", now))
        cursor.execute("UPDATE rate_version SET version = version + 1")
        cursor.execute("ANALYZE rate")


def _cast(accounts: int) -> list[Account]:
    for type_code in TYPES:
        a_rate(type_code, RATE_CENTS)
    made = [an_account(slug(number)) for number in range(accounts)]
    for account in made:
        for type_code in TYPES:
            adjust(account.id, type_code, FUNDS, "paid", "for a benchmark", SYSTEM)
    return made


def signed_in(account: Account) -> str:
    """The cookies of a new owner of the account."""
    client = Client()
    client.force_login(person(account, "owner", Level.SUPER_ADMIN))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


def free_bytes(folder: Path | None = None) -> int:
    """What is left on the disk that the data is on."""
    found = os.statvfs(folder or conftest.HOME)
    return found.f_bavail * found.f_frsize
