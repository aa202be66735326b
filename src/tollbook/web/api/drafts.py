"""GET /accounts/{slug}/drafts, one draft: invoices to be, which wait for a person at the desk. For the operator's keys."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from tollbook.accounts.tables import Account
from tollbook.errors import Forbidden
from tollbook.invoicing import drafts
from tollbook.invoicing.tables import DraftInvoice
from tollbook.money.amount import to_minor
from tollbook.web.api import pages
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import plain
from tollbook.web.api.pages import Cursor, Limit, Page, cut, place_of


class DraftRow(msgspec.Struct):
    """One draft in the list. `amount`, with the tax of the day it was drafted, in `currency`; `state` is open, issued or
    discarded."""

    id: UUID
    kind: str
    state: str
    currency: str
    amount: Decimal
    drafted_at: datetime
    drafted_by: str


class DraftLineAnswer(msgspec.Struct):
    """A line as the invoice would print it; `amount` without tax."""

    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    tax: Decimal


class DraftAnswer(DraftRow):
    """One draft as it would be issued today: `amount` and `tax` are by today's rules."""

    subtotal: Decimal
    tax: Decimal
    period_start_on: date | None
    period_end_on: date | None
    due_on: date | None
    po_number: str
    notes: str
    lines: list[DraftLineAnswer]


@get("/accounts/{slug:str}/drafts", sync_to_thread=True, opt={"scope": "read"})
def list_drafts(
    request: Request[Any, Caller, Any], slug: FromPath[str], cursor: Cursor = None, limit: Limit = pages.USUAL
) -> Page[DraftRow]:
    """Drafts that wait for a person, the oldest first."""
    account = _account(request, slug)
    rows = drafts.of_account(account.id, place_of(cursor, UUID), limit + 1)
    return cut(rows, limit, _row, lambda row: str(row.id))


@get("/accounts/{slug:str}/drafts/{draft_id:uuid}", sync_to_thread=True, opt={"scope": "read"})
def get_draft(request: Request[Any, Caller, Any], slug: FromPath[str], draft_id: FromPath[UUID]) -> DraftAnswer:
    """One draft with its lines and today's tax."""
    account = _account(request, slug)
    return _opened(account, drafts.opened(account.id, draft_id))


def _account(request: Request[Any, Caller, Any], slug: str) -> Account:
    """The account, for a key of the operator's: a draft is no promise yet, and not the account's to read."""
    account = request.auth.account(slug)
    if not request.auth.sees_all:
        raise Forbidden("Drafts are read with a key of the operator's.")
    return account


def _row(draft: DraftInvoice) -> DraftRow:
    amount = to_minor(draft.total, draft.currency)
    return DraftRow(draft.id, draft.kind, draft.state, draft.currency, amount, draft.drafted_at, draft.drafted_by)


def _opened(account: Account, draft: DraftInvoice) -> DraftAnswer:
    content, sums = drafts.content_of(draft), drafts.sums_of(account, draft)

    def minor(amount: Decimal) -> Decimal:
        return to_minor(amount, draft.currency)

    lines = [
        DraftLineAnswer(
            line.description, line.detail, plain(line.quantity), plain(line.unit_price), minor(share.net), minor(share.tax)
        )
        for line, share in zip(content.lines, sums.shares, strict=True)
    ]
    return DraftAnswer(
        id=draft.id,
        kind=draft.kind,
        state=draft.state,
        currency=draft.currency,
        amount=minor(sums.total),
        drafted_at=draft.drafted_at,
        drafted_by=draft.drafted_by,
        subtotal=minor(sums.subtotal),
        tax=minor(sums.tax),
        period_start_on=content.period.start_on if content.period else None,
        period_end_on=content.period.end_on if content.period else None,
        due_on=content.due_on,
        po_number=content.po_number or "",
        notes=content.notes,
        lines=lines,
    )
