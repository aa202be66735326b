"""Pay an invoice: amount and card, a review, the payment itself, once; and its receipt, which follows it to its end."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Area
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.invoicing import history
from tollbook.invoicing.history import Opened
from tollbook.invoicing.tables import Invoice
from tollbook.money.amount import parse_amount, to_minor
from tollbook.money.written import SYMBOLS
from tollbook.payments import collect, credit, dunning, gateway, intent, method
from tollbook.payments.dunning import Planned
from tollbook.payments.intent import Wish
from tollbook.payments.tables import OPEN_INTENTS, IntentState, PaymentIntent
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import rows_of
from tollbook.web import formats
from tollbook.web.portal.page import PortalRequest, chosen, page
from tollbook.web.portal.refill_rule import AmountField

PAGE = "page"
MOST_PLANNED = 20
TONES = {IntentState.SUCCEEDED: "good", IntentState.DECLINED: "bad", IntentState.WITHDRAWN: "bad"}
SIGNS = {IntentState.SUCCEEDED: "✓", IntentState.DECLINED: "×", IntentState.WITHDRAWN: "×"}


class PayForm(forms.Form):
    """How much, and with what."""

    amount = AmountField(label="Amount", max_length=40)
    method = forms.ChoiceField(label="Pay with", widget=forms.RadioSelect)

    def __init__(self, currency: str, ways: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        amount = self.fields["amount"]
        amount.currency = currency
        amount.widget.attrs["inputmode"] = "decimal"
        self.fields["method"].choices = ways

    @property
    def method_id(self) -> UUID | None:
        """The chosen card; None for the gateway's own page."""
        return None if self.cleaned_data["method"] == PAGE else UUID(self.cleaned_data["method"])


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def pay(request: PortalRequest, number: str) -> HttpResponse:
    """The form; the review; the payment, once, however often it is sent."""
    with rows_of(request.account.id):
        opened = history.find(request.account.id, number)
        ways = _ways(request)
        if request.method == "GET":
            return _form(request, opened, PayForm(request.account.currency, ways, initial=_initial(request, opened, ways)))
        form = PayForm(request.account.currency, ways, request.POST)
        if not form.is_valid():
            return _form(request, opened, form, 400)
        if request.POST.get("step") != "confirm":
            return _reviewed(request, opened, form)
    return _confirmed(request, opened, form)


@page(area=Area.PAYMENTS, scope=False)
def receipt(request: PortalRequest, id: UUID) -> HttpResponse:
    """What became of a payment. Whoever comes back from the gateway's page is told at once."""
    if request.GET.get("from") == "gateway":
        if collect.settle_by(request.account.id, id) is None:
            raise NotFound("There is no such payment.")
        return HttpResponseRedirect(reverse("portal:payment", args=[id]))
    with rows_of(request.account.id):
        asked = intent.find(request.account.id, id)
        response = render(request, "tollbook/portal/payment.html", _told(request, asked))
    if asked.state in (IntentState.DECIDED, IntentState.CHARGING, IntentState.UNKNOWN) and not asked.on_page:
        response["Refresh"] = "3"  # the worker charges the card within seconds
    return response


@page(area=Area.PAYMENTS, write=True, methods="POST", scope=False)
def confirm(request: PortalRequest, id: UUID) -> HttpResponse:
    """Fetch the address of the page where the card's holder confirms a charge; the receipt links to it."""
    with rows_of(request.account.id):
        intent.find(request.account.id, id)
    collect.confirm_page(request.account.id, id, _return_url(request, id))
    return HttpResponseRedirect(reverse("portal:payment", args=[id]))


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def give_up(request: PortalRequest, id: UUID) -> HttpResponse:
    """Not to confirm or pay it any more: what that means, then do it."""
    address = reverse("portal:payment", args=[id])
    with rows_of(request.account.id):
        asked = intent.find(request.account.id, id)
        number = Invoice.objects.values_list("number", flat=True).get(account_id=request.account.id, id=asked.invoice_id)
    if request.method == "POST":
        try:
            collect.give_up(request.account, id, actor_of(request.user))
        except Conflict as refusal:
            messages.info(request, refusal.message)
        return HttpResponseRedirect(address)
    context = {
        "title": f"Give up this payment of {formats.money(asked.amount, asked.currency)}",
        "crumb_url": address,
        "crumb": "Payment",
        "sentences": [
            "Nothing is charged for it, unless you have confirmed it a moment ago: the gateway is asked first.",
            f"Then {number} can be paid another way.",
        ],
        "action_url": reverse("portal:payment-give-up", args=[id]),
        "confirm": "Give it up",
        "back_url": address,
    }
    return render(request, "tollbook/portal/review.html", context)


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def by_itself(request: PortalRequest) -> HttpResponse:
    """Whether invoices are charged to the default card by themselves: what it would mean, then do it."""
    account = request.account
    if request.method == "POST":
        to = chosen(request, "to", {"on": True, "off": False})
        if request.POST.get("step") != "confirm":
            return _switch_reviewed(request, to)
        dunning.choose(account, to, actor_of(request.user))
        return HttpResponseRedirect(reverse("portal:by-itself"))
    with rows_of(account.id):
        schedule, is_on, card = dunning.schedule(), dunning.collects(account.id), method.default_of(account.id)
        days = ", ".join(str(day) for day in schedule.days) if schedule else ""
        label = method.label(card) if card else ""
        offered = schedule is not None and schedule.is_on
        context = {"is_on": is_on, "offered": offered, "days": days, "card": label, "choice": dunning.chosen(account.id)}
        return render(request, "tollbook/portal/by_itself.html", context)


def _switch_reviewed(request: PortalRequest, to: bool) -> HttpResponse:
    """What would be charged, of which invoices, when and to which card, before automatic payment is switched."""
    with rows_of(request.account.id):
        schedule, card = dunning.schedule(), method.default_of(request.account.id)
        planned = dunning.planned(request.account.id)
        label = method.label(card) if card else "your default card, once there is one"
        days = ", ".join(map(str, schedule.days)) if schedule and schedule.is_on else ""
        address = reverse("portal:by-itself")
        context = {
            "title": f"Review: switch automatic payment {'on' if to else 'off'}",
            "crumb_url": address,
            "crumb": "Automatic payment",
            "sentences": _switched_on(planned, label, days) if to else _switched_off(planned),
            "action_url": address,
            "hidden": {"to": "on" if to else "off", "step": "confirm"},
            "confirm": f"Switch it {'on' if to else 'off'}",
            "danger": not to,
            "back_url": address,
        }
        return render(request, "tollbook/portal/review.html", context)


def _switched_on(planned: list[Planned], card: str, days: str) -> list[str]:
    if not days:
        return ["Invoices are not charged by themselves here, so nothing is charged. This holds as soon as they are."]
    says = [
        f"{formats.money(one.balance, one.currency)} of {one.number} is charged to {card} on {formats.day(one.on)}."
        for one in planned[:MOST_PLANNED]
    ]
    if len(planned) > MOST_PLANNED:
        says.append(f"{len(planned) - MOST_PLANNED} more open invoices are charged, each on its day.")
    says.append("" if planned else "No invoice that is open now is charged by this.")
    later = f"Every invoice from now on is charged in full to {card}, {days} days after its issue, until one try succeeds."
    return [*filter(None, says), later, "You can switch it off at any time."]


def _switched_off(planned: list[Planned]) -> list[str]:
    waits = [f"{one.number}: {formats.money(one.balance, one.currency)}" for one in planned[:MOST_PLANNED]]
    says = ["No invoice is charged by itself from the next moment on. What is being charged now is finished."]
    return [*says, f"These wait for you to pay them: {'; '.join(waits)}."] if waits else says


def _ways(request: PortalRequest) -> list[tuple[str, str]]:
    """The account's cards, the default first, and the gateway's page when one is offered."""
    cards = sorted(method.of_account(request.account.id), key=lambda card: not card.is_default)
    ways = [(str(card.id), f"{method.label(card)}{' (default)' if card.is_default else ''}") for card in cards]
    if any(name != "manual" for name in gateway.offered()):
        ways.append((PAGE, "Another card, on the secure page of our payment provider"))
    return ways


def _initial(request: PortalRequest, opened: Opened, ways: list[tuple[str, str]]) -> dict[str, str]:
    owed = f"{to_minor(opened.balance, opened.invoice.currency):f}"
    first = ways[0][0] if ways else ""
    return {"amount": request.GET.get("amount", owed), "method": request.GET.get("method", first)}


def _form(request: PortalRequest, opened: Opened, form: PayForm, status: int = 200) -> HttpResponse:
    currency = opened.invoice.currency
    under_way = intent.open_of(request.account.id, opened.invoice.id)
    context = {
        "form": form,
        "number": opened.invoice.number,
        "symbol": SYMBOLS.get(currency, currency),
        "balance": opened.balance,
        "total": opened.invoice.total,
        "currency": currency,
        "due_on": opened.invoice.due_on,
        "under_way": under_way,
        "credit": credit.of_account(request.account.id),
        "can_pay": bool(form.fields["method"].choices),
        "instructions": opened.invoice.seller.get("payment_instructions", ""),
    }
    return render(request, "tollbook/portal/pay.html", context, status=status)


def _reviewed(request: PortalRequest, opened: Opened, form: PayForm) -> HttpResponse:
    amount, number, currency = form.cleaned_data["amount"], opened.invoice.number, opened.invoice.currency
    try:
        intent.check(request.account, number, amount, form.method_id)
    except Refused as refusal:
        form.add_error("amount" if isinstance(refusal, Invalid) else None, refusal.message)
        return _form(request, opened, form, 400)
    address, written = reverse("portal:pay", args=[number]), formats.money(amount, currency)
    way = dict(form.fields["method"].choices)[form.cleaned_data["method"]]
    on_page = form.method_id is None
    left = opened.balance - amount
    context = {
        "title": f"Review: pay {written} of {number}",
        "crumb_url": reverse("portal:invoice", args=[number]),
        "crumb": f"Invoice {number}",
        "sentences": [
            f"You pay {written} on the secure page of our payment provider, which the next page leads to."
            if on_page
            else f"{written} is charged to {way.removesuffix(' (default)')} now.",
            f"Then {formats.money(left, currency)} stays open on {number}." if left else f"Then {number} is paid in full.",
            "If it fails, nothing is charged, and the next page says why.",
        ],
        "action_url": address,
        "hidden": _hidden(form, opened, amount),
        "confirm": "Continue" if on_page else f"Pay {written}",
        "back_url": f"{address}?{urlencode({'amount': form.data['amount'], 'method': form.data['method']})}",
        "back": "Change something",
    }
    return render(request, "tollbook/portal/review.html", context)


def _hidden(form: PayForm, opened: Opened, amount: Decimal) -> dict[str, str]:
    """What the review posts: what was seen as owed, so that nobody pays twice; and a key, so that a click is one."""
    return {
        "amount": f"{amount:f}",
        "method": form.cleaned_data["method"],
        "seen": f"{opened.balance:f}",
        "request": str(new_id()),
        "step": "confirm",
    }


def _confirmed(request: PortalRequest, opened: Opened, form: PayForm) -> HttpResponse:
    wish = Wish(
        invoice_id=opened.invoice.id,
        amount=form.cleaned_data["amount"],
        method_id=form.method_id,
        seen=_seen(request),
        reason=f"{request.user.email} asked for it.",
        request_key=f"portal:{request.POST.get('request', '')}"[:200],
    )
    try:
        asked = collect.ask(request.account, wish, actor_of(request.user))
        if asked.on_page:
            collect.open_page(request.account.id, asked.id, _return_url(request, asked.id))
    except intent.PaymentUnderWay as refusal:
        return HttpResponseRedirect(reverse("portal:payment", args=[refusal.details["payment"]]))
    except Refused as refusal:
        form.add_error("amount" if isinstance(refusal, Invalid) else None, refusal.message)
        with rows_of(request.account.id):
            now = history.find(request.account.id, opened.invoice.number)
            return _form(request, now, form, 409 if isinstance(refusal, Conflict) else 400)
    return HttpResponseRedirect(reverse("portal:payment", args=[asked.id]))


def _seen(request: PortalRequest) -> Decimal:
    try:
        return parse_amount(request.POST.get("seen", ""))
    except ValueError:
        raise Invalid("This form was not complete. Open it again.") from None


def _return_url(request: PortalRequest, id: UUID) -> str:
    return request.build_absolute_uri(f"{reverse('portal:payment', args=[id])}?from=gateway")


def _told(request: PortalRequest, asked: PaymentIntent) -> dict[str, Any]:
    """A payment's receipt, as the page has it."""
    state, card = IntentState(asked.state), intent.card_of(asked)
    invoice = Invoice.objects.get(account_id=request.account.id, id=asked.invoice_id)
    opened = history.find(request.account.id, invoice.number)
    return {
        "asked": asked,
        "state": state,
        "word": state.label,
        "tone": TONES.get(state, "warn"),
        "sign": SIGNS.get(state, "○"),
        "number": invoice.number,
        "balance": opened.balance,
        "way": method.label(card) if card else "Our payment provider's page",
        "is_open": state in OPEN_INTENTS,
        "waits_for_person": state == IntentState.ACTION_REQUIRED,
        "may_give_up": state == IntentState.ACTION_REQUIRED and asked.given_up_at is None,
        "may_pay": request.rights[Area.PAYMENTS].write,
        "may_open": request.rights[Area.INVOICES].read,
    }


urls = [
    path("billing/invoices/<number:number>/pay/", pay, name="pay"),
    path("billing/payments/<uuid:id>/", receipt, name="payment"),
    path("billing/payments/<uuid:id>/confirm/", confirm, name="payment-confirm"),
    path("billing/payments/<uuid:id>/give-up/", give_up, name="payment-give-up"),
    path("billing/collection/", by_itself, name="by-itself"),
]
