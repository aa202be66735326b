"""Statements of the hot path: planned once for each connection, with parameters that travel in PostgreSQL's own form.

Django writes parameters into the text of a statement; for lists of a hundred values that takes ten times as long as the
statement. Placeholders are written `%(name)b`: b for binary.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


def execute(statement: str, parameters: Mapping[str, Any] | None = None) -> psycopg.Cursor[Any]:
    """Run a statement on Django's connection, in its transaction; the cursor gives rows and their count.

    Raises Django's database errors.
    """
    connection.ensure_connection()
    cursor = psycopg.Cursor(connection.connection)
    with connection.wrap_database_errors:
        cursor.execute(statement, parameters, prepare=True)
    return cursor
