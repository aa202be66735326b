"""Statements of the fast path, planned seldom instead of at every call."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from django.db import connection

_ENCODER = msgspec.json.Encoder()
_FIRST_SECONDS, _LAST_SECONDS = 1.0, 60.0
_replanned: WeakKeyDictionary[psycopg.Connection[Any], tuple[float, float]] = WeakKeyDictionary()
"""When each connection's plans are made anew next, and how long they lived."""


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[Any]]:
    """A cursor on Django's connection, in its transaction, that sends statements and parameters apart.

    Django's own cursors write parameters into the text, so that PostgreSQL parses and plans each call anew; for a statement
    that moves a handful of rows this is most of its work. For named SQL, whose texts are few; execute it with
    `prepare=True`. Errors are Django's.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as made:
        _forget_old_plans(made)
        yield made


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> psycopg.Cursor[Any]:
    """Run one statement so; the cursor gives its rows and their count.

    Lists are best written `%(name)b`, b for binary: as text, a list of a hundred values takes ten times as long as the
    statement that they are for.
    """
    connection.ensure_connection()
    made = psycopg.Cursor(connection.connection)
    with connection.wrap_database_errors:
        _forget_old_plans(made)
        return made.execute(statement, parameters, prepare=True)


@contextmanager
def together() -> Iterator[None]:
    """Send the statements of the block without waiting for each one's answer, which comes when its rows are fetched, or its
    count is read after the block; so does its error, and nothing behind a statement that failed is done.

    A round trip costs more than a statement that moves a handful of rows. Errors are Django's.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def as_json(rows: Collection[Any]) -> str:
    """Rows as one parameter of a statement, which takes them apart again: for a handful, a list for each column takes ten
    times as long. Bytes must be written by `hex_of`."""
    return _ENCODER.encode(rows).decode()


def hex_of(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL reads them in text."""
    return None if value is None else "\\x" + value.hex()


def _forget_old_plans(made: psycopg.Cursor[Any]) -> None:
    """Have plans made anew now and then: one made while a table was small reads all of it, and would go on to do so until
    somebody analyzes the table. Soon on a new connection, then each minute."""
    now = time.monotonic()
    due, lived = _replanned.get(made.connection, (now + _FIRST_SECONDS, _FIRST_SECONDS))
    if now >= due:
        made.execute("DISCARD PLANS", prepare=False)
        lived = min(lived * 2, _LAST_SECONDS)
        due = now + lived
    _replanned[made.connection] = (due, lived)
