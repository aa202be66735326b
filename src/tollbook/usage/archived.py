"""Keys of archived events, seen from recording: what left the table is still known, and who has no archive pays nothing.

Rows leave `usage_event`, and their keys enter `usage_archived`, in one transaction that adds a row to `usage_archive`.
The number of these rows of an account therefore tells whether anything left since this process looked last. A batch is
first rid of what is known to be archived, then inserted; then the number is read again, by a statement that sees whatever
was committed before the insert could succeed. Where it has grown, an event of the batch may just have left the table.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

from django.db import OperationalError, connection

from tollbook.postgres.named import load

SQL = load(__file__)
Key = tuple[UUID, str]
Body = tuple[str, int, int, str, str]
_files: dict[UUID, int] = {}
"""How many files each account with an archive had when this process looked last."""


class JustArchived(OperationalError):
    """An event of this transaction was archived while it ran: it must be repeated, as `in_transaction` does."""


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """The body of an archived event. It equals the body (see `prepare.Body`) that it is the digest of."""

    event_id: str
    digest: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and digest_of(self.event_id, other) == self.digest

    __hash__ = None  # type: ignore[assignment]


def digest_of(event_id: str, body: Body) -> int:
    """Eight bytes, as a signed number, of an event's id and body."""
    type_code, quantity_micro, at_us, to, sender = body
    told = "\t".join((event_id, type_code, str(quantity_micro), str(at_us), to, sender))
    return int.from_bytes(blake2b(told.encode(), digest_size=8).digest(), "big", signed=True)


def has_any(account_ids: Collection[UUID]) -> bool:
    """Whether any of these accounts is known to have an archive; costs no query."""
    return not _files.keys().isdisjoint(account_ids)


def look_again(files: Mapping[UUID, int], transfer_ids: Sequence[UUID]) -> None:
    """After the insert: `files` is how many each account has now, those without any left out. Raises JustArchived when
    one of the events that this transaction wrote, under these transfers, left the table before they were written."""
    grown = [account_id for account_id, count in files.items() if _files.get(account_id) != count]
    if not grown:
        return
    _files.update(files)
    with connection.cursor() as cursor:
        cursor.execute(SQL["written_again"], {"account_ids": grown, "transfer_ids": list(transfer_ids)})
        if cursor.fetchone():
            raise JustArchived("events of this batch were archived while it was recorded")


def bodies_of(keys: Collection[Key]) -> dict[Key, Sealed]:
    """Digests of the bodies of those of these events that are archived. One query; any transaction."""
    if not keys:
        return {}
    account_ids, event_ids = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(SQL["bodies"], {"account_ids": list(account_ids), "event_ids": list(event_ids)})
        return {(account_id, event_id): Sealed(event_id, body) for account_id, event_id, body in cursor.fetchall()}
