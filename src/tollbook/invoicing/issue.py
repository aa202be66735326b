"""Issue an invoice: draw the next number, copy what is printed, post to the books, all in the caller's transaction.

Numbers are dense and unique per (seller, series), whatever crashes or rolls back (PrestaShop #28757, hitobito #4005).
An invoice whose total is zero is allowed (a period may consist of free components): it is Paid at birth, and the books
don't mention it. One below zero is not: that would be a credit note.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.invoicing.seller import SELLER_CODE, SERIES, buyer, seller
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO, to_minor
from tollbook.money.period import Period
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)


class AlreadyIssued(Conflict):
    """This cause has its invoice; the transaction must be rolled back, so that no number is lost."""

    code = "already_issued"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be printed. `amount` has the currency's minor unit and is printed as it is; `unit_price` up to 6 places.

    `revenue_code` is the account of the books that it is credited to (`revenue:recurring`, `wallet:sms:paid`).
    """

    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    revenue_code: str
    subscription_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be issued. (`kind`, an InvoiceKind, and `cause`) is invoiced once per account. Days are the account's.

    `due_on` is by default `issued_on` and the account's terms. `payment_note` ("Paid on Nov 3, 2026 by Visa ending 4242") is
    for an invoice that the same transaction settles in full, and is what its PDF prints instead of a due date.
    """

    kind: str
    cause: str
    issued_on: date
    lines: Sequence[DraftLine]
    due_on: date | None = None
    period: Period | None = None
    payment_note: str = ""
    actor: str = ""


def issue(account: Account, draft: Draft) -> Invoice:
    """Issue the invoice that `draft` describes, in the account's currency; the answer is as stored.

    Transaction: the caller's, required. Locks: the number series' row, until the transaction ends, and everybody who
    issues waits for it: lock and post everything else before this call (wallets first, then numbers), and commit soon.
    Posts Dr receivable, Cr each line's revenue code; for a refill nothing, because `wallets.credit.fund` posts it.
    Raises AlreadyIssued (roll back) and Invalid for lines that can't be printed.
    """
    total = _checked_total(account.currency, draft.lines)
    row = _row(account, draft, total)
    with connection.cursor() as cursor:
        cursor.execute(SQL["is_issued"], row)
        if cursor.fetchone()[0]:
            raise AlreadyIssued("This has been invoiced already.")
        if draft.kind != InvoiceKind.REFILL:
            _post(account, row["id"], draft, total)
        row |= _numbered(row)
        issued_at = _insert(row, draft.lines)
    return Invoice(**_fields(row), tax=ZERO, subtotal=total, issued_at=issued_at)


def number_of(series: str, sequence: int) -> str:
    """How a number is written: `INV-000132`."""
    return f"{series}-{sequence:06d}"


def _checked_total(currency: str, lines: Sequence[DraftLine]) -> Decimal:
    if not lines:
        raise Invalid("An invoice has at least one line.", field="lines")
    for line in lines:
        if not line.amount.is_finite() or to_minor(line.amount, currency) != line.amount:
            raise Invalid(f"“{line.description}”: {line.amount} is finer than {currency} can be paid.", field="lines")
    total = sum((line.amount for line in lines), ZERO)
    if total < 0:
        raise Invalid(f"An invoice can't come to {total}; that would be a credit note.", field="lines")
    return total


def _row(account: Account, draft: Draft, total: Decimal) -> dict[str, Any]:
    due_on = draft.due_on or draft.issued_on + timedelta(days=account.terms_days)
    if due_on < draft.issued_on:
        raise Invalid("An invoice can't be due before it is issued.", field="due_on")
    return {
        "account_id": account.id,
        "id": new_id(),
        "seller_code": SELLER_CODE,
        "series": SERIES,
        "kind": str(draft.kind),
        "cause": draft.cause,
        "currency": account.currency,
        "total": total,
        "issued_on": draft.issued_on,
        "due_on": due_on,
        "grace_until_on": due_on + timedelta(days=account.grace_days),
        "period_start_on": draft.period and draft.period.start_on,
        "period_end_on": draft.period and draft.period.end_on,
        "seller": json.dumps(seller()),
        "buyer": json.dumps(buyer(account)),
        "po_number": account.po_number,
        "payment_note": draft.payment_note,
        "issued_by": draft.actor,
    }


def _post(account: Account, invoice_id: UUID, draft: Draft, total: Decimal) -> None:
    credits: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in draft.lines:
        credits[line.revenue_code] += line.amount
    sides = [Side("receivable", total), *(Side(code, -amount) for code, amount in sorted(credits.items()))]
    moving = [side for side in sides if side.amount]
    if moving:
        description = f"{InvoiceKind(draft.kind).label} invoice of {draft.issued_on:%d %b %Y}"
        movement = Movement(new_id(), "invoice", str(invoice_id), moving, description, draft.actor)
        post(account.id, account.currency, [movement])


def _numbered(row: dict[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["draw_number"], row)
        sequence = cursor.fetchone()[0]
    return {"sequence": sequence, "number": number_of(row["series"], sequence)}


def _insert(row: dict[str, Any], lines: Sequence[DraftLine]) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(SQL["insert_invoice"], row)
        inserted = cursor.fetchone()
        if inserted is None:
            raise AlreadyIssued("This has been invoiced already.")
        cursor.execute(SQL["insert_lines"], {"account_id": row["account_id"], "id": row["id"], **_columns(lines)})
        cursor.execute(SQL["open_balance"], row)
    return inserted[0]


def _columns(lines: Sequence[DraftLine]) -> dict[str, list[Any]]:
    return {
        "descriptions": [line.description for line in lines],
        "details": [line.detail for line in lines],
        "quantities": [line.quantity for line in lines],
        "unit_prices": [line.unit_price for line in lines],
        "amounts": [line.amount for line in lines],
        "revenue_codes": [line.revenue_code for line in lines],
        "subscription_ids": [line.subscription_id for line in lines],
    }


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"seller": json.loads(row["seller"]), "buyer": json.loads(row["buyer"])}
