"""Debit for usage. What happened is always debited, even below zero: an event is a fact. Granted credit goes first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from tollbook.ledger.post import Movement, Posting, Side, WalletMove, post_all
from tollbook.money.amount import ZERO
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute
from tollbook.wallets.wallet import Locked, code_of

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Debit:
    """The sum of one batch on one wallet: becomes the transfer `transfer_id`. `amount` in the account's currency, 6 places.

    An `amount` below zero gives back what a correction took off usage; never zero.
    """

    account_id: UUID
    transfer_id: UUID
    type_code: str
    amount: Decimal
    reference: str
    description: str
    detail_count: int
    detail_digest: bytes


def spend(wallets: Mapping[tuple[UUID, str], Locked], debits: Sequence[Debit]) -> None:
    """Debit each wallet once and post the transfers (Dr wallet, Cr revenue:usage).

    Transaction: the caller's. Locks: the caller holds `wallets` by `wallet.lock_all` (order of account and id); at most
    one debit each. Never refuses, never waits for a refill.
    """
    if not debits:
        return
    locked = [wallets[debit.account_id, debit.type_code] for debit in debits]
    taken = [_purses(wallet, debit.amount) for wallet, debit in zip(locked, debits, strict=True)]
    rows = [
        (debit.account_id, wallet.id, *purses) for debit, wallet, purses in zip(debits, locked, taken, strict=True)
    ]
    execute(SQL["debit"], {"taken": as_json(rows)})
    post_all(
        [
            Posting(debit.account_id, wallet.currency, _movement(wallet, debit, *purses))
            for wallet, debit, purses in zip(locked, debits, taken, strict=True)
        ]
    )


def _purses(wallet: Locked, amount: Decimal) -> tuple[Decimal, Decimal]:
    granted = max(min(wallet.granted, amount), ZERO)
    return granted, amount - granted


def _movement(wallet: Locked, debit: Debit, granted: Decimal, paid: Decimal) -> Movement:
    sides = [Side(code_of(wallet.type_code, "granted"), granted)] if granted else []
    sides += [Side(code_of(wallet.type_code, "paid"), paid)] if paid else []
    return Movement(
        id=debit.transfer_id,
        kind="usage",
        reference=debit.reference,
        sides=[*sides, Side("revenue:usage", -debit.amount)],
        description=debit.description,
        wallet=WalletMove(wallet.id, wallet.balance, wallet.balance - debit.amount),
        detail_count=debit.detail_count,
        detail_digest=debit.detail_digest,
    )
