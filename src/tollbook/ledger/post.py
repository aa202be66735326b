"""The only way into the books.

Rules (double entry): a transfer has at least two entries, none of them zero, that sum to zero in one currency. A cause
(`kind`, `reference`) is posted once per account. A transfer that moves a wallet carries the wallet's balance before
and after and is chained to the wallet's transfer before it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from tollbook.errors import Conflict
from tollbook.ledger.chain import GENESIS, Sealed, digest
from tollbook.postgres.named import load
from tollbook.postgres.prepared import execute

SQL = load(__file__)
MOST_REMEMBERED = 100_000
COLUMNS = (
    "account_ids", "ids", "posted_ats", "kinds", "references", "descriptions", "actors", "detail_counts",
    "detail_digests", "wallet_ids", "wallet_seqs", "befores", "afters", "digests",
)  # fmt: skip
Row = tuple[Any, ...]

_opened: set[tuple[UUID, str]] = set()
"""Accounts of the books that are open for sure: they are never closed."""


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
    a cause is known.
    """
    for posting in postings:
        _check(posting.movement)
    posted_at, heads = _heads([(one.account_id, one.movement.wallet.wallet_id) for one in postings if one.movement.wallet])
    rows = [_row(one.account_id, one.movement, posted_at, heads) for one in postings]
    _open_accounts({(one.account_id, side.code) for one in postings for side in one.movement.sides})
    if execute(SQL["insert_transfers"], _columns(rows)).rowcount != len(postings):
        raise AlreadyPosted("This movement of money is in the books already; it was not made again.")
    execute(SQL["insert_entries"], _entries(postings))
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
    account_ids, wallet_ids = zip(*wallets, strict=True)
    rows = execute(SQL["heads"], {"account_ids": list(account_ids), "wallet_ids": list(wallet_ids)}).fetchall()
    return rows[0][0], {wallet_id: (seq or 0, head or GENESIS) for _, wallet_id, seq, head in rows}


def _row(account_id: UUID, movement: Movement, posted_at: datetime, heads: dict[UUID, tuple[int, bytes]]) -> Row:
    wallet = movement.wallet
    link = _link(account_id, movement, wallet, posted_at, heads) if wallet else (None, None, None, None, None)
    return (
        account_id, movement.id, posted_at, movement.kind, movement.reference, movement.description, movement.actor,
        movement.detail_count, movement.detail_digest, *link,
    )  # fmt: skip


def _link(
    account_id: UUID,
    movement: Movement,
    wallet: WalletMove,
    posted_at: datetime,
    heads: dict[UUID, tuple[int, bytes]],
) -> Row:
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
    return wallet.wallet_id, seq + 1, wallet.before, wallet.after, digest(previous, sealed)


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))


def _entries(postings: Sequence[Posting]) -> dict[str, Any]:
    sides = [
        (one.account_id, one.currency, one.movement.id, position, side.code, side.amount)
        for one in postings
        for position, side in enumerate(one.movement.sides, 1)
    ]
    names = ("account_ids", "currencies", "transfer_ids", "positions", "codes", "amounts")
    return dict(zip(names, map(list, zip(*sides, strict=True)), strict=True))
