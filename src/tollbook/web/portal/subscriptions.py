"""Subscriptions: what is charged every period, what was charged once, and the next charge."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.invoicing import around
from tollbook.invoicing.around import Billed
from tollbook.invoicing.run import as_billed
from tollbook.money.period import billing_day, period_of
from tollbook.subscriptions import commitment, history
from tollbook.subscriptions.fees import Fee, Fees, fees, of_account, sum_of
from tollbook.subscriptions.tables import FeeKind, Interval
from tollbook.web.portal import billing
from tollbook.web.portal.page import PortalRequest, page


@dataclass(frozen=True, slots=True)
class SetupFee:
    """A setup fee, and the invoice that billed it; else the day on which it will be billed, None once that has come."""

    fee: Fee
    billed: Billed | None
    billed_on: date | None


@page(area=Area.SUBSCRIPTIONS)
def subscriptions(request: PortalRequest) -> HttpResponse:
    """The account's fees as of today."""
    today = today_in(request.account)
    found = fees(request.account, today, as_billed(request.account))
    setup = _setup(request.account, found, today)
    context = {
        "figures": billing.figures(request),
        "tab": "subscriptions",
        "fees": found,
        "setup": setup,
        "setup_next": sum_of(row.fee for row in setup if row.billed_on and row.billed_on == found.next_charge_on),
        "ended": _ended(request.account, today),
        "next": _next(request.account, found),
        "changes": history.entries(request.account, today),
        "totals": [(Interval(months), amount) for months, amount in found.totals],
        "commitment": commitment.in_force(request.account, today),
    }
    return render(request, "tollbook/portal/subscriptions.html", context)


def _next(account: Account, found: Fees) -> Any:
    """The period that the next charge is for."""
    return period_of(account.anchor_on, found.next_charge_on) if found.next_charge_on else None


def _setup(account: Account, found: Fees, today: date) -> list[SetupFee]:
    billed = around.setup_fees_billed(account.id, [fee.subscription_id for fee in found.setup])
    rows = []
    for fee in found.setup:
        due_on = billing_day(account.anchor_on, fee.starts_on)
        rows.append(SetupFee(fee, billed.get(fee.subscription_id), due_on if due_on > today else None))
    return rows


def _ended(account: Account, today: date) -> list[Fee]:
    """Recurring fees that are over, the last one first."""
    over = [fee for fee in of_account(account) if fee.kind == FeeKind.RECURRING and fee.ends_on and fee.ends_on < today]
    return sorted(over, key=lambda fee: fee.ends_on or today, reverse=True)


urls = [path("billing/subscriptions/", subscriptions, name="subscriptions")]
