"""Apply a payment to an invoice: never twice, never more than is owed, never more than was paid."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing import tally
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import to_minor
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)


class Overpaid(Conflict):
    """More than is owed on the invoice, or more than is left of the payment; nothing was changed."""

    code = "overpaid"


class SettledOtherwise(Conflict):
    """This payment was applied to this invoice before, with another amount; nothing was changed."""

    code = "settled_otherwise"


@dataclass(frozen=True, slots=True)
class _Facts:
    number: str
    balance: Decimal
    invoice_currency: str
    currency: str
    gateway: str
    paid: Decimal
    used: Decimal
    here: Decimal
    known: Decimal | None


def lock_settlements(account_id: UUID) -> None:
    """Let the settlements of an account take turns, until the caller's transaction ends.

    Whoever issues and settles in one transaction calls this first, because the number series' lock must come last.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["lock_account"], {"account_id": account_id})


def settle(
    account_id: UUID, invoice_id: UUID, payment_id: UUID, amount: Decimal, cause: str = "", out_of: str = ""
) -> Decimal:
    """Take `amount` of a payment off what is owed on an invoice; answers the new balance, in the invoice's currency.

    Transaction: the caller's, required. Locks: the account's row (settlements of an account take turns), then the open
    balance. Posts Dr clearing:<gateway> (or `out_of`, where the money waited since), Cr receivable. Repeating a settlement
    with the same amount and cause changes nothing. Raises NotFound, Invalid (amount not positive or too fine, other
    currency), Overpaid and SettledOtherwise.
    """
    facts = _facts(account_id, invoice_id, payment_id, cause)
    if facts.known == amount:
        return facts.balance
    _check(facts, amount)
    sides = [Side(out_of or f"clearing:{facts.gateway}", amount), Side("receivable", -amount)]
    return _move(account_id, invoice_id, payment_id, facts, amount, cause, sides)


def take_back(
    account_id: UUID, invoice_id: UUID, payment_id: UUID, amount: Decimal, cause: str, into: str
) -> Decimal:
    """The reverse: `amount` > 0 of what this payment settled is owed again; answers the new balance.

    For money that goes back to who paid it. Transaction and locks as `settle`. Posts Dr receivable, Cr `into`, where the
    money is then. The same cause again changes nothing. Raises NotFound, Overpaid (more than it settled there),
    SettledOtherwise.
    """
    facts = _facts(account_id, invoice_id, payment_id, cause)
    if facts.known == -amount:
        return facts.balance
    if facts.known is not None or amount <= 0:
        raise SettledOtherwise(f"{facts.known} of this payment was moved on {facts.number} before, for this cause.")
    if amount > facts.here:
        raise Overpaid(f"{facts.here} of this payment is applied to {facts.number}; {amount} is more.")
    return _move(
        account_id, invoice_id, payment_id, facts, -amount, cause, [Side("receivable", amount), Side(into, -amount)]
    )


def _facts(account_id: UUID, invoice_id: UUID, payment_id: UUID, cause: str) -> _Facts:
    lock_settlements(account_id)
    wanted = {"account_id": account_id, "invoice_id": invoice_id, "payment_id": payment_id, "cause": cause}
    with connection.cursor() as cursor:
        cursor.execute(SQL["look"], wanted)
        found = cursor.fetchone()
    if found is None:
        raise NotFound("There is no such invoice or no such payment.")
    return _Facts(*found)


def _move(
    account_id: UUID,
    invoice_id: UUID,
    payment_id: UUID,
    facts: _Facts,
    amount: Decimal,
    cause: str,
    sides: list[Side],
) -> Decimal:
    row = {
        "account_id": account_id,
        "id": new_id(),
        "invoice_id": invoice_id,
        "payment_id": payment_id,
        "amount": amount,
        "cause": cause,
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL["take_off"], row)
        [balance] = cursor.fetchone()
        cursor.execute(SQL["insert_settlement"], row)
    tally.count([tally.Change(account_id, invoice_id, before=balance + amount)])
    what = f"Payment of {facts.number}" if amount > 0 else f"{facts.number} is owed again"
    post(account_id, facts.currency, [Movement(new_id(), "settlement", str(row["id"]), sides, what)])
    wake.tell(account_id)
    return Decimal(balance)


def _check(facts: _Facts, amount: Decimal) -> None:
    if facts.known is not None:
        raise SettledOtherwise(f"{facts.known} of this payment was applied to {facts.number} before.")
    if facts.currency != facts.invoice_currency:
        raise Invalid(
            f"{facts.number} is in {facts.invoice_currency}, the payment in {facts.currency}.", field="payment"
        )
    if not amount.is_finite() or amount <= 0 or to_minor(amount, facts.currency) != amount:
        raise Invalid("The amount is more than zero and no finer than the currency can be paid.", field="amount")
    if amount > facts.balance:
        raise Overpaid(f"{facts.balance} is owed on {facts.number}; {amount} is more.", owed=str(facts.balance))
    if amount > facts.paid - facts.used:
        raise Overpaid(f"{facts.paid - facts.used} is left of this payment; {amount} is more.")
