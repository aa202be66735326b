"""Events that are in the books already, as what tells two tellings of one id apart."""

from collections.abc import Collection
from uuid import UUID

from django.db import connection

from tollbook.postgres.named import load
from tollbook.usage import archived
from tollbook.usage.archived import Sealed
from tollbook.usage.event import microseconds
from tollbook.usage.prepare import Body

SQL = load(__file__)


def bodies_of(keys: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], Body | Sealed]:
    """The bodies of those of these (account, event id) that are known. One query, and one more for those it does not find,
    which may be archived; any transaction."""
    if not keys:
        return {}
    account_ids, event_ids = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(SQL["bodies"], {"account_ids": list(account_ids), "event_ids": list(event_ids)})
        rows = cursor.fetchall()
    bodies: dict[tuple[UUID, str], Body | Sealed] = {
        (row[0], row[1]): (row[2], int(row[3]), microseconds(row[4]), row[5], row[6]) for row in rows
    }
    return bodies | archived.bodies_of([key for key in keys if key not in bodies])
