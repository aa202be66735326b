"""A bank transfer that a person saw arrive: received and applied to its invoice, once; what is more becomes credit."""

from decimal import Decimal

from django.db import transaction

from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing.tables import Invoice, OpenBalance, Settlement
from tollbook.money.amount import ZERO, to_minor
from tollbook.money.written import money
from tollbook.payments.captured import pay_with
from tollbook.payments.receive import receive
from tollbook.payments.tables import Payment

GATEWAY = "manual"
LABEL = "Bank transfer"
LONGEST_REFERENCE = 120
LARGEST_CREDIT = Decimal(1_000_000)
"""More than this above what is owed is a slip of the keys."""


def record_transfer(account: Account, invoice_number: str, amount: Decimal, reference: str, actor: Actor) -> Payment:
    """Record `amount` (the account's currency, its minor unit) as received and paid on one invoice.

    The bank's `reference` names the transfer: the same one again, for the same invoice and amount, answers the payment there
    is. Own transaction; locks the account's row, then the open balance. Posts Dr cash:manual / Cr clearing:manual, then
    Dr clearing:manual / Cr receivable, and what is more than was owed to `credit`; audited. Raises NotFound; Invalid for a
    bad amount or no reference; Conflict for a reference that was recorded for something else.
    """
    reference = " ".join(reference.split())
    if not 1 <= len(reference) <= LONGEST_REFERENCE:
        raise Invalid("Write the reference that the bank shows, up to 120 characters.", field="reference")
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(id=account.id)
        invoice = Invoice.objects.filter(account_id=account.id, number=invoice_number).first()
        if invoice is None:
            raise NotFound(f"There is no invoice {invoice_number}.")
        known = _known(account, invoice, amount, reference)
        return known or _record(account, invoice, amount, reference, actor)


def _known(account: Account, invoice: Invoice, amount: Decimal, reference: str) -> Payment | None:
    mine = Payment.objects.filter(account_id=account.id, gateway=GATEWAY, charge_reference=reference)
    payment = mine.first()
    if payment is None:
        return None
    settled = Settlement.objects.filter(account_id=account.id, payment_id=payment.id)
    if payment.amount != amount or not settled.filter(invoice_id=invoice.id, cause="").exists():
        raise Conflict(
            f"This reference was recorded before, with {money(payment.amount, payment.currency)}. A transfer that pays "
            "several invoices is recorded once for each: add the invoice's number to the reference.",
            field="reference",
        )
    return payment


def _record(account: Account, invoice: Invoice, amount: Decimal, reference: str, actor: Actor) -> Payment:
    open_ = OpenBalance.objects.get(account_id=account.id, invoice_id=invoice.id).balance
    check(amount, open_, invoice.number, invoice.currency)
    payment = receive(account.id, GATEWAY, reference, amount, invoice.currency, LABEL, actor.name)
    pay_with(payment, invoice.id)
    note(
        account.id,
        actor,
        "payment.record",
        f"invoice/{invoice.number}",
        before={"balance": str(open_)},
        after={"balance": str(max(open_ - amount, ZERO)), "amount": str(amount), "reference": reference},
    )
    return payment


def check(amount: Decimal, balance: Decimal, number: str, currency: str) -> None:
    """Raise Invalid, with the field, for an amount that can't be paid on an invoice on which `balance` is open.

    More than is open may be paid; the rest becomes account credit.
    """
    if not amount.is_finite() or amount <= 0 or to_minor(amount, currency) != amount:
        raise Invalid("The amount is more than zero and no finer than the currency can be paid.", field="amount")
    if balance == 0:
        raise Conflict(f"{number} is paid; nothing is open on it.")
    if amount - balance > LARGEST_CREDIT:
        raise Invalid(f"{money(balance, currency)} is open on {number}; is this amount right?", field="amount")
