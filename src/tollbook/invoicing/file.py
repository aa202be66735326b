"""The PDF of an invoice: typeset at its first download from the invoice's own copies, kept, the same bytes for ever.

It prints the payment state of the moment of issue, so nothing that happens later can make it wrong or different
(docs/decisions/0004).
"""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tollbook.errors import NotFound
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.paper import Line, Paper, Party
from tollbook.invoicing.document.typeset import typeset
from tollbook.invoicing.tables import Invoice, InvoiceFile, InvoiceLine
from tollbook.money.amount import ZERO

PLAIN_ACCENT = "#3b5bdb"


def pdf(account_id: UUID, number: str) -> bytes:
    """The bytes of the account's invoice with this number. Raises NotFound, for another account's too.

    Any transaction, the portal's included; no locks. Two first downloads at once may both typeset; the first one's bytes
    are kept, and both answer those.
    """
    invoice = Invoice.objects.filter(account_id=account_id, number=number).first()
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.")
    return _kept(invoice) or _keep(invoice, typeset(paper(invoice)))


def paper(invoice: Invoice) -> Paper:
    """Everything the document prints, from the invoice and its lines alone."""
    locale = _locale(invoice.buyer.get("locale", ""))
    settled = bool(invoice.payment_note) or invoice.total == 0
    return Paper(
        number=invoice.number,
        issued_on=invoice.issued_on,
        currency=invoice.currency,
        seller=_party(invoice.seller),
        buyer=_party(invoice.buyer),
        lines=tuple(_lines(invoice)),
        subtotal=invoice.subtotal,
        tax=invoice.tax,
        total=invoice.total,
        payment_state=_payment_state(invoice, locale),
        amount_due=ZERO if settled else invoice.total,
        due_on=None if settled else invoice.due_on,
        po_number=invoice.po_number,
        tax_note=invoice.tax_note,
        notes=invoice.notes,
        period_start_on=invoice.period_start_on,
        period_end_on=invoice.period_end_on,
        payment_instructions="" if settled else invoice.seller.get("payment_instructions", ""),
        logo_svg=invoice.seller.get("logo_svg") or None,
        accent=invoice.seller.get("accent") or PLAIN_ACCENT,
        locale=locale,
        zone=invoice.buyer.get("timezone") or "UTC",
    )


def _payment_state(invoice: Invoice, locale: str) -> str:
    if invoice.payment_note:
        return invoice.payment_note
    if invoice.total == 0:
        return "Nothing to pay."
    return f"Due on {figures.day(invoice.due_on, locale)}."


def _party(copied: dict[str, Any]) -> Party:
    texts = {name: copied.get(name, "") for name in ("name", "legal_name", "country", "tax_id", "email", "phone")}
    return Party(**texts, address_lines=tuple(copied.get("address", "").splitlines()))


def _lines(invoice: Invoice) -> list[Line]:
    rows = InvoiceLine.objects.filter(account_id=invoice.account_id, invoice_id=invoice.id).order_by("position")
    return [_line(row) for row in rows]


def _line(row: InvoiceLine) -> Line:
    same = ("position", "description", "amount", "quantity", "unit_price", "detail")
    taxed = ("tax_category", "tax_rate", "tax", "tax_label", "service_from", "service_until")
    return Line(**{name: getattr(row, name) for name in (*same, *taxed)})


def _locale(copied: str) -> str:
    """`en-us`, as accounts have it, becomes `en-US`."""
    language, _, region = copied.partition("-")
    return f"{language}-{region.upper()}" if region else language or "en-US"


def _kept(invoice: Invoice) -> bytes | None:
    rows = InvoiceFile.objects.filter(account_id=invoice.account_id, invoice_id=invoice.id)
    content = rows.values_list("content", flat=True).first()
    return None if content is None else bytes(content)


def _keep(invoice: Invoice, content: bytes) -> bytes:
    row = InvoiceFile(
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        sha256=hashlib.sha256(content).digest(),
        content=content,
        typeset_at=datetime.now(UTC),
    )
    InvoiceFile.objects.bulk_create([row], ignore_conflicts=True)
    kept = _kept(invoice)
    assert kept is not None, "the row was inserted, by us or by the transaction that we waited for"
    return kept
