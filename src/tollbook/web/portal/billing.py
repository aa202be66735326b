"""The way into Billing: its tabs, and the strip of figures above them."""

from decimal import Decimal
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

from tollbook.accounts.tables import Account, Area, ZeroRule
from tollbook.wallets import wallet
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


def figures(request: PortalRequest) -> dict[str, Any]:
    """The strip above the tabs, in the account's currency: each figure only for those who may read where it comes from."""
    found: dict[str, Any] = {"currency": request.account.currency} | dict.fromkeys(FIGURES)
    if request.rights[Area.CREDITS].read:
        found["prepaid_credit"] = prepaid_credit(request.account)
    return found


def prepaid_credit(account: Account) -> Decimal:
    """What all wallets have available together, in the account's currency, 6 places."""
    overdraft = account.overdraft_limit if account.zero_rule == ZeroRule.OVERDRAFT else Decimal(0)
    wallets = wallet.of_account(account.id)
    return sum((one.paid + one.granted - one.held + overdraft for one in wallets), Decimal(0))


@page(area=tuple(TABS))
def entrance(request: PortalRequest) -> HttpResponse:
    """`/billing/`: on to the first tab that the user may read."""
    return HttpResponseRedirect(first_tab(request) or "/")


@page()
def coins(request: PortalRequest) -> HttpResponse:
    """`/coins/`: where people used to find balances."""
    return HttpResponseRedirect(TABS[Area.CREDITS])


urls = [path("billing/", entrance, name="billing"), path("coins/", coins, name="coins")]
