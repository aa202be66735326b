"""The transfers of an account with their entries, newest first, in keyset pages. Read only; any role."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.ledger.tables import Entry
from tollbook.postgres.named import load

SQL = load(__file__)
LARGEST_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Posted:
    """One transfer. `before` and `after` are the balance of the wallet it moved (None when it moved none).

    `entries` are (account of the books, signed amount; debit positive) in order; amounts in `currency`, 6 places.
    """

    id: UUID
    posted_at: datetime
    kind: str
    reference: str
    description: str
    actor: str
    wallet_id: UUID | None
    before: Decimal | None
    after: Decimal | None
    events: int
    currency: str
    entries: Sequence[tuple[str, Decimal]]


@dataclass(frozen=True, slots=True)
class Key:
    """The place of a transfer in the order of time."""

    at: datetime
    id: UUID


def newest(
    account_id: UUID,
    wallet_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: Key | None = None,
    limit: int = 100,
) -> list[Posted]:
    """Up to `limit` transfers of the account, or of one wallet, before a key; from `since` until `until` (excluded)."""
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["newest"],
            {
                "account_id": account_id,
                "wallet_id": wallet_id,
                "since": since,
                "until": until,
                "at": before and before.at,
                "id": before and before.id,
                "limit": min(limit, LARGEST_PAGE),
            },
        )
        rows = cursor.fetchall()
    sides = _sides(account_id, [row[0] for row in rows])
    return [Posted(*(*row, *sides[row[0]])) for row in rows]


def _sides(account_id: UUID, transfer_ids: list[UUID]) -> dict[UUID, tuple[str, list[tuple[str, Decimal]]]]:
    found: dict[UUID, tuple[str, list[tuple[str, Decimal]]]] = {}
    entries = Entry.objects.filter(account_id=account_id, transfer_id__in=transfer_ids).order_by("transfer_id", "position")
    for entry in entries:
        found.setdefault(entry.transfer_id, (entry.currency, []))[1].append((entry.code, entry.amount))
    return found
