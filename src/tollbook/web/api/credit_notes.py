"""GET /accounts/{slug}/credit-notes, one credit note, its PDF and XML."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tollbook.invoicing import credit_note, file
from tollbook.invoicing.credit_note import Place
from tollbook.invoicing.tables import CreditNote
from tollbook.money.amount import to_minor
from tollbook.web.api import pages
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import plain
from tollbook.web.api.pages import Cursor, Limit, Page, cut, place_of


class CreditNoteRow(msgspec.Struct):
    """One credit note in the list: `amount`, with its tax, came off `invoice`. Amounts in `currency`, above zero."""

    number: str
    invoice: str
    currency: str
    subtotal: Decimal
    tax: Decimal
    amount: Decimal
    issued_on: date
    reason: str


class CreditedLine(msgspec.Struct):
    """What was credited of line `invoice_line` of the invoice, with the tax that it bore; the lines sum to the subtotal."""

    invoice_line: int
    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tax_label: str
    tax_rate: Decimal
    tax: Decimal


class CreditNoteAnswer(CreditNoteRow):
    """One credit note, opened."""

    po_number: str
    tax_note: str
    lines: list[CreditedLine]


@get("/accounts/{slug:str}/credit-notes", sync_to_thread=True, opt={"scope": "read"})
def list_credit_notes(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    invoice: Annotated[str | None, QueryParameter(description="Of the invoice with this number only.")] = None,
    cursor: Cursor = None,
    limit: Limit = pages.USUAL,
) -> Page[CreditNoteRow]:
    """Credit notes, newest first."""
    account = request.auth.account(slug)
    rows = credit_note.newest(account.id, place_of(cursor, Place.read), limit + 1, invoice)
    return cut(rows, limit, _row, lambda row: str(Place(row.issued_at, row.id)))


@get("/accounts/{slug:str}/credit-notes/{note_number:str}", sync_to_thread=True, opt={"scope": "read"})
def get_credit_note(
    request: Request[Any, Caller, Any], slug: FromPath[str], note_number: FromPath[str]
) -> Response[CreditNoteAnswer]:
    """One credit note with its lines; with `.pdf` after its number, the document, the same bytes for ever; with `.xml`, the
    same by EN 16931 as UBL 2.1."""
    account = request.auth.account(slug)
    name, _, kind = note_number.rpartition(".")
    if kind == "pdf":
        return _file(file.credit_note_pdf(account.id, name), note_number, "application/pdf")
    if kind == "xml":
        return _file(file.credit_note_xml(account.id, name).encode(), note_number, "application/xml")
    return Response(_opened(credit_note.find(account.id, note_number)))


def _file(content: bytes, name: str, media_type: str) -> Any:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


def _row(note: CreditNote) -> CreditNoteRow:
    return CreditNoteRow(note.number, note.invoice_number, note.currency, *_amounts(note), note.issued_on, note.reason)


def _amounts(note: CreditNote) -> tuple[Decimal, Decimal, Decimal]:
    subtotal, tax, total = (to_minor(amount, note.currency) for amount in (note.subtotal, note.tax, note.total))
    return subtotal, tax, total


def _opened(note: CreditNote) -> CreditNoteAnswer:
    lines = [
        CreditedLine(
            line.invoice_position, line.description, line.detail, plain(line.quantity), plain(line.unit_price),
            to_minor(line.amount, note.currency), line.tax_label, plain(line.tax_rate), to_minor(line.tax, note.currency),
        )
        for line in credit_note.lines_of(note)
    ]  # fmt: skip
    return CreditNoteAnswer(
        note.number, note.invoice_number, note.currency, *_amounts(note), note.issued_on, note.reason, note.po_number,
        note.tax_note, lines,
    )  # fmt: skip
