"""Refills that wait for somebody, what is stopped and why, and the kill switch."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.rating.tables import CreditType
from tollbook.refills import person, stops, switch
from tollbook.refills.tables import OPEN_STATES, OperatorSwitch, Refill, RefillRule, RefillStop
from tollbook.wallets.tables import Wallet
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, decided, stepped, typed
from tollbook.web.desk.wallets import find

RECENT, MOST = 25, 100


class SwitchForm(forms.Form):
    """Why."""

    reason = ReasonField("Every customer whose wallet waits reads it.")


@staff_page()
def refills(request: DeskRequest) -> HttpResponse:
    """What is open, what is stopped, what was done lately, in all accounts; and whether refills run at all."""
    by_id = {account.id: account for account in Account.objects.all()}
    mine = Refill.objects.filter(account_id__in=list(by_id))
    stopped = list(RefillStop.objects.filter(account_id__in=list(by_id)).order_by("since_at")[:MOST])
    open_ = list(mine.filter(state__in=OPEN_STATES).order_by("decided_at")[:MOST])
    recent = list(mine.exclude(state__in=OPEN_STATES).order_by("-decided_at")[:RECENT])
    waiting = person.waiting()
    codes = _codes([*stopped, *open_, *recent, *waiting])
    context = {
        "section": "refills",
        "switch": OperatorSwitch.objects.filter(name=switch.NAME).first(),
        "is_on": switch.is_refilling(),
        "waiting": [(by_id[one.account_id], *codes[one.wallet_id], one) for one in waiting],
        "open": [(by_id[one.account_id], *codes[one.wallet_id], one) for one in open_],
        "recent": [(by_id[one.account_id], *codes[one.wallet_id], one) for one in recent],
        "stops": [(by_id[one.account_id], *codes[one.wallet_id], one) for one in stopped],
        "tripped": _tripped(list(by_id)),
        "trail": lists.trail(OPERATOR_ID, "switch/refills"),
    }
    return render(request, "tollbook/desk/refills.html", context)


@staff_page("GET POST")
def turn(request: DeskRequest) -> HttpResponse:
    """The kill switch. Which way, the address says, so that a repeated click does nothing."""
    on = request.GET.get("to") == "on"

    def review(values: dict[str, Any]) -> Review:
        if on:
            says = ["Wallets that are due refill within a minute, each within its own limits."]
            return Review("Switch all refills on", says, confirm="Switch refills on")
        says = [
            "No card of any account is charged from the next moment on, automatically or by hand.",
            "Usage goes on; wallets may run empty. Nothing turns refills on again but a person.",
            f"Reason: “{values['reason']}”",
        ]
        return Review("Switch all refills off", says, confirm="Switch refills off", danger=True)

    def act(values: dict[str, Any]) -> HttpResponse:
        if switch.is_refilling() != on:
            switch.turn(on, values["reason"], request.actor)
        messages.success(request, f"Refills are {'on' if on else 'off'}.")
        return redirect("desk:refills")

    title = f"Switch all refills {'on' if on else 'off'}"
    sheet = Sheet(title, "refills", [(reverse("desk:refills"), "Refills")])
    return stepped(request, SwitchForm(typed(request)), sheet, review, act)


@staff_page("GET POST")
def release(request: DeskRequest, slug: str, type_code: str) -> HttpResponse:
    """Let a wallet refill again after the breaker tripped, once somebody has looked at why."""
    account = accounts.by_slug(slug)
    shown = find(account, type_code)

    def review() -> Review:
        says = [
            "The breaker stopped it because it was refilled abnormally often.",
            "If it is due, its card may be charged within a minute, within its own limits.",
        ]
        return Review(f"Release the refills of {shown.name} of {account.name}", says, confirm="Release", danger=True)

    def act() -> HttpResponse:
        stops.release(account, type_code, request.actor)
        messages.success(request, f"{shown.name} of {account.name} may refill again.")
        return redirect("desk:wallet", slug, type_code)

    place = (reverse("desk:wallet", args=[slug, type_code]), shown.name)
    return decided(request, Sheet("", "refills", [*above(account), place]), review, act)


def _codes(rows: list[Any]) -> dict[UUID, tuple[str, str]]:
    """Code and name of the credit type of each wallet that is named."""
    names = dict(CreditType.objects.values_list("code", "name"))
    wallets = Wallet.objects.filter(
        account_id__in={row.account_id for row in rows}, id__in={row.wallet_id for row in rows}
    )
    return {id: (code, names[code]) for id, code in wallets.values_list("id", "type_code")}


def _tripped(account_ids: list[UUID]) -> set[UUID]:
    """The wallets whose breaker waits for a person."""
    tripped = RefillRule.objects.filter(account_id__in=account_ids, tripped_at__isnull=False)
    return set(tripped.values_list("wallet_id", flat=True))


urls = [
    path("refills/", refills, name="refills"),
    path("refills/switch/", turn, name="refills-switch"),
    path("accounts/<slug:slug>/wallets/<str:type_code>/release/", release, name="refills-release"),
]
