"""The way into Billing: its tabs, and the strip of figures above them."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Area
from tollbook.invoicing import history
from tollbook.invoicing.history import Owed
from tollbook.invoicing.run import as_billed
from tollbook.subscriptions.fees import fees
from tollbook.wallets.gauge import prepaid_credit
from tollbook.web.portal.page import PortalRequest, page

TABS = {
    Area.INVOICES: "/billing/invoices/",
    Area.SUBSCRIPTIONS: "/billing/subscriptions/",
    Area.CREDITS: "/billing/credits/",
}

FIGURES = ("prepaid_credit", "amount_due", "overdue_count", "next_charge_on", "next_charge_amount")


def first_tab(request: PortalRequest) -> str | None:
    """The address of the first tab that the user may read."""
    return next((address for area, address in TABS.items() if request.rights[area].read), None)


def figures(request: PortalRequest, owed: Owed | None = None) -> dict[str, Any]:
    """The strip above the tabs, in the account's currency: each figure only for those who may read where it comes from.

    `owed` is what the account owes in all, when the page knows it already.
    """
    account, today = request.account, today_in(request.account)
    found: dict[str, Any] = {"currency": account.currency} | dict.fromkeys(FIGURES)
    if request.rights[Area.CREDITS].read:
        found["prepaid_credit"] = prepaid_credit(account.id)
    if request.rights[Area.INVOICES].read:
        owed = owed or history.owed(account.id, today)
        found["amount_due"], found["overdue_count"] = owed.amount, owed.overdue_count
    if request.rights[Area.SUBSCRIPTIONS].read:
        coming = fees(account, today, as_billed(account))
        found["next_charge_on"], found["next_charge_amount"] = coming.next_charge_on, coming.next_charge_amount
    return found


@page(area=tuple(TABS))
def entrance(request: PortalRequest) -> HttpResponse:
    """`/billing/`: on to the first tab that the user may read."""
    return HttpResponseRedirect(first_tab(request) or "/")


@page()
def coins(request: PortalRequest) -> HttpResponse:
    """`/coins/`: where people used to find balances."""
    return HttpResponseRedirect(TABS[Area.CREDITS])


urls = [path("billing/", entrance, name="billing"), path("coins/", coins, name="coins")]
