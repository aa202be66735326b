"""Components, and what an account subscribes to: start, another quantity from a day on, end."""

from datetime import date
from decimal import Decimal
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
from tollbook.errors import NotFound
from tollbook.money.period import billing_day
from tollbook.subscriptions import change, component, fees, subscribe
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.change import Wanted
from tollbook.subscriptions.plan import A_DAY
from tollbook.subscriptions.tables import ChangeKind, Component, FeeKind, Subscription
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, decided, stepped, typed


class ComponentForm(forms.Form):
    """What is offered, and for how much to new subscriptions."""

    code = forms.SlugField(
        label="Code", max_length=40, help_text="Short and lasting, such as seat. A known code changes that component."
    )
    name = forms.CharField(max_length=120, help_text="As invoices print it.")
    kind = forms.ChoiceField(choices=FeeKind.choices)
    price = AmountField(help_text="For one: each period, or once. In the currency of whoever subscribes.")


class SubscriptionForm(Once):
    """What an account subscribes to."""

    component = forms.ModelChoiceField(
        Component.objects.filter(is_active=True), to_field_name="code", empty_label="Choose one"
    )
    quantity = forms.DecimalField(max_digits=14, decimal_places=3, min_value=0, initial=1)
    starts_on = DayField(
        label="First day", help_text="Billed from the first billing day on or after it; not before the next one."
    )
    name = forms.CharField(max_length=120, required=False, help_text="As invoices print it, if not the component's.")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"] = AmountField(
            label=f"Price of one ({account.currency})", required=False, help_text="Empty for the component's own price."
        )
        self.initial.setdefault("starts_on", accounts.today_in(account))
        self.order_fields(["component", "quantity", "price", "starts_on", "name"])


class QuantityForm(Once):
    """How many, from which day on."""

    quantity = forms.DecimalField(max_digits=14, decimal_places=3, min_value=0)
    from_on = DayField(label="From", help_text="The running period stays as it was billed; nothing is prorated.")


class EndForm(Once):
    """The last day."""

    ends_on = DayField(label="Last day", help_text="A period that is billed already is not refunded.")


@staff_page()
def components(request: DeskRequest) -> HttpResponse:
    """What can be subscribed to."""
    context = {
        "section": "subscriptions",
        "components": Component.objects.order_by("-is_active", "kind", "name"),
        "trail": lists.trail(OPERATOR_ID, prefix="component/"),
    }
    return render(request, "tollbook/desk/components.html", context)


@staff_page("GET POST")
def offer(request: DeskRequest) -> HttpResponse:
    """Offer a component, or give a known one another name or price."""
    known = {one.code: one for one in Component.objects.all()}
    begun = known.get(request.GET.get("code", ""))

    def review(values: dict[str, Any]) -> Review:
        prices.check_amount(values["price"])
        before = known.get(values["code"])
        rows = [
            ("Name", before.name if before else formats.NOTHING, values["name"]),
            ("Price", formats.number(before.price) if before else formats.NOTHING, formats.number(values["price"])),
        ]
        says = (
            "What accounts have subscribed to keeps its own name and price." if before else "Accounts can then have it."
        )
        return Review(f"Offer {values['name']}", [says], rows, confirm="Offer")

    def act(values: dict[str, Any]) -> HttpResponse:
        before = known.get(values["code"])
        if before is None or not before.is_active or _differs(before, values):
            component.offer(values["code"], values["name"], FeeKind(values["kind"]), values["price"], request.actor)
        messages.success(request, f"{values['name']} is offered.")
        return redirect("desk:components")

    initial = {name: getattr(begun, name) for name in ("code", "name", "kind", "price")} if begun else {}
    sheet = Sheet("Offer a component", "subscriptions", [(reverse("desk:components"), "Subscriptions")])
    return stepped(request, ComponentForm(typed(request), initial=initial), sheet, review, act)


@staff_page("GET POST")
def withdraw(request: DeskRequest, code: str) -> HttpResponse:
    """Offer a component no longer."""
    shown = Component.objects.filter(code=code).first()
    if shown is None:
        raise NotFound(f"There is no component “{code}”.")

    def review() -> Review:
        says = ["Nobody can subscribe to it any more.", "Running subscriptions go on and are billed."]
        return Review(f"Withdraw {shown.name}", says, confirm="Withdraw", danger=True)

    def act() -> HttpResponse:
        if shown.is_active:
            component.withdraw(code, request.actor)
        messages.success(request, f"{shown.name} is no longer offered.")
        return redirect("desk:components")

    sheet = Sheet("", "subscriptions", [(reverse("desk:components"), "Subscriptions")])
    return decided(request, sheet, review, act)


@staff_page()
def subscriptions(request: DeskRequest, slug: str) -> HttpResponse:
    """All that an account ever subscribed to, and its next charge."""
    account = accounts.by_slug(slug)
    today = accounts.today_in(account)
    rows = [
        (fee, fee.starts_on <= today and not _over(fee, today), _over(fee, today)) for fee in fees.of_account(account)
    ]
    context = {
        "section": "accounts",
        "account": account,
        "rows": sorted(rows, key=lambda row: row[2]),
        "fees": fees.fees(account, today),
        "trail": lists.trail(account.id, prefix="subscription/"),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/subscriptions.html", context)


@staff_page("GET POST")
def start(request: DeskRequest, slug: str) -> HttpResponse:
    """Subscribe an account, once per form."""
    account = accounts.by_slug(slug)

    def new(values: dict[str, Any]) -> subscribe.NewSubscription:
        wanted = {name: values[name] for name in ("starts_on", "quantity", "price", "name")}
        return subscribe.NewSubscription(values["component"].code, **wanted)

    def review(values: dict[str, Any]) -> Review:
        chosen: Component = values["component"]
        subscribe.check(account, new(values), chosen)
        price = chosen.price if values["price"] is None else values["price"]
        total = fees.line_total(values["quantity"], price, account.currency)
        each = "once" if chosen.kind == FeeKind.SETUP else "each period"
        first = billing_day(account.anchor_on, values["starts_on"])
        sum_ = f"{formats.number(values['quantity'])} × {formats.exact_money(price, account.currency)}"
        return Review(
            f"Start {values['name'] or chosen.name} for {account.name}",
            [
                f"{sum_} = {formats.money(total, account.currency)}, charged {each}.",
                f"Its first billing day is {formats.day(first)}.",
            ],
            confirm="Start",
            effect=_late(account, first),
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        made = subscribe.start(account, new(values), request.actor, values["token"])
        messages.success(request, f"{made.name} starts on {formats.day(made.starts_on)}.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"Start a subscription of {account.name}", "accounts", _above(account))
    return stepped(request, SubscriptionForm(account, typed(request)), sheet, review, act)


@staff_page("GET POST")
def quantity(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Another quantity from a day on."""
    account = accounts.by_slug(slug)
    row = _find(account, id)

    def review(values: dict[str, Any]) -> Review:
        now, after = _each(row.quantity, row, account), _each(values["quantity"], row, account)
        first = billing_day(account.anchor_on, values["from_on"])
        return Review(
            f"Change {row.name} of {account.name} from {formats.day(values['from_on'])}",
            [f"The first period billed with it begins {formats.day(first)}; nothing is prorated."],
            [("Quantity = total each period", now, after)],
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        wanted = Wanted(ChangeKind.QUANTITY, values["from_on"], quantity=values["quantity"])
        change.make(account, id, wanted, request.actor, values["token"])
        messages.success(request, f"{row.name} changes on {formats.day(values['from_on'])}.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"Change the quantity of {row.name}", "accounts", _above(account))
    initial = {"quantity": f"{row.quantity.normalize():f}", "from_on": _tomorrow(account)}
    return stepped(request, QuantityForm(typed(request), initial=initial), sheet, review, act)


@staff_page("GET POST")
def end(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """End a subscription on a day, or take back a setup fee that is not billed yet."""
    account = accounts.by_slug(slug)
    row = _find(account, id)

    def review(values: dict[str, Any]) -> Review:
        if row.kind == FeeKind.SETUP:
            says = ["A setup fee is taken back whole, and only before its billing day."]
        else:
            says = [f"Its last day is {formats.day(values['ends_on'])}.", "What is billed already is not refunded."]
        return Review(f"End {row.name} of {account.name}", says, confirm="End it", danger=True)

    def act(values: dict[str, Any]) -> HttpResponse:
        wanted = Wanted(ChangeKind.END, values["ends_on"] + A_DAY, values["ends_on"], prorated=False)
        change.make(account, id, wanted, request.actor, values["token"])
        messages.success(request, f"{row.name} ends.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"End {row.name}", "accounts", _above(account))
    form = EndForm(typed(request), initial={"ends_on": row.ends_on or accounts.today_in(account)})
    return stepped(request, form, sheet, review, act)


def _each(count: Decimal, row: Subscription, account: Account) -> str:
    total = fees.line_total(count, row.price, account.currency)
    return f"{formats.number(count)} = {formats.money(total, account.currency)}"


def _find(account: Account, id: UUID) -> Subscription:
    row = Subscription.objects.filter(account_id=account.id, id=id).first()
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def _differs(before: Component, values: dict[str, Any]) -> bool:
    return any(getattr(before, name) != values[name] for name in ("name", "kind", "price"))


def _over(fee: fees.Fee, today: date) -> bool:
    return fee.ends_on is not None and fee.ends_on < today


def _tomorrow(account: Account) -> date:
    return accounts.today_in(account) + A_DAY


def _late(account: Account, first: date) -> str:
    if first > accounts.today_in(account):
        return ""
    return "That day has come: the next billing run bills the periods that have no invoice yet."


def _above(account: Account) -> list[tuple[str, str]]:
    return [*above(account), (reverse("desk:subscriptions", args=[account.slug]), "Subscriptions")]


urls = [
    path("subscriptions/", components, name="components"),
    path("subscriptions/offer/", offer, name="component-offer"),
    path("subscriptions/<str:code>/withdraw/", withdraw, name="component-withdraw"),
    path("accounts/<slug:slug>/subscriptions/", subscriptions, name="subscriptions"),
    path("accounts/<slug:slug>/subscriptions/start/", start, name="subscription-start"),
    path("accounts/<slug:slug>/subscriptions/<uuid:id>/quantity/", quantity, name="subscription-quantity"),
    path("accounts/<slug:slug>/subscriptions/<uuid:id>/end/", end, name="subscription-end"),
]
