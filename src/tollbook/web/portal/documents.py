"""Receipts and statements as PDF."""

from datetime import date
from uuid import UUID

from django.http import HttpResponse
from django.urls import path

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Area
from tollbook.errors import Invalid
from tollbook.invoicing.account_statement import account_statement_pdf
from tollbook.invoicing.usage_statement import usage_statement_pdf
from tollbook.payments.receipt import receipt_pdf
from tollbook.web.portal.days import DaysForm
from tollbook.web.portal.page import PortalRequest, page


@page(area=Area.INVOICES)
def receipt(request: PortalRequest, id: UUID) -> HttpResponse:
    """What one payment was for."""
    return _pdf(receipt_pdf(request.account.id, id), f"{request.account.slug}-receipt-{id}")


@page(area=Area.INVOICES)
def account_statement(request: PortalRequest) -> HttpResponse:
    """Invoices and payments of a period; the month so far unless told."""
    first, last = _days(request)
    content = account_statement_pdf(request.account, first, last)
    return _pdf(content, f"{request.account.slug}-statement-{first}-{last}")


@page(area=Area.CREDITS)
def usage_statement(request: PortalRequest) -> HttpResponse:
    """Usage of a period by day; the month so far unless told."""
    first, last = _days(request)
    content = usage_statement_pdf(request.account, first, last)
    return _pdf(content, f"{request.account.slug}-usage-{first}-{last}")


def _days(request: PortalRequest) -> tuple[date, date]:
    form = DaysForm(request.GET)
    if not form.is_valid():
        raise Invalid("Days are written like 2026-11-03.", field="first")
    last = form.last_on() or today_in(request.account)
    return form.first_on() or last.replace(day=1), last


def _pdf(content: bytes, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return response


urls = [
    path("billing/receipts/<uuid:id>.pdf", receipt, name="receipt-pdf"),
    path("billing/account-statement.pdf", account_statement, name="account-statement-pdf"),
    path("billing/usage-statement.pdf", usage_statement, name="usage-statement-pdf"),
]
