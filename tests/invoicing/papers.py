"""Invoices and payments for tests, made with few words."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from tollbook.accounts.tables import Account
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.payments.tables import Payment
from tollbook.postgres.ids import new_id

DAY = date(2026, 11, 3)


def line(amount: str = "10.00", revenue_code: str = "revenue:recurring", **more: Any) -> DraftLine:
    """A line of quantity one."""
    return DraftLine("Agent seats", "Monthly fee", Decimal(1), Decimal(amount), Decimal(amount), revenue_code, **more)


def draft(*lines: DraftLine, cause: str | None = None, issued_on: date = DAY, **more: Any) -> Draft:
    """A draft with a cause of its own."""
    kind = more.pop("kind", InvoiceKind.RECURRING)
    return Draft(kind, cause or f"test:{new_id()}", issued_on, lines or (line(),), **more)


def issued(account: Account, *lines: DraftLine, **more: Any) -> Invoice:
    """An invoice, issued and committed."""
    with transaction.atomic():
        return issue(account, draft(*lines, **more))


def payment(account: Account, amount: str, currency: str = "USD") -> Payment:
    """Money received."""
    return Payment.objects.create(
        account_id=account.id,
        id=new_id(),
        gateway="simulated",
        charge_reference=str(new_id()),
        currency=currency,
        amount=Decimal(amount),
        received_at=datetime.now(UTC),
    )
