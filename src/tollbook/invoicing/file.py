"""The files of invoices and credit notes: a PDF typeset at its first download from the document's own copies, kept, the
same bytes for ever; and UBL for machines, which the PDF carries as Factur-X.

It prints the payment state of the moment of issue, so nothing that happens later can make it wrong or different
(docs/decisions/0004).
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from tollbook.errors import Conflict, NotFound
from tollbook.invoicing import kept
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.einvoice.statement import statement
from tollbook.invoicing.document.einvoice.ubl import ubl
from tollbook.invoicing.document.paper import CREDIT_NOTE, PLAIN_ACCENT, Corrected, Line, Paper, Party
from tollbook.invoicing.document.typeset import typeset
from tollbook.invoicing.tables import CreditNote, CreditNoteLine, Invoice, InvoiceFile, InvoiceLine
from tollbook.money.amount import ZERO

MOST_THREADS = 4
_LINE = ("position", "description", "amount", "quantity", "unit_price", "detail")
_TAXED = ("tax_category", "tax_rate", "tax", "tax_label", "service_from", "service_until")


def pdf(account_id: UUID, number: str) -> bytes:
    """The bytes of the account's invoice with this number. Raises NotFound, for another account's too.

    Any transaction, the portal's included; no locks. Two first downloads at once may both typeset; the first one's bytes
    are kept, and both answer those.
    """
    return pdfs([_invoice(account_id, number)])[0]


def pdfs(invoices: Sequence[Invoice]) -> list[bytes]:
    """The bytes of these invoices of one account, in a few statements however many they are; else as `pdf`."""
    found = _kept(invoices)
    missing = [invoice for invoice in invoices if invoice.id not in found]
    if missing:
        lines = _lines(missing)
        papers = [paper(invoice, lines[invoice.id]) for invoice in missing]
        _keep(list(zip(missing, _typeset(papers), strict=True)))
        found |= _kept(missing)
    return [found[invoice.id] for invoice in invoices]


def xml(account_id: UUID, number: str) -> str:
    """The account's invoice as UBL 2.1. Raises NotFound; Conflict when EN 16931 has no words for it."""
    return _ubl(paper(_invoice(account_id, number)))


def credit_note_pdf(account_id: UUID, number: str) -> bytes:
    """The bytes of the account's credit note with this number; else as `pdf`."""
    note = _credit_note(account_id, number)
    return kept.once(account_id, "credit_note", number, lambda: typeset(credit_note_paper(note)))


def credit_note_xml(account_id: UUID, number: str) -> str:
    """The account's credit note as UBL 2.1; else as `xml`."""
    return _ubl(credit_note_paper(_credit_note(account_id, number)))


def paper(invoice: Invoice, lines: Iterable[InvoiceLine] | None = None) -> Paper:
    """Everything the document prints, from the invoice and its lines (read when they are not given) alone."""
    settled = bool(invoice.payment_note) or invoice.total == 0
    locale = locale_of(invoice.buyer)
    return Paper(
        **_common(invoice, _lines([invoice])[invoice.id] if lines is None else lines),
        payment_state=_payment_state(invoice, locale),
        amount_due=ZERO if settled else invoice.total,
        due_on=None if settled else invoice.due_on,
        period_start_on=invoice.period_start_on,
        period_end_on=invoice.period_end_on,
        notes=invoice.notes,
        payment_instructions="" if settled else invoice.seller.get("payment_instructions", ""),
    )


def credit_note_paper(note: CreditNote) -> Paper:
    """The same of a credit note: what it gives back of which invoice, and why."""
    lines = CreditNoteLine.objects.filter(account_id=note.account_id, credit_note_id=note.id).order_by("position")
    return Paper(
        **_common(note, lines),
        kind=CREDIT_NOTE,
        corrects=Corrected(note.invoice_number, note.invoice_issued_on),
        payment_state=f"Credited against {note.invoice_number}.",
        amount_due=ZERO,
        notes=note.reason,
    )


def party(copied: dict[str, Any]) -> Party:
    """The seller or the buyer as a document copied it."""
    texts = {name: copied.get(name, "") for name in ("name", "legal_name", "country", "tax_id", "email", "phone")}
    return Party(**texts, address_lines=tuple(copied.get("address", "").splitlines()))


def locale_of(buyer: dict[str, Any]) -> str:
    """`en-us`, as accounts have it, becomes `en-US`."""
    language, _, region = buyer.get("locale", "").partition("-")
    return f"{language}-{region.upper()}" if region else language or "en-US"


def _invoice(account_id: UUID, number: str) -> Invoice:
    invoice = Invoice.objects.filter(account_id=account_id, number=number).first()
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.")
    return invoice


def _credit_note(account_id: UUID, number: str) -> CreditNote:
    note = CreditNote.objects.filter(account_id=account_id, number=number).first()
    if note is None:
        raise NotFound(f"There is no credit note {number}.")
    return note


def _ubl(paper: Paper) -> str:
    said = statement(paper)
    if said is None:
        raise Conflict(f"EN 16931 has no words for {paper.number}, so there is no XML of it; its PDF says all.")
    return ubl(said)


def _common(document: Invoice | CreditNote, lines: Iterable[InvoiceLine | CreditNoteLine]) -> dict[str, Any]:
    return {
        "number": document.number,
        "issued_on": document.issued_on,
        "currency": document.currency,
        "seller": party(document.seller),
        "buyer": party(document.buyer),
        "lines": tuple(Line(**{name: getattr(row, name) for name in (*_LINE, *_TAXED)}) for row in lines),
        "subtotal": document.subtotal,
        "tax": document.tax,
        "total": document.total,
        "po_number": document.po_number,
        "tax_note": document.tax_note,
        "logo_svg": document.seller.get("logo_svg") or None,
        "accent": document.seller.get("accent") or PLAIN_ACCENT,
        "locale": locale_of(document.buyer),
        "zone": document.buyer.get("timezone") or "UTC",
    }


def _payment_state(invoice: Invoice, locale: str) -> str:
    if invoice.payment_note:
        return invoice.payment_note
    if invoice.total == 0:
        return "Nothing to pay."
    return f"Due on {figures.day(invoice.due_on, locale)}."


def _lines(invoices: Sequence[Invoice]) -> dict[UUID, list[InvoiceLine]]:
    """The lines of each of these invoices of one account."""
    found: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for row in InvoiceLine.objects.filter(**_of(invoices)).order_by("invoice_id", "position"):
        found[row.invoice_id].append(row)
    return found


def _kept(invoices: Sequence[Invoice]) -> dict[UUID, bytes]:
    rows = InvoiceFile.objects.filter(**_of(invoices)).values_list("invoice_id", "content")
    return {invoice_id: bytes(content) for invoice_id, content in rows}


def _typeset(papers: Sequence[Paper]) -> list[bytes]:
    """Several at once: typst works outside Python's lock."""
    return [typeset(papers[0])] if len(papers) == 1 else list(_threads().map(typeset, papers))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), thread_name_prefix="typeset")


def _of(invoices: Sequence[Invoice]) -> dict[str, Any]:
    account_ids = {invoice.account_id for invoice in invoices}
    assert len(account_ids) == 1, "statements name one account"
    return {"account_id": account_ids.pop(), "invoice_id__in": [invoice.id for invoice in invoices]}


def _keep(made: Sequence[tuple[Invoice, bytes]]) -> None:
    now = datetime.now(UTC)
    rows = [
        InvoiceFile(
            account_id=invoice.account_id,
            invoice_id=invoice.id,
            sha256=hashlib.sha256(content).digest(),
            content=content,
            typeset_at=now,
        )
        for invoice, content in made
    ]
    InvoiceFile.objects.bulk_create(rows, ignore_conflicts=True)
