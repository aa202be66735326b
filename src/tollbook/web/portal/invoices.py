"""Invoice History: the table, its filters, and the same as CSV, as Excel and as a ZIP of the PDFs."""

from contextlib import closing
from datetime import date, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Invalid
from tollbook.invoicing import history
from tollbook.invoicing.bundle import MOST, bundle
from tollbook.money.amount import to_minor
from tollbook.money.period import billing_day
from tollbook.postgres.scope import rows_of
from tollbook.subscriptions.fees import fees
from tollbook.web import formats, sheets, streamed, workbooks
from tollbook.web.portal import billing
from tollbook.web.portal.invoice_filter import FILTERS, Asked, asked, tidied
from tollbook.web.portal.page import PortalRequest, page

BACK = (*FILTERS, "sort", "page", "rows")
CSV_COLUMNS = ("Invoice Number", "Amount", "Balance", "Status", "Invoice Date", "Currency")


@page(area=Area.INVOICES)
def invoices(request: PortalRequest) -> HttpResponse:
    """The account's invoices, the newest first unless another order is asked for."""
    tidy = tidied(request.GET)
    if tidy is not None:
        return HttpResponseRedirect(f"{request.path}?{tidy}" if tidy else request.path)
    wanted, today = asked(request.GET), today_in(request.account)
    found = history.page(request.account.id, wanted.filter, wanted.sort, wanted.page, wanted.size, today)
    context = _shown(request, wanted, found) | {
        "figures": billing.figures(request, found.owed),
        "tab": "invoices",
        "nothing_yet": "" if found.total_count else _nothing_yet(request.account, today),
    }
    return render(request, "tollbook/portal/invoices.html", context)


@page(area=Area.INVOICES, scope=False)
def invoices_csv(request: PortalRequest) -> StreamingHttpResponse:
    """What the table shows, all pages of it, in the same order."""
    wanted, today = asked(request.GET), today_in(request.account)
    filename = f"{request.account.slug}-invoices-{today.isoformat()}.csv"
    with rows_of(request.account.id):
        found = history.rows(request.account.id, wanted.filter, wanted.sort, today)
        return sheets.answer(request, filename, CSV_COLUMNS, map(_cells, found))


@page(area=Area.INVOICES, scope=False)
def invoices_xlsx(request: PortalRequest) -> StreamingHttpResponse:
    """The same as an Excel file."""
    wanted, today = asked(request.GET), today_in(request.account)
    filename = f"{request.account.slug}-invoices-{today.isoformat()}.xlsx"
    with rows_of(request.account.id):
        found = history.rows(request.account.id, wanted.filter, wanted.sort, today)
        return workbooks.answer(request, filename, "Invoices", CSV_COLUMNS, map(_cells, found))


@page(area=Area.INVOICES, scope=False)
def invoices_zip(request: PortalRequest) -> HttpResponseBase:
    """Their PDFs, made while they are sent. Of those that the table shows; or of those that are picked, as they are named.

    A `pick` names one invoice, or several with spaces between them; `of=picked` says that nothing but picked ones is wanted.
    """
    wanted, today = asked(request.GET), today_in(request.account)
    filename = f"{request.account.slug}-invoices-{today.isoformat()}.zip"
    picked = list(dict.fromkeys(" ".join(request.GET.getlist("pick")).split()))
    if not picked and request.GET.get("of") == "picked":
        messages.info(request, "Tick the invoices that you want first.")
        return HttpResponseRedirect(_back(request))
    with rows_of(request.account.id):
        if picked:
            ids = history.named(request.account.id, picked[: MOST + 1])
        else:
            with closing(history.rows(request.account.id, wanted.filter, wanted.sort, today)) as found:
                ids = [row.id for row in islice(found, MOST + 1)]
    if len(ids) > MOST:
        raise Invalid(f"At most {MOST:,} invoices go into one file: choose a shorter time.", field="issued_from")
    return streamed.answer(request, filename, "application/zip", bundle(request.account.id, ids))


def _back(request: PortalRequest) -> str:
    """The list as it was when nothing was picked: the form brings its query along."""
    return _address(reverse("portal:invoices"), _kept(QueryDict(request.GET.get("back", ""))))


def _kept(query: QueryDict) -> list[tuple[str, str]]:
    """What of a query makes the list what it is."""
    return [(name, value) for name in BACK for value in query.getlist(name) if value]


def _shown(request: PortalRequest, wanted: Asked, found: history.Page) -> dict[str, Any]:
    return {
        "rows": [_linked(row) for row in found.rows],
        "page": _pager(found),
        "owed": found.owed,
        "owed_here": found.owed_here,
        "form": wanted.form,
        "choices": [(choice, found.counts[choice.data["value"]]) for choice in wanted.form["status"]],
        "kept": wanted.kept,
        "sort": str(wanted.sort),
        "is_filtered": wanted.is_filtered,
        "clear_url": _address(reverse("portal:invoices"), wanted.kept),
        "csv_url": _address_of(request, "csv"),
        "statement_days": _statement_days(wanted),
        "xlsx_url": _address_of(request, "xlsx"),
        "zip_url": _address_of(request, "zip"),
        "picks": " ".join(row.number for row in found.rows),
        "back": urlencode(_kept(request.GET)),
    }


def _linked(row: history.Row) -> tuple[history.Row, str, str, str]:
    """The row with the addresses of its page and of its PDF, and what the icon is called."""
    opened, pdf = (reverse(f"portal:{name}", args=[row.number]) for name in ("invoice", "invoice-pdf"))
    return row, opened, pdf, f"Download invoice {row.number} as PDF"


def _pager(found: history.Page) -> Page:
    """Django's page over that many rows, for the pager; the rows themselves are read already."""
    return Paginator(range(found.total_count), found.size).page(found.number)


def _address_of(request: PortalRequest, kind: str) -> str:
    """Where the same invoices are as a file of this kind."""
    kept = [(name, value) for name in (*FILTERS, "sort") for value in request.GET.getlist(name)]
    return _address(reverse(f"portal:invoices-{kind}"), kept)


def _statement_days(wanted: Asked) -> str:
    """The filter's days for the statement of the account; the month so far without any."""
    asked_for = {"first": wanted.filter.issued_from, "last": wanted.filter.issued_until}
    days = {name: day.isoformat() for name, day in asked_for.items() if day}
    return f"?{urlencode(days)}" if days else ""


def _address(path: str, query: Any) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _nothing_yet(account: Account, today: date) -> str:
    """When to expect the first one: at the next charge, or the next billing day while nothing is subscribed."""
    first_on = fees(account, today).next_charge_on or billing_day(account.anchor_on, today + timedelta(days=1))
    return f"Your first one will appear here after your first refill or billing date, {formats.day(first_on)}."


def _cells(row: history.Row) -> tuple[sheets.Value, ...]:
    total, balance = (to_minor(amount, row.currency) for amount in (row.total, row.balance))
    return row.number, total, balance, str(row.status.label), row.issued_on, row.currency


urls = [
    path("billing/invoices/", invoices, name="invoices"),
    path("billing/invoices.csv", invoices_csv, name="invoices-csv"),
    path("billing/invoices.xlsx", invoices_xlsx, name="invoices-xlsx"),
    path("billing/invoices.zip", invoices_zip, name="invoices-zip"),
]
