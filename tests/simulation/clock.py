"""The one clock of a simulation. This process asks it in place of the system's, and so does its database."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock
from uuid import UUID

import psycopg
from django.db import connections
from psycopg import sql

from tests.databases import Database
from tollbook.postgres import ids
from tollbook.rating import set_rate
from tollbook.refills import health

REAL = datetime
STABLE = ("statement_timestamp", "transaction_timestamp", "now")
FUNCTIONS = {"clock_timestamp": "VOLATILE"} | dict.fromkeys(STABLE, "STABLE")
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.at = BEGIN
        self._owner = owner
        self.go_on(timedelta())

    def go_on(self, step: timedelta) -> None:
        """Let so much time pass, here and in the database."""
        self.at += step
        self._owner.execute("UPDATE simulated.clock SET at = %s", [self.at])

    def seconds(self) -> float:
        """For what asks how much time has passed."""
        return self.at.timestamp()

    def nanoseconds(self) -> int:
        """For what counts in them."""
        return int(self.seconds()) * 10**9


class Ids:
    """UUIDv7 by the simulation's clock and a counter. Each process of it has a range of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._count = clock, 0

    def __call__(self) -> UUID:
        self._count += 1
        high, low = self._count >> 62 & 0xFFF, self._count & (1 << 62) - 1
        milliseconds = int(self._clock.seconds() * 1000)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)

    def of_process(self, number: int) -> None:
        """Count in the range of this process from now on."""
        self._count = number << 40


class _Dated(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, REAL)


class Simulated(REAL, metaclass=_Dated):
    """In the place of `datetime`: makes real ones, and asks the simulation for the time."""

    clock: ClassVar[Clock]

    def __new__(cls, *args: Any, **named: Any) -> Any:
        return REAL(*args, **named)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return cls.clock.at.astimezone(tz)


@contextmanager
def simulated(db: Database) -> Iterator[tuple[Clock, Ids]]:
    """For the block, Tollbook and its database `db`, which is nobody else's, go by a clock of ours, and ids are counted."""
    with db.connect("owner") as owner:
        _inject(owner, db.name)
        clock = Clock(owner)
        _reconnect()
        counted = Ids(clock)
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(Simulated, "clock", clock, create=True))
            for module in [module for name, module in sys.modules.items() if name.startswith("tollbook.")]:
                if getattr(module, "datetime", None) is REAL:
                    stack.enter_context(mock.patch.object(module, "datetime", Simulated))
            stack.enter_context(mock.patch.object(ids, "uuid7", counted))
            stack.enter_context(mock.patch.object(health, "time", SimpleNamespace(monotonic=clock.seconds)))
            stack.enter_context(mock.patch.object(set_rate, "time", SimpleNamespace(time_ns=clock.nanoseconds)))
            yield clock, counted


def _inject(owner: psycopg.Connection, name: str) -> None:
    """Functions of our own stand before the server's in the path that names are looked up in; and rows lie in the same order
    each time, because nothing tidies up but `tidy`."""
    owner.execute("CREATE SCHEMA simulated; GRANT USAGE ON SCHEMA simulated TO PUBLIC")
    owner.execute("CREATE TABLE simulated.clock AS SELECT pg_catalog.now() AS at; GRANT SELECT ON simulated.clock TO PUBLIC")
    for function, kind in FUNCTIONS.items():
        owner.execute(
            f"CREATE FUNCTION simulated.{function}() RETURNS timestamptz LANGUAGE sql {kind} PARALLEL UNSAFE"
            " AS 'SELECT at FROM simulated.clock'"
        )
    settings = {
        "search_path": "simulated, pg_catalog, public", "synchronous_commit": "off", "max_parallel_workers_per_gather": "0",
    }  # fmt: skip
    for setting, value in settings.items():
        words = sql.SQL(value) if setting == "search_path" else sql.Literal(value)
        owner.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(sql.Identifier(name), sql.Identifier(setting), words))
    for (table,) in owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
        kind = owner.execute("SELECT relkind::text FROM pg_class WHERE oid = %s::regclass", [f'public."{table}"']).fetchone()
        if kind == ("r",):
            owner.execute(f'ALTER TABLE public."{table}" SET (autovacuum_enabled = off)')


def _reconnect() -> None:
    """Connections made before know nothing of the clock; and a pool's threads would not live through a fork."""
    connections.close_all()
    connections["default"].close_pool()
    connections.settings["default"]["OPTIONS"].pop("pool", None)


def tidy(db: Database) -> None:
    """What the server does by itself elsewhere, when it likes."""
    with db.connect("owner") as owner:
        owner.execute("VACUUM (ANALYZE)")
