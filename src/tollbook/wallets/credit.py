"""Put money into a wallet: fund (bought), grant (promotional), correct (either way, by a person, with a reason)."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import Actor, note
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.ledger.post import Movement, Side, WalletMove, post
from tollbook.ledger.tables import Transfer
from tollbook.money.amount import MICRO, ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.wallets.wallet import Locked, code_of, lock

SQL = load(__file__)
LARGEST_ADJUSTMENT = Decimal(1_000_000_000)

KIND_OF = {"paid": "adjustment", "granted": "grant"}
"""The kind of transfer that an adjustment of a purse is."""


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


def adjust(
    account_id: UUID, type_code: str, amount: Decimal, purse: str, reason: str, actor: Actor, id: UUID | None = None
) -> UUID:
    """A correction (purse paid) or promotional credit (purse granted) by a person; answers its id.

    With an `id`, made by the caller before, the adjustment is made once however often it is asked for; with other values
    it raises Conflict. Own transaction; locks the wallet. Never triggers a refill without a person: a wallet made low by
    an adjustment is refilled only after further usage (`refills.brakes`). Raises Invalid as `check` does; NotFound for an
    unknown wallet.
    """
    with transaction.atomic():
        wallet = lock(account_id, [type_code]).get(type_code)
        if wallet is None:
            raise NotFound("This account has no such wallet.")
        if id is not None and _made_before(account_id, wallet, amount, id, KIND_OF[purse]):
            return id
        check(wallet.granted, amount, purse, reason)
        return _adjust(account_id, wallet, amount, purse, reason.strip(), actor, id or new_id())


def check(granted: Decimal, amount: Decimal, purse: str, reason: str) -> None:
    """Raise Invalid, with the field, for an adjustment that can't be made while this much granted credit is there."""
    if not reason.strip():
        raise Invalid("Say why: the reason is part of the books and of the customer's page.", field="reason")
    if amount == 0 or amount.quantize(MICRO) != amount:
        raise Invalid("The amount must not be zero and has at most 6 decimal places.", field="amount")
    if abs(amount) > LARGEST_ADJUSTMENT:
        raise Invalid(f"At most {LARGEST_ADJUSTMENT:,} is adjusted at once; is this amount right?", field="amount")
    if purse == "granted" and granted + amount < 0:
        raise Invalid(f"Only {granted:.2f} of granted credit is left.", field="amount")


def _made_before(account_id: UUID, wallet: Locked, amount: Decimal, id: UUID, kind: str) -> bool:
    made = Transfer.objects.filter(account_id=account_id, kind__in=KIND_OF.values(), reference=str(id)).first()
    if made is None:
        return False
    if (made.wallet_id, made.kind, made.balance_after - made.balance_before) != (wallet.id, kind, amount):
        raise Conflict("This adjustment was made before, with other values. Begin again for another one.")
    return True


def _adjust(account_id: UUID, wallet: Locked, amount: Decimal, purse: str, reason: str, actor: Actor, id: UUID) -> UUID:
    counter, kind = "promotion" if purse == "granted" else "revenue:adjustment", KIND_OF[purse]
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
