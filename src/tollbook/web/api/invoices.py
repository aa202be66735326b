"""GET /accounts/{slug}/invoices, one invoice, its PDF."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tollbook.errors import NotFound
from tollbook.invoicing import file, history
from tollbook.invoicing.history import Filter, Opened, Row
from tollbook.invoicing.status import Status
from tollbook.money.amount import to_minor
from tollbook.web.api import pages
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import plain
from tollbook.web.api.pages import Cursor, Page, cut, place_of

Limit = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=history.LARGEST_PAGE - 1)]
IssuedFrom = Annotated[date | None, QueryParameter(description="Issued on this day or later.")]
IssuedUntil = Annotated[date | None, QueryParameter(description="Issued on this day or earlier.")]


class InvoiceRow(msgspec.Struct):
    """One invoice in the list. Amounts in `currency`, at its minor unit."""

    number: str
    kind: str
    currency: str
    amount: Decimal
    balance: Decimal
    status: Status
    issued_on: date
    due_on: date


class LineAnswer(msgspec.Struct):
    """One printed line; the lines sum to the subtotal."""

    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal


class SettlementAnswer(msgspec.Struct):
    """A part of a payment that was applied to the invoice."""

    payment_id: UUID
    amount: Decimal
    settled_at: datetime


class InvoiceAnswer(msgspec.Struct):
    """One invoice, opened. Amounts in `currency`, at its minor unit; unit prices have up to 6 places."""

    number: str
    kind: str
    currency: str
    subtotal: Decimal
    tax: Decimal
    amount: Decimal
    balance: Decimal
    status: Status
    issued_on: date
    due_on: date
    period_start_on: date | None
    period_end_on: date | None
    po_number: str
    lines: list[LineAnswer]
    settlements: list[SettlementAnswer]


@get("/accounts/{slug:str}/invoices", sync_to_thread=True, opt={"scope": "read"})
def list_invoices(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    status: Annotated[Status | None, QueryParameter(description="Of this status only.")] = None,
    issued_from: IssuedFrom = None,
    issued_until: IssuedUntil = None,
    cursor: Cursor = None,
    limit: Limit = pages.USUAL,
) -> Page[InvoiceRow]:
    """Invoices, newest first."""
    account = request.auth.account(slug)
    wanted = Filter(frozenset([status] if status else []), issued_from, issued_until)
    rows = history.newest(account.id, wanted, place_of(cursor, int), limit + 1)
    return cut(rows, limit, _row, lambda row: str(row.sequence))


@get("/accounts/{slug:str}/invoices/{number:str}", sync_to_thread=True, opt={"scope": "read"})
def get_invoice(request: Request[Any, Caller, Any], slug: FromPath[str], number: FromPath[str]) -> Response[InvoiceAnswer]:
    """One invoice with its lines and settlements; with `.pdf` after its number, the document, the same bytes for ever; with
    `.xml`, the same by EN 16931 as UBL 2.1."""
    account = request.auth.account(slug)
    if number.endswith(".pdf"):
        return _pdf(account.id, number.removesuffix(".pdf"))
    if number.endswith(".xml"):
        return _xml(account.id, number.removesuffix(".xml"))
    return Response(_opened(history.find(account.id, number)))


def _pdf(account_id: UUID, number: str) -> Any:
    if not number:
        raise NotFound("Name an invoice.")
    headers = {"Content-Disposition": f'attachment; filename="{number}.pdf"'}
    return Response(file.pdf(account_id, number), media_type="application/pdf", headers=headers)


def _xml(account_id: UUID, number: str) -> Any:
    headers = {"Content-Disposition": f'attachment; filename="{number}.xml"'}
    return Response(file.xml(account_id, number).encode(), media_type="application/xml", headers=headers)


def _row(row: Row) -> InvoiceRow:
    return InvoiceRow(
        number=row.number,
        kind=row.kind,
        currency=row.currency,
        amount=to_minor(row.total, row.currency),
        balance=to_minor(row.balance, row.currency),
        status=row.status,
        issued_on=row.issued_on,
        due_on=row.due_on,
    )


def _opened(opened: Opened) -> InvoiceAnswer:
    invoice = opened.invoice

    def minor(amount: Decimal) -> Decimal:
        return to_minor(amount, invoice.currency)

    return InvoiceAnswer(
        number=invoice.number,
        kind=invoice.kind,
        currency=invoice.currency,
        subtotal=minor(invoice.subtotal),
        tax=minor(invoice.tax),
        amount=minor(invoice.total),
        balance=minor(opened.balance),
        status=opened.status,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        period_start_on=invoice.period_start_on,
        period_end_on=invoice.period_end_on,
        po_number=invoice.po_number,
        lines=[
            LineAnswer(line.description, line.detail, plain(line.quantity), plain(line.unit_price), minor(line.amount))
            for line in opened.lines
        ],
        settlements=[SettlementAnswer(one.payment_id, minor(one.amount), one.settled_at) for one in opened.settlements],
    )
