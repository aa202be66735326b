"""How often a card was tried, over everything it is charged for: card schemes forbid to try a failing card on and on.

By the card's number, whatever token stands for it, so that removing and adding a card does not clear its record.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from tollbook.payments.method import tokens_of
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres.named import load

SQL = load(__file__)
PER_DAY, PER_MONTH = 4, 8
DAY, MONTH = timedelta(hours=24), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Record:
    """A card's tries that failed or have no answer yet: within 24 hours, within 30 days; whether one failed for good since
    the card was last renewed, however long ago."""

    today: int
    in_month: int
    is_hard: bool
    fourth_at: datetime | None
    eighth_at: datetime | None

    def refusal(self) -> str | None:
        """Why the card must not be tried now, as a sentence; None when it may."""
        if self.is_hard:
            return "The bank said that this card must not be tried again."
        if self.today >= PER_DAY:
            return f"This card was tried in vain {PER_DAY} times within 24 hours; it rests until that is over."
        if self.in_month >= PER_MONTH:
            return f"This card was tried in vain {PER_MONTH} times within 30 days; it rests until that is over."
        return None


def begin(card: PaymentMethod, idempotency_key: str) -> None:
    """Write down that the card is about to be tried. Transaction: the caller's, which commits before the call.

    The caller holds a lock that lets charges of this card take turns. Sending the same key again is the same try.
    """
    _run("begin", card.account_id, idempotency_key, gateway=card.gateway, token=card.token)


def failed(account_id: UUID, idempotency_key: str, is_hard: bool) -> None:
    """The try failed; `is_hard`: for good, whatever is told of it later."""
    _run("failed", account_id, idempotency_key, is_hard=is_hard)


def excused(account_id: UUID, idempotency_key: str) -> None:
    """The try does not count against the card any more: it succeeded, never arrived, or failed by a fault of ours."""
    _run("excused", account_id, idempotency_key)


def record(card: PaymentMethod) -> Record:
    """How the card did. A success, of this card or another, clears nothing that failed before it; time does, and for what
    failed for good only a renewed or another card."""
    values = {
        "account_id": card.account_id,
        "gateway": card.gateway,
        "tokens": tokens_of(card),
        "unrenewed": tokens_of(card, same_expiry=True),
        "day": DAY,
        "month": MONTH,
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL["record"], values)
        return Record(*cursor.fetchone())


def _run(name: str, account_id: UUID, idempotency_key: str, **values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], {"account_id": account_id, "idempotency_key": idempotency_key, **values})
