"""Account credit: what was paid and is not needed yet. Each bit of it belongs to the payment it came with.

It arises from paying more than is owed, and waits for the next invoice or goes back to who paid it. In the books it
stands as `credit`, a liability, and equals the sum of what is left of payments (`open_credit`).
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from tollbook.errors import Conflict
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.settle import settle as apply
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO
from tollbook.payments.tables import OpenCredit, Payment
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
CODE = "credit"
LIMIT = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Credit of one payment that one invoice could use, in their currency."""

    payment_id: UUID
    credit: Decimal
    invoice_id: UUID
    owed: Decimal


class CreditGone(Conflict):
    """This much of the payment is not there as credit any more; nothing was changed."""

    code = "credit_gone"


def of_account(account_id: UUID) -> Decimal:
    """The account's credit, in its currency. Reads only."""
    return OpenCredit.objects.filter(account_id=account_id).aggregate(sum=Sum("balance"))["sum"] or ZERO


def of_payment(account_id: UUID, payment_id: UUID) -> Decimal:
    """What is left of one payment as credit. Reads only."""
    found = OpenCredit.objects.filter(account_id=account_id, payment_id=payment_id).first()
    return found.balance if found else ZERO


def park(payment: Payment, amount: Decimal, reference: str, out_of: str) -> None:
    """Make `amount` > 0 of a payment credit of its account: Dr `out_of`, Cr credit. `reference` names the cause, once.

    Transaction: the caller's, required. Locks: the caller holds the account's row. Raises AlreadyPosted.
    """
    values = {"account_id": payment.account_id, "payment_id": payment.id, "amount": amount}
    with connection.cursor() as cursor:
        cursor.execute(SQL["open"], values)
        cursor.execute(SQL["add"], values)
    sides = [Side(out_of, amount), Side(CODE, -amount)]
    post(payment.account_id, payment.currency, [Movement(new_id(), "credit", reference, sides, "Kept as account credit")])
    wake.tell(payment.account_id)


def draw(account_id: UUID, payment_id: UUID, amount: Decimal) -> None:
    """Take `amount` out of what is left of a payment; the caller posts where it goes (Dr credit).

    Transaction: the caller's, required. Locks: the caller holds the account's row. Raises CreditGone.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["draw"], {"account_id": account_id, "payment_id": payment_id, "amount": amount})
        if cursor.rowcount != 1:
            raise CreditGone(f"{amount} of this payment is not there as credit any more.")


def use(account_id: UUID) -> int:
    """Apply the account's credit to its open invoices, what is due first first; answers how many times.

    Transaction: the caller's, required. Locks the account's row. Credit of a payment that is disputed stays frozen.
    """
    lock_settlements(account_id)
    done = 0
    while (wanted := _next(account_id)) is not None:
        amount = min(wanted.credit, wanted.owed)
        draw(account_id, wanted.payment_id, amount)
        apply(account_id, wanted.invoice_id, wanted.payment_id, amount, cause=f"credit:{new_id()}", out_of=CODE)
        done += 1
    return done


def use_everywhere(limit: int = LIMIT) -> int:
    """The same for every account that has credit and owes; an own transaction for each."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["accounts"], {"limit": limit})
        account_ids = [row[0] for row in cursor.fetchall()]
    return sum(_use(account_id) for account_id in account_ids)


def _use(account_id: UUID) -> int:
    return in_transaction(lambda: use(account_id))


def _next(account_id: UUID) -> Wanted | None:
    with connection.cursor() as cursor:
        cursor.execute(SQL["next"], {"account_id": account_id})
        row = cursor.fetchone()
    return Wanted(*row) if row else None
