"""Invoice History counted as it changes, so that nobody counts a million rows to show one page of them.

`history_day` counts invoices by day, block of numbers and what decides about their status, `history_size` by amount and
month. Whoever changes an open balance says so here, in the same transaction; `tollbook audit` compares with the rows.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute

SQL = load(__file__)


class Change(msgspec.Struct):
    """An invoice and what was owed on it before, in its currency; None when it has just been issued."""

    account_id: UUID
    invoice_id: UUID
    before: Decimal | None = None


def count(changes: Sequence[Change]) -> None:
    """Count invoices where they belong now. Transaction: the caller's, which has changed their open balances and holds
    these rows. Locks the counts of their days and amounts, in order."""
    if changes:
        execute(SQL["count"], {"changes": as_json(changes)})
