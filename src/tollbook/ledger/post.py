"""The only way into the books.

Rules (double entry): a transfer has at least two entries, none of them zero, that sum to zero in one currency. A cause
(`kind`, `reference`) is posted once per account. A transfer that moves a wallet carries the wallet's balance before
and after and is chained to the wallet's transfer before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.errors import Conflict
from tollbook.ledger.chain import GENESIS, Sealed, digest
from tollbook.postgres.named import load

SQL = load(__file__)


class AlreadyPosted(Conflict):
    """This cause is in the books already; the transaction must be rolled back."""

    code = "already_posted"


class Unbalanced(AssertionError):
    """Entries that do not sum to zero: a defect of the caller, never of a user."""


@dataclass(frozen=True, slots=True)
class Side:
    """One entry: a signed amount (debit positive, credit negative) on the account `code` of the books."""

    code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WalletMove:
    """How a transfer moves a wallet: its balance before and after, in the wallet's currency."""

    wallet_id: UUID
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer to be posted. `detail_*` count and seal what it consists of (the events of a usage transfer)."""

    id: UUID
    kind: str
    reference: str
    sides: Sequence[Side]
    description: str = ""
    actor: str = ""
    wallet: WalletMove | None = None
    detail_count: int = 0
    detail_digest: bytes | None = None


def post(account_id: UUID, currency: str, movements: Sequence[Movement]) -> datetime:
    """Write `movements` (at most one per wallet and call) to the books; answers the instant they were posted at.

    Transaction: the caller's; required. Locks: the caller holds the row lock of every wallet that is moved (in id
    order), which is what makes the chain's order the order of truth. Raises Unbalanced, and AlreadyPosted when a cause
    is known.
    """
    for movement in movements:
        _check(movement)
    posted_at, heads = _heads(account_id, [m.wallet.wallet_id for m in movements if m.wallet])
    rows = [_row(account_id, movement, posted_at, heads) for movement in movements]
    with connection.cursor() as cursor:
        codes = sorted({side.code for movement in movements for side in movement.sides})
        cursor.execute(SQL["open_accounts"], {"account_id": account_id, "codes": codes})
        cursor.execute(SQL["insert_transfers"], {"account_id": account_id, **_columns(rows)})
        if cursor.rowcount != len(movements):
            raise AlreadyPosted("This movement of money is in the books already; it was not made again.")
        cursor.execute(SQL["insert_entries"], _entries(account_id, currency, movements))
    return posted_at


def _check(movement: Movement) -> None:
    amounts = [side.amount for side in movement.sides]
    if len(amounts) < 2 or any(amount == 0 for amount in amounts) or sum(amounts) != 0:
        raise Unbalanced(f"{movement.kind} {movement.reference}: {amounts}")
    if movement.wallet is None:
        return
    moved = -sum(side.amount for side in movement.sides if side.code.startswith("wallet:"))
    if movement.wallet.after - movement.wallet.before != moved:
        raise Unbalanced(f"{movement.kind} {movement.reference} moves {moved}, the wallet says otherwise")


def _heads(account_id: UUID, wallet_ids: list[UUID]) -> tuple[datetime, dict[UUID, tuple[int, bytes]]]:
    if not wallet_ids:
        return datetime.now(UTC), {}
    with connection.cursor() as cursor:
        cursor.execute(SQL["heads"], {"account_id": account_id, "wallet_ids": wallet_ids})
        rows = cursor.fetchall()
    return rows[0][0], {wallet_id: (seq or 0, bytes(head or GENESIS)) for _, wallet_id, seq, head in rows}


def _row(
    account_id: UUID, movement: Movement, posted_at: datetime, heads: dict[UUID, tuple[int, bytes]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ids": movement.id,
        "posted_ats": posted_at,
        "kinds": movement.kind,
        "references": movement.reference,
        "descriptions": movement.description,
        "actors": movement.actor,
        "detail_counts": movement.detail_count,
        "detail_digests": movement.detail_digest,
        "wallet_ids": None,
        "wallet_seqs": None,
        "befores": None,
        "afters": None,
        "digests": None,
    }
    return row | (_link(account_id, movement, movement.wallet, posted_at, heads) if movement.wallet else {})


def _link(
    account_id: UUID,
    movement: Movement,
    wallet: WalletMove,
    posted_at: datetime,
    heads: dict[UUID, tuple[int, bytes]],
) -> dict[str, Any]:
    seq, previous = heads.pop(wallet.wallet_id)  # a second movement of one wallet in one call is a defect: KeyError
    sealed = Sealed(
        account_id=account_id,
        wallet_id=wallet.wallet_id,
        wallet_seq=seq + 1,
        transfer_id=movement.id,
        kind=movement.kind,
        reference=movement.reference,
        posted_at=posted_at,
        balance_after=wallet.after,
        detail_digest=movement.detail_digest,
        entries=[(side.code, side.amount) for side in movement.sides],
    )
    return {
        "wallet_ids": wallet.wallet_id,
        "wallet_seqs": seq + 1,
        "befores": wallet.before,
        "afters": wallet.after,
        "digests": digest(previous, sealed),
    }


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _entries(account_id: UUID, currency: str, movements: Sequence[Movement]) -> dict[str, Any]:
    sides = [(m.id, position, side) for m in movements for position, side in enumerate(m.sides, 1)]
    return {
        "account_id": account_id,
        "currency": currency,
        "transfer_ids": [transfer_id for transfer_id, _, _ in sides],
        "positions": [position for _, position, _ in sides],
        "codes": [side.code for _, _, side in sides],
        "amounts": [side.amount for _, _, side in sides],
    }
