"""Debit for usage. What happened is always debited, even below zero: an event is a fact. Granted credit goes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.ledger.post import Movement, Side, WalletMove, post
from tollbook.money.amount import ZERO
from tollbook.postgres.named import load
from tollbook.wallets.wallet import Locked, code_of

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Debit:
    """The sum of one batch on one wallet: becomes the transfer `transfer_id`. `amount` > 0, account's currency, 6 places."""

    transfer_id: UUID
    type_code: str
    amount: Decimal
    reference: str
    description: str
    detail_count: int
    detail_digest: bytes


def spend(account_id: UUID, wallets: dict[str, Locked], debits: Sequence[Debit]) -> None:
    """Debit each wallet once and post the transfers (Dr wallet, Cr revenue:usage).

    Transaction: the caller's. Locks: the caller holds `wallets` by `wallet.lock` (id order); at most one debit each.
    Never refuses, never waits for a refill.
    """
    if not debits:
        return
    taken = [_purses(wallets[debit.type_code], debit.amount) for debit in debits]
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["debit"],
            {
                "account_id": account_id,
                "ids": [wallets[debit.type_code].id for debit in debits],
                "granted": [granted for granted, _ in taken],
                "paid": [paid for _, paid in taken],
            },
        )
    currency = next(iter(wallets.values())).currency
    movements = [_movement(wallets[d.type_code], d, *purses) for d, purses in zip(debits, taken, strict=True)]
    post(account_id, currency, movements)


def _purses(wallet: Locked, amount: Decimal) -> tuple[Decimal, Decimal]:
    granted = min(wallet.granted, amount)
    return granted, amount - granted


def _movement(wallet: Locked, debit: Debit, granted: Decimal, paid: Decimal) -> Movement:
    sides = [
        Side(code_of(wallet.type_code, "granted"), granted),
        Side(code_of(wallet.type_code, "paid"), paid),
        Side("revenue:usage", -debit.amount),
    ]
    return Movement(
        id=debit.transfer_id,
        kind="usage",
        reference=debit.reference,
        sides=[side for side in sides if side.amount != ZERO],
        description=debit.description,
        wallet=WalletMove(wallet.id, wallet.balance, wallet.balance - debit.amount),
        detail_count=debit.detail_count,
        detail_digest=debit.detail_digest,
    )
