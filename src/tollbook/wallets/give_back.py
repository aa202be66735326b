"""Usage that is taken back: its cost returns to the wallet, to the purse that it came from as far as that can be told."""

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
class GiveBack:
    """A correction of usage, which becomes the transfer `transfer_id`. `amount` > 0 in the account's currency, 6 places.

    `debit_ids` are the transfer that the usage was debited by and, if that took granted credit, those that gave parts of it
    back before.
    """

    transfer_id: UUID
    amount: Decimal
    debit_ids: list[UUID]
    description: str
    actor: str
    detail_count: int
    detail_digest: bytes


def give_back(account_id: UUID, wallet: Locked, given: GiveBack) -> None:
    """Put the cost of usage back into its wallet and post it (Dr revenue:usage, Cr wallet).

    As if the debit had been smaller by it: granted credit is spent first, so bought credit returns first, up to what the
    debit took of it. No funding: the window of the percentage used goes on. Transaction: the caller's. Locks: the caller
    holds the wallet.
    """
    paid = min(given.amount, max(_taken(account_id, wallet, given.debit_ids), ZERO))
    granted = given.amount - paid
    with connection.cursor() as cursor:
        values = {"account_id": account_id, "id": wallet.id, "paid": paid, "granted": granted}
        cursor.execute(SQL["give_back"], values)
    post(account_id, wallet.currency, [_movement(wallet, given, paid, granted)])


def _taken(account_id: UUID, wallet: Locked, debit_ids: list[UUID]) -> Decimal:
    """What these transfers took of bought credit, all together."""
    with connection.cursor() as cursor:
        code = code_of(wallet.type_code, "paid")
        cursor.execute(SQL["taken"], {"account_id": account_id, "code": code, "transfer_ids": debit_ids})
        return Decimal(cursor.fetchone()[0])


def _movement(wallet: Locked, given: GiveBack, paid: Decimal, granted: Decimal) -> Movement:
    sides = [Side("revenue:usage", given.amount)]
    sides += [Side(code_of(wallet.type_code, "paid"), -paid)] if paid else []
    sides += [Side(code_of(wallet.type_code, "granted"), -granted)] if granted else []
    return Movement(
        id=given.transfer_id,
        kind="reversal",
        reference=str(given.transfer_id),
        sides=sides,
        description=given.description,
        actor=given.actor,
        wallet=WalletMove(wallet.id, wallet.balance, wallet.balance + given.amount),
        detail_count=given.detail_count,
        detail_digest=given.detail_digest,
    )
