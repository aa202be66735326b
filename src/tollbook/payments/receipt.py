"""The receipt of a payment: what came, when, how, and which invoices it was for when the receipt was first asked for."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.account import by_id
from tollbook.errors import NotFound
from tollbook.invoicing import kept
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.sheet import Column, Sheet
from tollbook.invoicing.document.typeset import typeset_sheet
from tollbook.invoicing.file import locale_of
from tollbook.invoicing.letterhead import letterhead
from tollbook.invoicing.seller import buyer
from tollbook.invoicing.tables import Invoice, Settlement
from tollbook.money.amount import ZERO, to_minor
from tollbook.payments.tables import Payment

COLUMNS = (Column("Invoice"), Column("Issued"), Column("Invoice total", is_figure=True), Column("Paid", is_figure=True))


def receipt_pdf(account_id: UUID, payment_id: UUID) -> bytes:
    """The document, the same bytes for ever. Any transaction, the portal's included. Raises NotFound."""
    payment = Payment.objects.filter(account_id=account_id, id=payment_id).first()
    if payment is None:
        raise NotFound("There is no such payment.")
    return kept.once(account_id, "receipt", str(payment_id), lambda: typeset_sheet(receipt(payment)))


def receipt(payment: Payment) -> Sheet:
    """Everything the document prints; reads only."""
    account = by_id(payment.account_id)
    locale = locale_of(buyer(account))

    def money(amount: Decimal) -> str:
        return figures.money(to_minor(amount, payment.currency), payment.currency, locale)

    applied = _applied(payment)
    left = payment.amount - sum((amount for _, amount in applied), ZERO)
    received_on = payment.received_at.astimezone(ZoneInfo(account.timezone)).date()
    with_what = payment.method_label or payment.gateway.capitalize()
    return Sheet(
        kind="Receipt",
        number=str(payment.id).rpartition("-")[2].upper(),
        made_on=received_on,
        facts=(
            ("Received", figures.day(received_on, locale)),
            ("Paid with", with_what),
            ("Reference", payment.charge_reference),
        ),
        headline=("Received", money(payment.amount), payment.currency),
        state=f"Paid on {figures.day(received_on, locale)} by {with_what}",
        is_settled=True,
        columns=COLUMNS,
        rows=tuple(
            (one.number, figures.day(one.issued_on, locale), money(one.total), money(amount)) for one, amount in applied
        ),
        sums=(*([("Kept as credit", money(left))] if left > 0 else []), ("Received", money(payment.amount))),
        empty="Not applied to an invoice yet.",
        **letterhead(account),
    )


def _applied(payment: Payment) -> Sequence[tuple[Invoice, Decimal]]:
    """The invoices that the payment itself, not a later use of its credit, was applied to."""
    mine = Settlement.objects.filter(account_id=payment.account_id, payment_id=payment.id, cause="")
    parts = list(mine.order_by("id").values_list("invoice_id", "amount"))
    found = Invoice.objects.filter(account_id=payment.account_id, id__in=[invoice_id for invoice_id, _ in parts])
    invoices = {invoice.id: invoice for invoice in found}
    return [(invoices[invoice_id], amount) for invoice_id, amount in parts]
