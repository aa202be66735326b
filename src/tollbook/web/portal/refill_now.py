"""Refill a wallet by hand: amount, review with the card and what stands against it, confirm."""

from typing import Any

from django import forms
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Area
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.money.amount import to_minor
from tollbook.money.written import SYMBOLS
from tollbook.payments import method
from tollbook.postgres.ids import new_id
from tollbook.refills import decide, rule
from tollbook.wallets.gauge import Gauge
from tollbook.web import formats
from tollbook.web.portal.about_wallet import gauge_of, head
from tollbook.web.portal.page import PortalRequest, page
from tollbook.web.portal.refill_rule import AmountField


class AmountForm(forms.Form):
    """How much."""

    amount = AmountField(label="Amount", max_length=40)

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["amount"]
        field.currency = currency
        field.widget.attrs["inputmode"] = "decimal"


@page(area=Area.PAYMENTS, write=True, methods="GET POST")
def refill(request: PortalRequest, type_code: str) -> HttpResponse:
    """The form; the review; the request itself, once, however often it is sent."""
    account, gauge = request.account, gauge_of(request.account, type_code)
    if gauge.wallet_id is None:
        raise NotFound("This account has no such wallet yet.")
    if request.method == "GET":
        stored = rule.of_wallet(account.id, gauge.wallet_id)
        usual = f"{to_minor(stored.refill_amount, account.currency):f}" if stored else ""
        return _form(request, gauge, AmountForm(account.currency, initial={"amount": request.GET.get("amount", usual)}))
    form = AmountForm(account.currency, request.POST)
    if form.is_valid():
        try:
            if request.POST.get("step") == "confirm":
                return _confirmed(request, gauge, form)
            return _review(request, gauge, form)
        except (Invalid, Conflict) as refusal:
            form.add_error("amount" if isinstance(refusal, Invalid) else None, refusal.message)
    return _form(request, gauge, form, status=400)


def _form(request: PortalRequest, gauge: Gauge, form: AmountForm, status: int = 200) -> HttpResponse:
    context = head(request, gauge) | {
        "form": form,
        "symbol": SYMBOLS.get(gauge.currency, gauge.currency),
        "balance": formats.money(gauge.balance, gauge.currency),
        "card": _card(request),
    }
    return render(request, "tollbook/portal/credits/refill_now.html", context, status=status)


def _review(request: PortalRequest, gauge: Gauge, form: AmountForm) -> HttpResponse:
    amount, currency = form.cleaned_data["amount"], gauge.currency
    decide.check_ask(request.account, gauge.type_code, amount)
    address = reverse("portal:refill", args=[gauge.type_code])
    written, before, after = (formats.money(sum, currency) for sum in (amount, gauge.balance, gauge.balance + amount))
    context = head(request, gauge) | {
        "title": f"Review: refill {gauge.name} with {written}",
        "sentences": [
            f"{written} will be charged to {_card(request)} within a minute.",
            f"Then the balance goes from {before} to {after}, and an invoice over {written} is issued, paid.",
            "If the charge fails, the balance stays as it is, and the reason is shown with the refill.",
        ],
        "action_url": address,
        "hidden": {"amount": f"{amount:f}", "step": "confirm", "request": str(new_id())},
        "confirm": f"Charge {written}",
        "back_url": f"{address}?{urlencode({'amount': form.data['amount']})}",
        "back": "Change the amount",
    }
    return render(request, "tollbook/portal/credits/review.html", context)


def _confirmed(request: PortalRequest, gauge: Gauge, form: AmountForm) -> HttpResponse:
    key = f"portal:{request.POST.get('request', '')}"[:200]
    asked = decide.ask(request.account, gauge.type_code, form.cleaned_data["amount"], actor_of(request.user), key)
    address = reverse("portal:wallet", args=[gauge.type_code])
    return HttpResponseRedirect(f"{address}?{urlencode({'asked': str(asked.id)})}#refills")


def _card(request: PortalRequest) -> str:
    card = method.default_of(request.account.id)
    return method.label(card) if card else ""


urls = [path("billing/credits/<slug:type_code>/refill/", refill, name="refill")]
