"""Databases for tests: made once and migrated, emptied between tests, dropped at the end.

Money is committed in threads and in several processes, so a transaction that is rolled back can't isolate tests.
"""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tollbook import settings
from tollbook.accounts import directory
from tollbook.postgres.scope import ENGINE_ROLE

Role = Literal["owner", "app", "login"]

BOOKKEEPING = {"django_migrations", "django_content_type"}


class Server(Protocol):
    """What `Embedded` and `External` have in common."""

    def url(self, database: str, role: Role) -> str: ...


@dataclass(frozen=True)
class External:
    """A server that somebody else runs. Its user must be allowed to create databases and, for migrations, roles."""

    app_url: str
    owner_url: str

    def url(self, database: str, role: Role) -> str:
        """The same address, for another database."""
        return urlsplit(self.owner_url if role == "owner" else self.app_url)._replace(path=f"/{database}").geturl()


@dataclass(frozen=True)
class Database:
    """A migrated database. `url` is for the application, `owner_url` for whoever may do everything."""

    name: str
    url: str
    owner_url: str

    def connect(self, role: Role = "app") -> psycopg.Connection:
        """A connection of its own, in autocommit; the application's has assumed its role, as Django's have. With "login" it
        has not: it sees what the application's others do, and may end them."""
        connection = psycopg.connect(self.owner_url if role == "owner" else self.url, autocommit=True)
        if role == "app":
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(ENGINE_ROLE)))
        return connection

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to work with this database."""
        return {"DATABASE_URL": self.url, "MIGRATION_DATABASE_URL": self.owner_url}

    def empty(self, patience_seconds: int = 5) -> None:
        """Remove every row that migrations did not insert, and put back the ones they did."""
        directory.forget()
        with self.connect("owner") as connection, connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{patience_seconds}s'")
            connection.execute("SET LOCAL synchronous_commit = off")
            filled = _names(connection, "SELECT name FROM test_seed.filled() AS name")
            try:
                if filled:
                    connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(_joined(filled)))
                connection.execute("SELECT test_seed.restore()")
            except psycopg.errors.LockNotAvailable:
                raise AssertionError(f"An earlier test left a transaction open: {self._open_transactions()}") from None

    def _open_transactions(self) -> list[tuple[object, ...]]:
        """Each role sees what its own do; an owner who is a superuser sees all."""
        found: dict[int, tuple[object, ...]] = {}
        for role in ("owner", "login"):
            with self.connect(role) as connection:
                for row in connection.execute(
                    "SELECT pid, application_name, state, xact_start, query FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
                ):
                    found[row[0]] = row
        return list(found.values())


@contextlib.contextmanager
def created(server: Server, maintenance: str) -> Iterator[Database]:
    """A new, migrated database that Django uses for the length of the block; then it is dropped. `maintenance` is a
    database that exists already."""
    name = f"tollbook_test_{secrets.token_hex(6)}"
    with psycopg.connect(server.url(maintenance, "owner"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    database = Database(name, server.url(name, "app"), server.url(name, "owner"))
    try:
        with used_by_django(database):
            call_command("migrate", database="owner", verbosity=0)
            _remember_seed(database)
            yield database
    finally:
        with database.connect("login") as connection:  # an owner who is no superuser may not end them
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        with psycopg.connect(server.url(maintenance, "owner"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def used_by_django(database: Database) -> Iterator[None]:
    """Let Django's connections, in all threads of this process, lead to `database` for the length of the block."""
    before = {alias: dict(connections.settings[alias]) for alias in connections}
    _disconnect()
    connections.settings["default"].update(settings.database(database.url, ENGINE_ROLE))
    connections.settings["owner"].update(settings.database(database.owner_url, None))
    try:
        yield
    finally:
        _disconnect()
        for alias, described in before.items():
            connections.settings[alias].update(described)


def _disconnect() -> None:
    """Close Django's connections and the pools that would hand out more of them."""
    connections.close_all()
    connections["default"].close_pool()


def _remember_seed(database: Database) -> None:
    """Copy what migrations inserted, and make two functions of it: which tables a test has filled, and back again."""
    with database.connect("owner") as connection:
        tables = set(_names(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")) - BOOKKEEPING
        seeded = sorted(table for table in tables if _has_rows(connection, table))
        connection.execute("CREATE SCHEMA test_seed")
        for table in seeded:
            name = sql.Identifier(table)
            connection.execute(sql.SQL("CREATE TABLE test_seed.{} AS TABLE public.{}").format(name, name))
        _make_function(connection, "filled() RETURNS SETOF text", _filled(sorted(tables - set(seeded))))
        _make_function(connection, "restore() RETURNS void", _restored(seeded))


def _make_function(connection: psycopg.Connection, signature: str, body: sql.Composable) -> None:
    connection.execute(
        sql.SQL("CREATE FUNCTION test_seed.{} LANGUAGE sql AS $$ {} $$").format(sql.SQL(signature), body)
    )


def _filled(tables: list[str]) -> sql.Composable:
    one = "SELECT {} WHERE EXISTS (SELECT FROM public.{})"
    return sql.SQL(" UNION ALL ").join(sql.SQL(one).format(sql.Literal(name), sql.Identifier(name)) for name in tables)


def _restored(tables: list[str]) -> sql.Composable:
    """Two statements for each seeded table, which do nothing when it is as it was."""
    both = (
        "DELETE FROM public.{0} AS now WHERE NOT EXISTS (SELECT FROM test_seed.{0} AS seed WHERE seed = now);"
        "INSERT INTO public.{0} SELECT * FROM test_seed.{0} EXCEPT SELECT * FROM public.{0};"
    )
    return sql.SQL(" ").join(sql.SQL(both).format(sql.Identifier(name)) for name in tables)


def _has_rows(connection: psycopg.Connection, table: str) -> bool:
    return connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone() is not None


def _names(connection: psycopg.Connection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(query)]


def _joined(names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
