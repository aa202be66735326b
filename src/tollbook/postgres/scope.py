"""One transaction as the portal's role, confined to one account's rows by row-level security."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

PORTAL_ROLE = "tollbook_portal"
ENGINE_ROLE = "tollbook_engine"


@contextmanager
def rows_of(account_id: UUID) -> Iterator[None]:
    """Run the block in one transaction that sees, and may touch, only the rows of `account_id`.

    Role and account are set with SET LOCAL, so they end with the transaction whatever happens. Must be the outermost
    transaction of its connection: a scope inside another transaction would leak into it, so that is refused.
    """
    if connection.in_atomic_block:
        raise RuntimeError("rows_of() opens its own transaction and must not stand inside another one")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('tollbook.account_id', %s, true), set_config('role', %s, true)",
                [str(account_id), PORTAL_ROLE],
            )
        yield
