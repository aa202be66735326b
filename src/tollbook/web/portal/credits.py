"""Minutes/Credits: what there is of each credit type, what it costs, when it is refilled, what was used."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.dateformat import format as format_date

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.money.amount import ZERO
from tollbook.money.written import SYMBOLS
from tollbook.rating import card
from tollbook.usage import statement
from tollbook.usage.statement import Day
from tollbook.web import charts, formats
from tollbook.web.charts import Chart
from tollbook.web.portal import bars, billing, words
from tollbook.web.portal.page import PortalRequest, page

DAYS = 30


@page(area=Area.CREDITS)
def credits(request: PortalRequest) -> HttpResponse:
    """The bars, the table, the last 30 days."""
    account, now = request.account, datetime.now(UTC)
    shown = bars.rows(account, now)
    rates = card.summaries(account.id, now)
    for row in shown:
        row["rate"] = rates.get(row["type"])
    context: dict[str, Any] = {
        "figures": billing.figures(request),
        "tab": "credits",
        "wallets": shown,
        "as_of": formats.clock(now),
        "stops": [row for row in shown if row["stop"]],
        "zero_rule": words.zero_rule(account),
        "symbol": SYMBOLS.get(account.currency, account.currency),
        "used": usage(account, {row["type"]: row["name"] for row in shown}),
    }
    return render(request, "tollbook/portal/credits.html", context)


def usage(account: Account, names: dict[str, str]) -> dict[str, Any]:
    """The last 30 local days of each type that was used in them: a drawing per type, one table for all."""
    found = statement.days(account.id, account.timezone, today_in(account), DAYS)
    used = {code: found[code] for code in names if code in found}
    if not used:
        return {}
    dates = [day.on for day in next(iter(used.values()))]
    labels = [format_date(on, "M j") for on in dates]
    currency, columns = account.currency, [*(names[code] for code in used), "All"]
    drawings = [
        {"url": reverse("portal:wallet", args=[code]), "chart": drawn(names[code], labels, days, currency)}
        for code, days in used.items()
    ]
    if len(used) > 1:
        drawings.append({"chart": drawn("All types", labels, _together(list(used.values())), currency)})
    return {
        "charts": drawings,
        "columns": columns,
        "unused": [name for code, name in names.items() if code not in used],
        "rows": [
            {
                "on": on,
                "costs": zip(columns, _written([days[place].cost for days in used.values()], currency), strict=True),
            }
            for place, on in reversed(list(enumerate(dates)))
        ],
        "totals": zip(columns, _written([*map(cost_of, used.values())], currency), strict=True),
    }


def _together(types: Sequence[Sequence[Day]]) -> list[Day]:
    """The days of all types added up; quantities of different units are not, and count as nothing."""
    return [
        Day(days[0].on, sum(day.events for day in days), ZERO, ZERO, cost_of(days)) for days in zip(*types, strict=True)
    ]


def _written(costs: list[Decimal], currency: str) -> list[str]:
    """What each type cost, and their sum."""
    return [formats.money(cost, currency) for cost in (*costs, sum(costs, ZERO))]


def cost_of(days: Sequence[Day]) -> Decimal:
    """What was used on these days."""
    return sum((day.cost for day in days), ZERO)


def drawn(name: str, labels: Sequence[str], days: Sequence[Day], currency: str) -> Chart:
    """A bar a day; its title says what it shows."""
    return charts.bars(
        finding(name, days, currency),
        [(label, day.cost) for label, day in zip(labels, days, strict=True)],
        columns=("Day", "Used"),
        unit=f"{currency} per day",
        written=lambda amount: formats.money(amount, currency),
    )


def finding(name: str, days: Sequence[Day], currency: str) -> str:
    """`Outbound Minutes used $612.40 in 30 days, most on Nov 12`."""
    cost = cost_of(days)
    if cost == 0:
        return f"{name} cost nothing in {len(days)} days"
    most = max(days, key=lambda day: day.cost)
    return f"{name} used {formats.money(cost, currency)} in {len(days)} days, most on {format_date(most.on, 'M j')}"


urls = [path("billing/credits/", credits, name="credits")]
