"""What can be subscribed to: components, their prices by charge model, prices from a day on, and what they include."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.errors import NotFound
from tollbook.money.amount import ZERO, parse_amount
from tollbook.rating.charges import Tier
from tollbook.rating.tables import CreditType
from tollbook.subscriptions import component
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.price import Model, Price, plain
from tollbook.subscriptions.tables import Component, FeeKind, Interval
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, decided, stepped, typed

ABOVE = "Subscriptions"
MOST_TIERS = 20


class TiersField(forms.CharField):
    """Tiers, one a line: `10: 5.00`, `100: 4.00 + 20`, `more: 3.00`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=1000, required=False, widget=forms.Textarea({"rows": 3}), **options)

    def to_python(self, value: Any) -> tuple[Tier, ...]:
        """The tiers in order; nothing for nothing."""
        lines = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        if len(lines) > MOST_TIERS:
            raise forms.ValidationError(f"At most {MOST_TIERS} tiers.")
        return tuple(_tier(line) for line in lines)

    def validate(self, value: Any) -> None:
        """Tiers have been looked at one by one."""

    def run_validators(self, value: Any) -> None:
        """Those for text say nothing of tiers."""

    def prepare_value(self, value: Any) -> Any:
        """Tiers as people write them."""
        return value if isinstance(value, str) or value is None else "\n".join(_written(tier) for tier in value)


class PriceForm(forms.Form):
    """A price by its charge model."""

    model = forms.ChoiceField(
        label="Charge model", choices=Model.choices, initial=Model.PER_UNIT,
        help_text="Per unit: quantity × price. Flat: the price, whatever the quantity. Tiers and packages as below.",
    )  # fmt: skip
    price = AmountField(
        required=False, help_text="For one (flat: for all; packages: for each). In the currency of whoever subscribes."
    )
    tiers = TiersField(help_text="One a line, up to and with the number: “10: 5.00”, “100: 4.00 + 20”, “more: 3.00”.")
    size = forms.DecimalField(
        label="Units in a package", max_digits=14, decimal_places=3, min_value=0, required=False, help_text="Packages only."
    )
    free_units = forms.DecimalField(
        max_digits=14, decimal_places=3, min_value=0, required=False, help_text="Packages only: units before the first one."
    )

    def priced(self, values: dict[str, Any]) -> Price:
        """The price that was written. Raises Invalid beside its field."""
        amount = values["price"] if values["price"] is not None else ZERO if values["tiers"] else Decimal(-1)
        size = values["size"] if values["model"] == Model.PACKAGE else None
        free = values["free_units"] if values["model"] == Model.PACKAGE else None
        price = Price(values["model"], amount, values["tiers"] or (), size or Decimal(1), free or ZERO)
        prices.check(price)
        return price


class ComponentForm(PriceForm):
    """What is offered, and for how much to new subscriptions."""

    code = forms.SlugField(
        label="Code", max_length=40, help_text="Short and lasting, such as seat. A known code changes that component."
    )
    name = forms.CharField(max_length=120, help_text="As invoices print it.")
    kind = forms.ChoiceField(choices=FeeKind.choices)
    months = forms.TypedChoiceField(
        label="Charged", choices=Interval.choices, coerce=int, initial=1, help_text="Recurring fees, in advance."
    )
    tax_code = forms.SlugField(
        label="Tax category", max_length=40, required=False, help_text="Empty for the operator's standard one."
    )
    grant_type_code = forms.ModelChoiceField(
        CreditType.objects.filter(is_active=True), label="Includes credit for", to_field_name="code", required=False,
        empty_label="Nothing",
    )  # fmt: skip
    grant_amount = AmountField(
        label="Included each month", required=False, help_text="For one, granted to the account's wallet each month."
    )
    field_order = ["code", "name", "kind", "months", "model", "price", "tiers", "size", "free_units", "tax_code"]

    def terms(self, values: dict[str, Any]) -> component.Terms:
        """What it is beside its price."""
        chosen = values["grant_type_code"]
        months = values["months"] if values["kind"] == FeeKind.RECURRING else 1
        return component.Terms(months, values["tax_code"], chosen.code if chosen else "", values["grant_amount"] or ZERO)


class ScheduleForm(PriceForm):
    """A price from a day on."""

    valid_from = DayField(label="From", help_text="Tomorrow at the earliest.")
    field_order = ["valid_from", "model", "price", "tiers", "size", "free_units"]


@staff_page()
def components(request: DeskRequest) -> HttpResponse:
    """What can be subscribed to."""
    today = component.today()
    rows = [
        (one, prices.told(component.price_on(one, today)), component.coming(one.code, today))
        for one in Component.objects.order_by("-is_active", "kind", "name")
    ]
    context = {
        "section": "subscriptions",
        "rows": [(one, told, [(each.valid_from, _told(each)) for each in coming]) for one, told, coming in rows],
        "trail": lists.trail(OPERATOR_ID, prefix="component/"),
    }
    return render(request, "tollbook/desk/components.html", context)


@staff_page("GET POST")
def offer(request: DeskRequest) -> HttpResponse:
    """Offer a component, or give a known one another name or price."""
    known = {one.code: one for one in Component.objects.all()}
    begun = known.get(request.GET.get("code", ""))
    form = ComponentForm(typed(request), initial=_begun(begun) if begun else {})

    def review(values: dict[str, Any]) -> Review:
        price, terms, before = form.priced(values), form.terms(values), known.get(values["code"])
        component.check(before, values["kind"], terms)
        now = before and component.price_on(before, component.today())
        rows = [
            ("Name", before.name if before else formats.NOTHING, values["name"]),
            ("Price", prices.told(now) if now else formats.NOTHING, prices.told(price)),
        ]
        says = ["What accounts have subscribed to keeps its own name and price; who follows the price pays it from the next "
                "period on." if before else "Accounts can then have it."]  # fmt: skip
        if terms.grant_type_code:
            included = f"{formats.number(terms.grant_amount)} of {values['grant_type_code']}"
            says.append(f"One of it includes {included} each month.")
        return Review(f"Offer {values['name']}", says, rows, confirm="Offer")

    def act(values: dict[str, Any]) -> HttpResponse:
        price, terms, before = form.priced(values), form.terms(values), known.get(values["code"])
        if before is None or not _same(before, values, price, terms):
            component.offer(values["code"], values["name"], FeeKind(values["kind"]), price, request.actor, terms)
        messages.success(request, f"{values['name']} is offered.")
        return redirect("desk:components")

    return stepped(request, form, Sheet("Offer a component", "subscriptions", _above()), review, act)


@staff_page("GET POST")
def schedule(request: DeskRequest, code: str) -> HttpResponse:
    """Another price from a day on."""
    shown = _find(code)
    now = component.price_on(shown, component.today())
    initial = {"model": now.model, "price": now.amount, "tiers": now.tiers, "size": now.size, "free_units": now.free_units}
    form = ScheduleForm(typed(request), initial=initial)

    def review(values: dict[str, Any]) -> Review:
        price, first = form.priced(values), formats.day(values["valid_from"])
        says = [
            f"Who subscribes from {first} on pays it.",
            "Who follows the component's price pays it for periods that begin on that day or later; all others keep theirs.",
        ]
        rows = [("Price", prices.told(component.price_on(shown, values["valid_from"])), prices.told(price))]
        return Review(f"Another price of {shown.name} from {first}", says, rows, confirm="Schedule it")

    def act(values: dict[str, Any]) -> HttpResponse:
        price = form.priced(values)
        if component.price_on(shown, values["valid_from"]) != price:
            component.set_price(code, price, values["valid_from"], request.actor)
        messages.success(request, f"{shown.name} costs {prices.told(price)} from {formats.day(values['valid_from'])} on.")
        return redirect("desk:components")

    return stepped(request, form, Sheet(f"Schedule a price of {shown.name}", "subscriptions", _above()), review, act)


@staff_page("GET POST")
def withdraw(request: DeskRequest, code: str) -> HttpResponse:
    """Offer a component no longer."""
    shown = _find(code)

    def review() -> Review:
        says = ["Nobody can subscribe to it any more.", "Running subscriptions go on and are billed."]
        return Review(f"Withdraw {shown.name}", says, confirm="Withdraw", danger=True)

    def act() -> HttpResponse:
        if shown.is_active:
            component.withdraw(code, request.actor)
        messages.success(request, f"{shown.name} is no longer offered.")
        return redirect("desk:components")

    return decided(request, Sheet("", "subscriptions", _above()), review, act)


def _find(code: str) -> Component:
    shown = Component.objects.filter(code=code).first()
    if shown is None:
        raise NotFound(f"There is no component “{code}”.")
    return shown


def _begun(one: Component) -> dict[str, Any]:
    price = component.price_on(one, component.today())
    facts = {name: getattr(one, name) for name in ("code", "name", "kind", "months", "tax_code", "grant_type_code")}
    packed = {"size": price.size, "free_units": price.free_units} if price.model == Model.PACKAGE else {}
    grant = {"grant_amount": one.grant_amount} if one.grant_amount else {}
    return facts | packed | grant | {"model": price.model, "price": price.amount, "tiers": price.tiers}


def _same(before: Component, values: dict[str, Any], price: Price, terms: component.Terms) -> bool:
    facts = all(getattr(before, name) == values[name] for name in ("name", "kind"))
    others = all(getattr(before, name) == getattr(terms, name) for name in component.Terms.__slots__)
    return before.is_active and facts and others and component.price_on(before, component.today()) == price


def _told(version: Any) -> str:
    return prices.told(prices.of(version.model, version.price, version.scheme))


def _tier(line: str) -> Tier:
    end, colon, rest = line.partition(":")
    price, _, fee = rest.partition("+")
    try:
        if not colon:
            raise ValueError(f"“{line}” is not a tier; write it like 10: 5.00")
        up_to = None if end.strip().lower() == "more" else parse_amount(end)
        return Tier(up_to, parse_amount(price), parse_amount(fee) if fee.strip() else ZERO)
    except ValueError as wrong:
        raise forms.ValidationError(f"{str(wrong)[0].upper()}{str(wrong)[1:]}.") from None


def _written(tier: Tier) -> str:
    end = "more" if tier.up_to is None else plain(tier.up_to)
    return f"{end}: {plain(tier.price)}" + (f" + {plain(tier.flat_fee)}" if tier.flat_fee else "")


def _above() -> list[tuple[str, str]]:
    return [(reverse("desk:components"), ABOVE)]


urls = [
    path("subscriptions/", components, name="components"),
    path("subscriptions/offer/", offer, name="component-offer"),
    path("subscriptions/<str:code>/price/", schedule, name="component-price"),
    path("subscriptions/<str:code>/withdraw/", withdraw, name="component-withdraw"),
]
