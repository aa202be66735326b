"""The statement of a period: what each wallet held before, what came, what went, what it holds after; to the last place."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Invalid
from tollbook.money.amount import ZERO
from tollbook.postgres.scope import rows_of
from tollbook.wallets.statement import REFILL, REVERSAL, USAGE, Part, Statement, statement_of
from tollbook.web import formats, sheets
from tollbook.web.portal import words
from tollbook.web.portal.about_wallet import signed
from tollbook.web.portal.days import DaysForm
from tollbook.web.portal.page import PortalRequest, page

FILE_COLUMNS = ("Type", "Day", "Entry", "Description", "By", "Amount", "Balance at the day's end", "Currency")


@page(area=Area.CREDITS)
def statement(request: PortalRequest) -> HttpResponse:
    """All wallets in one table; the lines of each below."""
    account, form = request.account, DaysForm(request.GET)
    first, last = _days(form, account)
    problem, found = "", Statement(first, last, [])
    try:
        found = statement_of(account, first, last)
    except Invalid as refusal:
        problem = refusal.message
    figures = [_figures(part) for part in found.parts]
    totals = [sum(column, ZERO) for column in zip(*figures, strict=True)]
    written = formats.aligned_money((amount for row in [*figures, totals] for amount in row), account.currency)
    days = {"first": first.isoformat(), "last": last.isoformat()}
    context = {
        "form": DaysForm(days),
        "problem": problem,
        "first": first,
        "last": last,
        "currency": account.currency,
        "columns": ("Opening", "Refills", "Usage", "Usage corrected", "Adjustments", "Closing"),
        "rows": [_row(part, row, written) for part, row in zip(found.parts, figures, strict=True)],
        "totals": [written(amount) for amount in totals],
        "parts": [_lines(part, account.currency) for part in found.parts if part.lines],
        "file_url": f"{reverse('portal:statement-csv')}?{urlencode(days)}",
        "usage_url": f"{reverse('portal:usage-statement-pdf')}?{urlencode(days)}",
    }
    return render(request, "tollbook/portal/credits/statement.html", context)


@page(area=Area.CREDITS, scope=False)
def statement_csv(request: PortalRequest) -> StreamingHttpResponse:
    """Every line, with opening and closing balances."""
    account = request.account
    with rows_of(account.id):
        first, last = _days(DaysForm(request.GET), account)
        found = statement_of(account, first, last)
        name = f"{account.slug}-statement-{first}-{last}.csv"
        return sheets.answer(request, name, FILE_COLUMNS, _cells(found, account.currency))


def _days(form: DaysForm, account: Account) -> tuple[date, date]:
    """The days that are asked for; the month so far unless told."""
    last = form.last_on() or today_in(account)
    return form.first_on() or last.replace(day=1), last


def _figures(part: Part) -> list[Decimal]:
    moved = [part.total(REFILL), part.total(USAGE), part.total(REVERSAL), part.others]
    return [part.opening, *moved, part.closing]


def _row(part: Part, figures: Sequence[Decimal], written: Any) -> dict[str, Any]:
    return {
        "name": part.name,
        "url": reverse("portal:wallet", args=[part.type_code]),
        "figures": [written(amount) for amount in figures],
    }


def _lines(part: Part, currency: str) -> dict[str, Any]:
    amounts = [amount for line in part.lines for amount in (line.amount, line.balance)]
    written = formats.aligned_money([*amounts, part.opening], currency)
    return {
        "name": part.name,
        "opening": written(part.opening),
        "closing": written(part.closing),
        "lines": [
            {
                "on": line.on,
                "kind": words.kind(line.kind),
                "about": " · ".join(filter(None, (line.description, line.actor and f"by {line.actor}"))),
                "amount": signed(line.amount, written),
                "balance": written(line.balance),
            }
            for line in part.lines
        ],
    }


def _cells(found: Statement, currency: str) -> Iterator[Sequence[sheets.Value]]:
    for part in found.parts:
        yield part.name, found.first_on, "Opening balance", "", "", part.opening, part.opening, currency
        for line in part.lines:
            told = (words.kind(line.kind), line.description, line.actor)
            yield part.name, line.on, *told, line.amount, line.balance, currency
        yield part.name, found.last_on, "Closing balance", "", "", part.closing, part.closing, currency


urls = [
    path("billing/statement/", statement, name="statement"),
    path("billing/statement.csv", statement_csv, name="statement-csv"),
]
