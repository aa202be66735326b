"""LISTEN/NOTIFY: tell and be told, after commit, that an account's numbers moved.

A wake-up carries no truth: whoever is woken asks the database for the state. So a lost or doubled one does no harm.
"""

from uuid import UUID

from django.db import connection

CHANNEL = "tollbook_account"


def tell(account_id: UUID) -> None:
    """NOTIFY that something of this account changed; PostgreSQL sends it when, and only if, the transaction commits.

    Repeated calls in one transaction are folded into one by PostgreSQL.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(account_id)])
