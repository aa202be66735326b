"""What there is to do. The state is asked; no message can be lost."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from tollbook.postgres.named import load

SQL = load(__file__)
LIMIT = 200
LEASE = timedelta(seconds=8)
"""Who speaks to a gateway is left alone for this long. A slower answer is overtaken by a question or by the same charge
under the same key, which does no harm; and what a dead process left is taken up soon."""

FIRST_ASK = timedelta(seconds=4)
PAUSES = (FIRST_ASK, timedelta(seconds=26), timedelta(seconds=270))
"""After a charge without an answer, after the first question and after the second: so it is asked about after 4 s, 30 s and
5 min, then every `USUAL_PAUSE`, and every `LONG_PAUSE` when it is older than `LONG_AGO`."""

USUAL_PAUSE, LONG_PAUSE, LONG_AGO = timedelta(minutes=5), timedelta(hours=1), timedelta(hours=24)
PERSON_AFTER = timedelta(hours=1)
"""Then it also waits at the desk for a person."""

CONFIRM_WITHIN = timedelta(hours=24)
"""How long a card's holder has to confirm a payment."""

CONFIRM_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DueWallet:
    """A wallet at or below its minimum, with an automatic rule and no open refill; and the gateway it waits for, when its
    stop says that it does."""

    account_id: UUID
    wallet_id: UUID
    type_code: str
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An open refill that somebody should move on now."""

    account_id: UUID
    refill_id: UUID


def pause_after(asks: int, age: timedelta) -> timedelta:
    """How long to wait before a charge that nobody could tell of is asked about again: after so many questions, so long
    after it was sent first."""
    if asks < len(PAUSES):
        return PAUSES[asks]
    return USUAL_PAUSE if age < LONG_AGO else LONG_PAUSE


def due_wallets(limit: int = LIMIT) -> list[DueWallet]:
    """Wallets whose balance and open refills are at or below the minimum; those not stopped yet come first.

    A plain read, without locks: `decide` asks again under the wallet's lock.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["due"], {"limit": limit})
        return [DueWallet(*row) for row in cursor.fetchall()]


def unfinished(limit: int = LIMIT) -> list[Unfinished]:
    """Intents not sent yet, and charges whose outcome is to be asked for now, up to `limit` of each. A plain read."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["unfinished"], {"limit": limit})
        return [Unfinished(*row) for row in cursor.fetchall()]
