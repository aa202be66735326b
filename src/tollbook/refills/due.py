"""What there is to do. The state is asked; no message can be lost."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from tollbook.payments.gateway import TIMEOUT_SECONDS
from tollbook.postgres.named import load

SQL = load(__file__)
LIMIT = 200
LEASE = timedelta(seconds=TIMEOUT_SECONDS + 10)
"""Who sent a charge is left alone for this long: longer than any gateway call takes."""


@dataclass(frozen=True, slots=True)
class DueWallet:
    """A wallet at or below its minimum, with an automatic rule and no open refill."""

    account_id: UUID
    wallet_id: UUID
    type_code: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An open refill that somebody should move on now."""

    account_id: UUID
    refill_id: UUID


def due_wallets(limit: int = LIMIT) -> list[DueWallet]:
    """Wallets whose balance and open refills are at or below the minimum; those not stopped yet come first.

    A plain read, without locks: `decide` asks again under the wallet's lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["due"], {"limit": limit})
        return [DueWallet(*row) for row in cursor.fetchall()]


def unfinished(limit: int = LIMIT) -> list[Unfinished]:
    """Intents not sent yet, and charges whose outcome is to be asked for now. A plain read, without locks."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["unfinished"], {"limit": limit, "lease": LEASE})
        return [Unfinished(*row) for row in cursor.fetchall()]
