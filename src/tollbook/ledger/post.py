"""The only way into the books.

Rules (double entry): a transfer has at least two entries, none of them zero, that sum to zero in one currency. A cause
(`kind`, `reference`) is posted once per account. A transfer that moves a wallet carries the wallet's balance before
and after and is chained to the wallet's transfer before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction

from tollbook.errors import Conflict
from tollbook.ledger.chain import GENESIS, Sealed, digest
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute, hex_of

SQL = load(__file__)
MOST_REMEMBERED = 100_000
_opened: set[tuple[UUID, str]] = set()
"""Accounts of the books that are open for sure: they are never closed."""


class _Transfer(msgspec.Struct):
    """A transfer on its way into the database."""

    account_id: UUID
    id: UUID
    posted_at: datetime
    kind: str
    reference: str
    description: str
    actor: str
    detail_count: int
    detail_digest: str | None
    wallet_id: UUID | None = None
    wallet_seq: int | None = None
    balance_before: Decimal | None = None
    balance_after: Decimal | None = None
    digest: str | None = None


class _Entry(msgspec.Struct):
    """One of its sides."""

    account_id: UUID
    transfer_id: UUID
    position: int
    code: str
    currency: str
    amount: Decimal


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


@dataclass(frozen=True, slots=True)
class Posting:
    """A movement in the books of one account, in one currency."""

    account_id: UUID
    currency: str
    movement: Movement


def post(account_id: UUID, currency: str, movements: Sequence[Movement]) -> datetime:
    """Write one account's `movements` to the books, as `post_all`; answers the instant they were posted at."""
    return post_all([Posting(account_id, currency, movement) for movement in movements])


def post_all(postings: Sequence[Posting]) -> datetime:
    """Write movements of any accounts (at most one per wallet and call); answers the instant they were posted at.

    Transaction: the caller's; required. Locks: the caller holds the row lock of every wallet that is moved (in order of
    account and id), which is what makes the chain's order the order of truth. Raises Unbalanced, and AlreadyPosted when
    a cause is known (within `prepared.together`, an IntegrityError at the end of that block).
    """
    for posting in postings:
        _check(posting.movement)
    posted_at, heads = _heads([(one.account_id, one.movement.wallet.wallet_id) for one in postings if one.movement.wallet])
    transfers = [_transfer(one.account_id, one.movement, posted_at, heads) for one in postings]
    _open_accounts({(one.account_id, side.code) for one in postings for side in one.movement.sides})
    try:
        execute(SQL["insert"], {"transfers": as_json(transfers), "entries": as_json(_entries(postings))})
    except IntegrityError as error:
        if "transfer_cause_once" not in str(error):
            raise
        raise AlreadyPosted("This movement of money is in the books already; it was not made again.") from error
    return posted_at


def _open_accounts(codes: set[tuple[UUID, str]]) -> None:
    """Open the accounts of the books that are named for the first time; remembered once that is sure to be committed."""
    unknown = sorted(codes - _opened)
    if not unknown:
        return
    execute(SQL["open_accounts"], {"account_ids": [one for one, _ in unknown], "codes": [code for _, code in unknown]})
    transaction.on_commit(lambda: _remember(unknown))


def _remember(opened: Iterable[tuple[UUID, str]]) -> None:
    if len(_opened) > MOST_REMEMBERED:
        _opened.clear()
    _opened.update(opened)


def _check(movement: Movement) -> None:
    amounts = [side.amount for side in movement.sides]
    if len(amounts) < 2 or any(amount == 0 for amount in amounts) or sum(amounts) != 0:
        raise Unbalanced(f"{movement.kind} {movement.reference}: {amounts}")
    if movement.wallet is None:
        return
    moved = -sum(side.amount for side in movement.sides if side.code.startswith("wallet:"))
    if movement.wallet.after - movement.wallet.before != moved:
        raise Unbalanced(f"{movement.kind} {movement.reference} moves {moved}, the wallet says otherwise")


def _heads(wallets: Sequence[tuple[UUID, UUID]]) -> tuple[datetime, dict[UUID, tuple[int, bytes]]]:
    if not wallets:
        return datetime.now(UTC), {}
    rows = execute(SQL["heads"], {"wallets": as_json(wallets)}).fetchall()
    return rows[0][0], {wallet_id: (seq or 0, head or GENESIS) for _, wallet_id, seq, head in rows}


def _transfer(
    account_id: UUID, movement: Movement, posted_at: datetime, heads: dict[UUID, tuple[int, bytes]]
) -> _Transfer:
    row = _Transfer(
        account_id, movement.id, posted_at, movement.kind, movement.reference, movement.description, movement.actor,
        movement.detail_count, hex_of(movement.detail_digest),
    )  # fmt: skip
    wallet = movement.wallet
    if wallet:
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
        row.wallet_id, row.wallet_seq, row.digest = wallet.wallet_id, seq + 1, hex_of(digest(previous, sealed))
        row.balance_before, row.balance_after = wallet.before, wallet.after
    return row


def _entries(postings: Sequence[Posting]) -> list[_Entry]:
    return [
        _Entry(one.account_id, one.movement.id, position, side.code, one.currency, side.amount)
        for one in postings
        for position, side in enumerate(one.movement.sides, 1)
    ]
