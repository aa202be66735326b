"""Put money into a wallet: fund (bought), grant (promotional), correct (either way, by a person, with a reason)."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import Actor, note
from tollbook.errors import Invalid, NotFound
from tollbook.ledger.post import Movement, Side, WalletMove, post
from tollbook.money.amount import MICRO, ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.wallets.wallet import Locked, code_of, lock

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Credit:
    """A sum for one wallet. `purse` is paid or granted; `counter_code` is the other side in the books."""

    type_code: str
    amount: Decimal
    purse: str
    kind: str
    reference: str
    counter_code: str
    description: str = ""
    actor: str = ""


def credit(account_id: UUID, wallet: Locked, given: Credit) -> None:
    """Move `given.amount` (negative takes away) into the wallet and post it; what adds starts a new funding window.

    Transaction: the caller's. Locks: the caller holds the wallet by `wallet.lock`. Raises AlreadyPosted when this cause
    was posted before: roll back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["credit"],
            {
                "account_id": account_id,
                "id": wallet.id,
                "paid": given.amount if given.purse == "paid" else ZERO,
                "granted": given.amount if given.purse == "granted" else ZERO,
            },
        )
    post(account_id, wallet.currency, [_movement(wallet, given)])
    wake.tell(account_id)


def _movement(wallet: Locked, given: Credit) -> Movement:
    return Movement(
        id=new_id(),
        kind=given.kind,
        reference=given.reference,
        sides=[Side(code_of(wallet.type_code, given.purse), -given.amount), Side(given.counter_code, given.amount)],
        description=given.description,
        actor=given.actor,
        wallet=WalletMove(wallet.id, wallet.balance, wallet.balance + given.amount),
    )


def fund(account_id: UUID, wallet: Locked, amount: Decimal, reference: str, description: str, actor: str) -> None:
    """Bought credit, owed by an invoice (Dr receivable, Cr wallet paid). As `credit`; `amount` > 0."""
    credit(
        account_id,
        wallet,
        Credit(wallet.type_code, amount, "paid", "refill", reference, "receivable", description, actor),
    )


def adjust(account_id: UUID, type_code: str, amount: Decimal, purse: str, reason: str, actor: Actor) -> UUID:
    """A correction (purse paid) or promotional credit (purse granted) by a person; answers its id.

    Own transaction; locks the wallet. Never triggers a refill without a person: a wallet made low by an adjustment is
    refilled only after further usage (refills.due). Raises Invalid without a reason, for zero, for more than 6 places,
    or when granted credit would go below zero; NotFound for an unknown wallet.
    """
    if not reason.strip():
        raise Invalid("Say why: the reason is part of the books and of the customer's page.", field="reason")
    if amount == 0 or amount.quantize(MICRO) != amount:
        raise Invalid("The amount must not be zero and has at most 6 decimal places.", field="amount")
    with transaction.atomic():
        wallet = lock(account_id, [type_code]).get(type_code)
        if wallet is None:
            raise NotFound("This account has no such wallet.")
        if purse == "granted" and wallet.granted + amount < 0:
            raise Invalid(f"Only {wallet.granted:.2f} of granted credit is left.", field="amount")
        return _adjust(account_id, wallet, amount, purse, reason.strip(), actor)


def _adjust(account_id: UUID, wallet: Locked, amount: Decimal, purse: str, reason: str, actor: Actor) -> UUID:
    id = new_id()
    counter = "promotion" if purse == "granted" else "revenue:adjustment"
    kind = "grant" if purse == "granted" else "adjustment"
    credit(account_id, wallet, Credit(wallet.type_code, amount, purse, kind, str(id), counter, reason, actor.name))
    note(
        account_id,
        actor,
        "wallet.adjust",
        f"wallet/{wallet.type_code}",
        before={"balance": str(wallet.balance)},
        after={"balance": str(wallet.balance + amount), "purse": purse},
        reason=reason,
    )
    return id
