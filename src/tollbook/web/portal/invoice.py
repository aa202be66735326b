"""One invoice: the page behind its number, its PDF, its lines as CSV."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path, register_converter, reverse
from django.urls.converters import StringConverter
from django.utils.cache import get_conditional_response

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Area
from tollbook.invoicing import around, credit_note, file, history
from tollbook.invoicing.document.einvoice.statement import statement
from tollbook.invoicing.history import Opened
from tollbook.invoicing.status import Status
from tollbook.invoicing.tables import InvoiceKind, InvoiceLine
from tollbook.ledger import trace
from tollbook.ledger.trace import Traced
from tollbook.money.amount import to_minor
from tollbook.payments import intent
from tollbook.payments.applied import Applied, applied
from tollbook.postgres.scope import rows_of
from tollbook.rating.tables import CreditType
from tollbook.web import sheets
from tollbook.web.formats import day, money
from tollbook.web.portal.page import PortalRequest, page

CSV_COLUMNS = ("Description", "Detail", "Quantity", "Unit Price", "Amount", "Currency")
IN_THE_BOOKS = {
    "invoice": "Invoice issued",
    "refill": "Credit added",
    "payment": "Payment received",
    "settlement": "Payment applied",
    "credit": "Kept as account credit",
    "credit_note": "Credited",
    "write_off": "Written off",
}


class NumberConverter(StringConverter):
    """An invoice number in an address; with anything else, there is no such page."""

    regex = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"


register_converter(NumberConverter, "number")


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry of the ledger as a table row; what and when stand at the first entry of a transfer only.

    `url` is that of the transfer in its wallet's own record, when it moved one and the reader may open it.
    """

    transfer: Traced | None
    what: str
    url: str | None
    code: str
    debit: Decimal | None
    credit: Decimal | None


@dataclass(frozen=True, slots=True)
class Bought:
    """The wallet that a refill went to, and whether the reader may open it."""

    type_code: str
    name: str
    may_open: bool

    @property
    def url(self) -> str | None:
        """The wallet's page."""
        return reverse("portal:wallet", args=[self.type_code]) if self.may_open else None

    def transfer_url(self, transfer: Traced) -> str | None:
        """The page of this transfer in the wallet's record, when it moved the wallet."""
        if not self.may_open or transfer.wallet_id is None:
            return None
        return reverse("portal:transfer", args=[self.type_code, transfer.id])


@page(area=Area.INVOICES)
def invoice(request: PortalRequest, number: str) -> HttpResponse:
    """What it is for, what was paid, who did it and when, and where it stands in the books."""
    today = today_in(request.account)
    opened = history.find(request.account.id, number, today)
    paid = applied(request.account.id, opened.settlements)
    bought = _bought(request, opened)
    before, after = around.neighbours(request.account.id, opened.invoice.sequence)
    paper = file.paper(opened.invoice, opened.lines)
    context = {
        "invoice": opened.invoice,
        "lines": opened.lines,
        "status": opened.status.label,
        "balance": opened.balance,
        "settled": opened.paid,
        "credited": opened.credited,
        "written_off": opened.written_off,
        "credit_notes": credit_note.of_invoice(request.account.id, opened.invoice.id),
        "state": state(opened),
        "paper": paper,
        "has_xml": statement(paper) is not None,
        "applied": paid,
        "asked_for": intent.of_invoice(request.account.id, opened.invoice.id),
        "booked": booked(trace.caused_by(request.account.id, _causes(opened, paid)), bought),
        "bought": bought,
        "before": before,
        "after": after,
    }
    return render(request, "tollbook/portal/invoice.html", context)


@page(area=Area.INVOICES)
def invoice_pdf(request: PortalRequest, number: str) -> HttpResponseBase:
    """The document, the same bytes every time."""
    return _document(request, file.pdf(request.account.id, number), number)


@page(area=Area.INVOICES)
def invoice_xml(request: PortalRequest, number: str) -> HttpResponseBase:
    """The invoice for machines: UBL 2.1 by EN 16931."""
    return _xml(file.xml(request.account.id, number), number)


@page(area=Area.INVOICES)
def credit_note_pdf(request: PortalRequest, number: str) -> HttpResponseBase:
    """A credit note's document, the same bytes every time."""
    return _document(request, file.credit_note_pdf(request.account.id, number), number)


@page(area=Area.INVOICES)
def credit_note_xml(request: PortalRequest, number: str) -> HttpResponseBase:
    """The same for machines."""
    return _xml(file.credit_note_xml(request.account.id, number), number)


@page(area=Area.INVOICES, scope=False)
def invoice_csv(request: PortalRequest, number: str) -> HttpResponseBase:
    """Its lines."""
    with rows_of(request.account.id):
        opened = history.find(request.account.id, number)
        rows = (_cells(line, opened.invoice.currency) for line in opened.lines)
        return sheets.answer(request, f"{number}.csv", CSV_COLUMNS, rows)


def _xml(content: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/xml")
    response["Content-Disposition"] = f'attachment; filename="{name}.xml"'
    return response


def _document(request: PortalRequest, content: bytes, name: str) -> HttpResponseBase:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    response["ETag"] = etag
    return get_conditional_response(request, etag=etag, response=response) or response


def state(opened: Opened) -> str:
    """Where it stands, in a sentence: "$1,245.00 is due on Nov 15, 2026."."""
    invoice, owed = opened.invoice, money(opened.balance, opened.invoice.currency)
    if opened.status == Status.PAID:
        return _paid(opened)
    if opened.status == Status.WRITTEN_OFF:
        return f"{money(opened.written_off, invoice.currency)} was written off on {_given_up_on(opened)}; nothing is owed."
    if opened.balance < invoice.total:
        owed = f"{owed} of {money(invoice.total, invoice.currency)}"
    if opened.status == Status.POSTED:
        return f"{owed} is due on {day(invoice.due_on)}."
    overdue_from = day(invoice.grace_until_on + timedelta(days=1))
    if opened.status == Status.UNPAID:
        return f"{owed} was due on {day(invoice.due_on)} and will be overdue from {overdue_from}."
    return f"{owed} was due on {day(invoice.due_on)} and is overdue since {overdue_from}."


def booked(transfers: list[Traced], bought: Bought | None) -> list[Booked]:
    """The entries of these transfers, one after the other."""
    rows = []
    for transfer in transfers:
        what = IN_THE_BOOKS.get(transfer.kind, transfer.kind.replace("_", " ").capitalize())
        url = bought.transfer_url(transfer) if bought else None
        for position, side in enumerate(transfer.sides):
            debit, credit = (side.amount, None) if side.amount > 0 else (None, -side.amount)
            rows.append(Booked(None if position else transfer, what, url, side.code, debit, credit))
    return rows


def _paid(opened: Opened) -> str:
    if opened.credited and not opened.paid:
        return f"Credited in full on {day(opened.reductions[-1].reduced_at)}."
    if not opened.settlements:
        return "There was nothing to pay."
    return f"Paid in full on {day(opened.settlements[-1].settled_at)}."


def _given_up_on(opened: Opened) -> str:
    return day(next(one.reduced_at for one in reversed(opened.reductions) if not one.credit_note_id))


def _causes(opened: Opened, paid: list[Applied]) -> Iterator[tuple[str, str]]:
    """What put this invoice into the books: its issue (or the refill that it is for), and each payment and its use."""
    yield "invoice", str(opened.invoice.id)
    if opened.invoice.kind == InvoiceKind.REFILL:
        yield "refill", opened.invoice.cause
    for reduction in opened.reductions:
        yield reduction.kind, str(reduction.credit_note_id or reduction.id)
    for one in paid:
        yield "payment", str(one.payment_id)
        yield "settlement", str(one.settlement_id)


def _bought(request: PortalRequest, opened: Opened) -> Bought | None:
    if opened.invoice.kind != InvoiceKind.REFILL:
        return None
    _, code, _ = opened.lines[0].revenue_code.split(":")
    return Bought(code, CreditType.objects.get(code=code).name, request.rights[Area.CREDITS].read)


def _cells(line: InvoiceLine, currency: str) -> tuple[sheets.Value, ...]:
    amount = to_minor(line.amount, currency)
    return line.description, line.detail, line.quantity.normalize(), _price(line, currency), amount, currency


def _price(line: InvoiceLine, currency: str) -> Decimal:
    """As fine as it is, and at least as fine as the currency."""
    whole = to_minor(line.unit_price, currency)
    return whole if whole == line.unit_price else line.unit_price.normalize()


urls = [
    path("billing/invoices/<number:number>.pdf", invoice_pdf, name="invoice-pdf"),
    path("billing/invoices/<number:number>.xml", invoice_xml, name="invoice-xml"),
    path("billing/credit-notes/<number:number>.pdf", credit_note_pdf, name="credit-note-pdf"),
    path("billing/credit-notes/<number:number>.xml", credit_note_xml, name="credit-note-xml"),
    path("billing/invoices/<number:number>.csv", invoice_csv, name="invoice-csv"),
    path("billing/invoices/<number:number>/", invoice, name="invoice"),
]
