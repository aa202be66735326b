"""Statements of the fast path, planned once per connection instead of at every call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[Any]]:
    """A cursor on Django's connection, in its transaction, that sends statements and parameters apart.

    Django's own cursors write parameters into the text, so that PostgreSQL parses and plans each call anew; for a statement
    that moves a handful of rows this is most of its work. For named SQL, whose texts are few. Errors are Django's.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as made:
        yield made
