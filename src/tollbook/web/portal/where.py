"""Where it goes: what usage cost by campaign, agent or destination country, in the days that are chosen."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Invalid
from tollbook.money.amount import ZERO, minor_unit, split, to_minor
from tollbook.postgres.scope import rows_of
from tollbook.rating.country import name_of
from tollbook.rating.tables import CreditType
from tollbook.usage.breakdown import Asked, Breakdown, By, Line, Per, breakdown
from tollbook.web import formats, sheets
from tollbook.web.portal import words
from tollbook.web.portal.days import DaysForm, beginning, end
from tollbook.web.portal.page import PortalRequest, page

DAYS = 30
SHOWN = 50
NAMES = {By.CAMPAIGN: "Campaign", By.AGENT: "Agent", By.COUNTRY: "Country", By.TYPE: "Type"}
NOTHING = {By.CAMPAIGN: "No campaign", By.AGENT: "No agent", By.COUNTRY: "Unknown country", By.TYPE: ""}


class WhereForm(DaysForm):
    """What to break down, by what, over which days: the last 30 unless told."""

    by = forms.ChoiceField(required=False, choices=[(by, NAMES[by]) for by in By], label="By")
    type = forms.ChoiceField(required=False, label="Type")
    field_order = ["by", "type", "first", "last"]

    def __init__(self, asked: Any, account: Account) -> None:
        self.types = dict(CreditType.objects.values_list("code", "name"))
        self.last = today_in(account)
        super().__init__(asked or {"by": By.CAMPAIGN})
        self.fields["type"].choices = [("", "All types"), *self.types.items()]

    def asked(self, account: Account, per: Per) -> tuple[date, date, Asked]:
        """The days, and what is asked for."""
        self.is_valid()
        last = self.last_on() or self.last
        first = self.first_on() or last - timedelta(days=DAYS - 1)
        since, until = beginning(first, account.timezone), end(last, account.timezone)
        assert since is not None and until is not None, "both days are there"
        by = By(self.cleaned_data.get("by") or By.CAMPAIGN)
        return first, last, Asked(by, per, since, until, self.cleaned_data.get("type") or None)


@page(area=Area.CREDITS)
def where(request: PortalRequest) -> HttpResponse:
    """Values by cost, the largest first, with their shares."""
    account = request.account
    form = WhereForm(request.GET, account)
    first, last, asked = form.asked(account, Per.TOTAL)
    problem, found = "", Breakdown(datetime.now(UTC), datetime.now(UTC), [])
    try:
        found = breakdown(account, asked)
    except Invalid as refusal:
        problem = refusal.message
    unit = CreditType.objects.filter(code=asked.type_code).values_list("unit", flat=True).first()
    lines = found.lines
    context = {
        "form": form,
        "problem": problem,
        "name": NAMES[asked.by],
        "first": first,
        "last": last,
        "currency": account.currency,
        "with_quantity": unit is not None,
        "finding": _finding(lines, asked.by, form.types, account.currency),
        "rows": _rows(lines[:SHOWN], asked.by, form.types, lines, account.currency, unit),
        "others": len(lines) - SHOWN,
        "total": formats.money(_cost(lines), account.currency),
        "events": sum(line.events for line in lines),
        "file_url": f"{reverse('portal:where-csv')}?{urlencode(_kept(request))}",
        "is_filtered": bool(_kept(request)),
    }
    return render(request, "tollbook/portal/credits/where.html", context)


@page(area=Area.CREDITS, scope=False)
def where_csv(request: PortalRequest) -> StreamingHttpResponse:
    """The same day by day."""
    account = request.account
    with rows_of(account.id):
        form = WhereForm(request.GET, account)
        _, _, asked = form.asked(account, Per.DAY)
        found = breakdown(account, asked)
        name = f"{account.slug}-by-{asked.by}-{today_in(account)}.csv"
        header = ("Day", NAMES[asked.by], "Events", "Quantity", "Billed quantity", "Cost", "Currency")
        return sheets.answer(request, name, header, _cells(found.lines, asked, account))


def _cells(lines: Sequence[Line], asked: Asked, account: Account) -> Iterator[Sequence[sheets.Value]]:
    alike = asked.type_code is not None or asked.by is By.TYPE
    for line in lines:
        quantities = (line.quantity, line.billed) if alike else (None, None)
        on = formats.local_date(line.begins_at, account.timezone)
        yield on, line.value, line.events, *quantities, line.cost, account.currency


def _rows(
    shown: Sequence[Line], by: By, types: dict[str, str], lines: Sequence[Line], currency: str, unit: str | None
) -> list[dict[str, Any]]:
    total = _cost(lines)
    largest = max((line.cost for line in lines), default=ZERO)
    costs = _written([line.cost for line in lines], total, currency)
    return [
        {
            "name": _name(line.value, by, types),
            "events": line.events,
            "quantity": words.quantity(line.quantity, unit) if unit else "",
            "cost": cost,
            "share": line.cost / total * 100 if total > 0 else None,
            "width": float(max(line.cost, ZERO) / largest * 100) if largest > 0 else 0.0,
        }
        for line, cost in zip(shown, costs, strict=False)
    ]


def _written(costs: list[Decimal], total: Decimal, currency: str) -> list[str]:
    """Costs in the currency's minor unit that add up to the written total; where some are below zero, every place."""
    if min(costs, default=ZERO) < 0 or total <= 0:
        return list(map(formats.aligned_money([*costs, total], currency), costs))
    return [formats.money(cost, currency) for cost in split(to_minor(total, currency), costs, minor_unit(currency))]


def _name(value: str, by: By, types: dict[str, str]) -> str:
    if not value:
        return NOTHING[by]
    if by is By.COUNTRY:
        return name_of(value)
    return types.get(value, value) if by is By.TYPE else value


def _finding(lines: Sequence[Line], by: By, types: dict[str, str], currency: str) -> str:
    """`$612.40 in all; most for Spring: $400.12, 65 %.`"""
    total = _cost(lines)
    if not lines or total <= 0:
        return ""
    most = lines[0]
    share = formats.percent(most.cost / total * 100)
    told = f"{formats.money(total, currency)} in all"
    return f"{told}; most for {_name(most.value, by, types)}: {formats.money(most.cost, currency)}, {share}."


def _cost(lines: Sequence[Line]) -> Decimal:
    return sum((line.cost for line in lines), ZERO)


def _kept(request: PortalRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("by", "type", "first", "last") if request.GET.get(name)}


urls = [
    path("billing/usage/", where, name="where"),
    path("billing/usage.csv", where_csv, name="where-csv"),
]
