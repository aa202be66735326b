"""One wallet: how it stands, its running record, and adjustments by a person."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.refills.tables import RefillRule, RefillStop
from tollbook.wallets import credit, history
from tollbook.wallets.gauge import Gauge, gauges
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, stepped, typed

PURSES = {
    "paid": "Correction of bought credit",
    "granted": "Promotional credit, spent first and never refunded",
}
KINDS = {
    "usage": "Usage", "refill": "Refill", "adjustment": "Correction", "grant": "Promotional credit",
    "reserve": "Hold placed", "extend": "Hold extended", "capture": "Hold captured", "release": "Hold released",
    "expire": "Hold expired", "reversal": "Usage corrected",
}  # fmt: skip


class AdjustmentForm(Once):
    """What is adjusted, by how much, and why."""

    purse = forms.ChoiceField(label="What", choices=PURSES.items(), widget=forms.RadioSelect, initial="paid")
    reason = ReasonField("The customer sees it beside the amount.")
    field_order = ["purse", "amount", "reason"]

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(
            label=f"Amount ({currency})", help_text="Such as 25.00; −25.00 takes away. At most 6 decimal places."
        )
        self.order_fields(self.field_order)


@staff_page()
def wallet(request: DeskRequest, slug: str, type_code: str) -> HttpResponse:
    """One wallet with its running record, newest first."""
    account = accounts.by_slug(slug)
    shown = find(account, type_code)
    record = _record(request, shown, account.id)
    mine = {"account_id": account.id, "wallet_id": shown.wallet_id}
    context = {
        "section": "accounts",
        "account": account,
        "wallet": shown,
        "rule": RefillRule.objects.filter(**mine).first(),
        "stop": RefillStop.objects.filter(**mine).first(),
        "record": [(row, KINDS.get(row.kind, row.kind.capitalize())) for row in record.rows],
        "older": record.older and str(record.older),
        "newer": record.newer and str(record.newer),
        "kinds": [(str(kind), kind.value.capitalize()) for kind in history.Kind],
        "kind": request.GET.get("kind", ""),
        "trail": lists.trail(account.id, f"wallet/{type_code}"),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/wallet.html", context)


@staff_page("GET POST")
def adjust(request: DeskRequest, slug: str, type_code: str) -> HttpResponse:
    """Correct a balance or give promotional credit, once per form."""
    account = accounts.by_slug(slug)
    shown = find(account, type_code)

    def review(values: dict[str, Any]) -> Review:
        return _review(account, shown, values)

    def act(values: dict[str, Any]) -> HttpResponse:
        credit.adjust(
            account.id, type_code, values["amount"], values["purse"], values["reason"], request.actor, values["token"]
        )
        after = formats.money(find(account, type_code).balance, shown.currency)
        messages.success(request, f"{shown.name} is adjusted by {_signed(values['amount'], shown)}. Balance: {after}.")
        return redirect("desk:wallet", slug, type_code)

    place = (reverse("desk:wallet", args=[slug, type_code]), shown.name)
    sheet = Sheet(f"Adjust {shown.name}", "accounts", [*above(account), place], lead=_lead(shown))
    return stepped(request, AdjustmentForm(shown.currency, typed(request)), sheet, review, act)


def find(account: Account, type_code: str) -> Gauge:
    """The account's wallet of this type, as it stands; `wallet_id` is set. Raises NotFound."""
    for one in gauges(account.id):
        if one.type_code == type_code and one.wallet_id:
            return one
    raise NotFound("This account has no such wallet.")


def _review(account: Account, shown: Gauge, values: dict[str, Any]) -> Review:
    credit.check(shown.granted, values["amount"], values["purse"], values["reason"])
    amount: Decimal = values["amount"]
    row = "Bought credit" if values["purse"] == "paid" else "Promotional credit"
    now = shown.paid if values["purse"] == "paid" else shown.granted
    return Review(
        f"Adjust {shown.name} of {account.name} by {_signed(amount, shown)}",
        [
            f"Reason, as the customer will read it: “{values['reason']}”",
            "It triggers no refill: a wallet made low by an adjustment is refilled only after further usage.",
        ],
        [
            (row, _exact(now, shown), _exact(now + amount, shown)),
            ("Balance", _exact(shown.balance, shown), _exact(shown.balance + amount, shown)),
        ],
        confirm="Adjust",
        effect="The balance goes below zero." if shown.balance + amount < 0 else "",
        danger=amount < 0,
    )


def _lead(shown: Gauge) -> str:
    return (
        f"{_exact(shown.balance, shown)} now: {_exact(shown.paid, shown)} bought, "
        f"{_exact(shown.granted, shown)} promotional. An adjustment is never undone; a second one corrects it."
    )


def _exact(amount: Decimal, shown: Gauge) -> str:
    return formats.exact_money(amount, shown.currency)


def _signed(amount: Decimal, shown: Gauge) -> str:
    return ("+" if amount > 0 else "") + _exact(amount, shown)


def _filter(request: DeskRequest) -> history.Filter:
    kind = request.GET.get("kind", "")
    return history.Filter(history.Kind(kind) if kind in set(history.Kind) else None)


def _record(request: DeskRequest, shown: Gauge, account_id: UUID) -> history.Page:
    older, newer = (history.key_of(request.GET[name]) if request.GET.get(name) else None for name in ("older", "newer"))
    assert shown.wallet_id is not None, "find() answers wallets that are there"
    return history.page(account_id, shown.wallet_id, _filter(request), older_than=older, newer_than=newer)


urls = [
    path("accounts/<slug:slug>/wallets/<str:type_code>/", wallet, name="wallet"),
    path("accounts/<slug:slug>/wallets/<str:type_code>/adjust/", adjust, name="wallet-adjust"),
]
