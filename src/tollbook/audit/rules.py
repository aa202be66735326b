"""The rules that one SQL statement can prove: each answers the first row that breaks it, or nothing."""

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

from tollbook.postgres.named import load

SQL = load(__file__)
WHOLE_INSTALLATION = ("numbers_are_dense",)
OF_AN_ACCOUNT = tuple(name for name in SQL if name not in WHOLE_INSTALLATION)


def broken(account_id: UUID | None) -> Iterator[tuple[str, str, str]]:
    """Rule, row and what is wrong, for each rule that does not hold; without an account, the rules about all of them.

    Transaction: the caller's, REPEATABLE READ, so that all rules see one state. No locks.
    """
    for name in OF_AN_ACCOUNT if account_id else WHOLE_INSTALLATION:
        with connection.cursor() as cursor:
            cursor.execute(SQL[name], {"account_id": account_id})
            row = cursor.fetchone()
        if row:
            yield name, row[0], row[1]
