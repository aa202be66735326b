"""Give up what is owed: an invoice that nobody will pay is written off as bad debt, until somebody does pay after all."""

from decimal import Decimal

from django.db.models import Sum

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.invoicing.credit_note import open_of, record, reduce
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import Invoice, Reduction, ReductionKind
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id

CODE = "bad_debt"
"""The account of the books that carries what was written off."""


def write_off(account: Account, invoice: Invoice, reason: str, actor: str) -> Reduction:
    """Write off all that is owed on an invoice: Dr bad_debt, Cr receivable.

    Transaction: the caller's, required. Locks: the account's row, then the open balance. Tax stays as declared: where law
    gives it back, that is claimed outside. Raises Invalid (no reason), Conflict (nothing is owed).
    """
    lock_settlements(account.id)
    owed = open_of(invoice)
    if owed <= 0:
        raise Conflict(f"Nothing is owed on {invoice.number}.")
    return _move(invoice, owed, reason, actor)


def take_back(account: Account, invoice: Invoice, reason: str, actor: str) -> Reduction:
    """Undo the write-off of an invoice, so that it is owed and can be paid. Transaction, locks and errors as `write_off`."""
    lock_settlements(account.id)
    off = written_off(invoice)
    if off <= 0:
        raise Conflict(f"Nothing of {invoice.number} is written off.")
    return _move(invoice, -off, reason, actor)


def written_off(invoice: Invoice) -> Decimal:
    """What of an invoice is written off now."""
    mine = Reduction.objects.filter(
        account_id=invoice.account_id, invoice_id=invoice.id, kind=ReductionKind.WRITE_OFF
    )
    return mine.aggregate(sum=Sum("amount"))["sum"] or ZERO


def _move(invoice: Invoice, amount: Decimal, reason: str, actor: str) -> Reduction:
    if not reason.strip():
        raise Invalid("Say why: the reason is part of the books.", field="reason")
    reduce(invoice, amount, ReductionKind.WRITE_OFF)
    made = record(invoice, ReductionKind.WRITE_OFF, amount, reason.strip()[:300], actor)
    what = f"{invoice.number} written off" if amount > 0 else f"{invoice.number} is owed again"
    sides = [Side(CODE, amount), Side("receivable", -amount)]
    post(invoice.account_id, invoice.currency, [Movement(new_id(), "write_off", str(made.id), sides, what, actor)])
    wake.tell(invoice.account_id)
    return made
