"""LISTEN/NOTIFY: tell and be told, after commit, that an account's numbers moved.

A wake-up carries no truth: whoever is woken asks the database for the state. So a lost or doubled one does no harm.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg
from django.db import connection, connections

CHANNEL = "tollbook_account"


def tell(account_id: UUID) -> None:
    """NOTIFY that something of this account changed; PostgreSQL sends it when, and only if, the transaction commits.

    Repeated calls in one transaction are folded into one by PostgreSQL.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(account_id)])


def tell_all(account_ids: Sequence[UUID]) -> None:
    """As `tell`, of several accounts at once."""
    with connection.cursor() as cursor:
        told = [str(one) for one in account_ids]
        cursor.execute("SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", [CHANNEL, told])


@contextmanager
def listening() -> Iterator[psycopg.Connection]:
    """A connection of one's own, outside Django's pool, that LISTENs: its `notifies()` tells account ids as text.

    Raises psycopg.OperationalError when the database is away. What was told before is lost: ask for the state first.
    """
    settings = connections["default"].settings_dict
    address = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    values = {name: settings[key] for name, key in address.items() if settings[key]}
    with psycopg.connect(**values, autocommit=True, connect_timeout=5, application_name="tollbook wake") as own:
        own.execute(f"LISTEN {CHANNEL}")
        yield own
