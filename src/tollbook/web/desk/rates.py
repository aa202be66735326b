"""Rates: the default ones and each account's own; giving a new one from an instant on; what a number would cost."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from tollbook.accounts import account as accounts
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound, Refused
from tollbook.rating import card
from tollbook.rating.set_rate import NewRate, check, set_rate
from tollbook.rating.tables import CreditType, Rate
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.fields import AmountField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, stepped, typed
from tollbook.web.errors import onto_form

UNITS = {"seconds": "min", "messages": "message", "segments": "segment"}


class AccountChoice(forms.CharField):
    """An account by its short name; empty for everybody."""

    def clean(self, value: Any) -> Account | None:
        """The account itself."""
        slug = super().clean(value)
        try:
            return accounts.by_slug(slug) if slug else None
        except NotFound as unknown:
            raise forms.ValidationError(unknown.message) from None


def type_choice(empty: str | None = None) -> forms.ModelChoiceField:
    """An active credit type; `empty` is what choosing none is called."""
    types = CreditType.objects.filter(is_active=True)
    return forms.ModelChoiceField(
        types, label="Credit type", to_field_name="code", required=empty is None, empty_label=empty
    )


class FilterForm(forms.Form):
    """Which rates are listed."""

    account = AccountChoice(max_length=63, required=False)
    type = type_choice(empty="All")
    prefix = forms.CharField(max_length=24, required=False)
    all = forms.BooleanField(label="Also past and coming ones", required=False)


class RateForm(forms.Form):
    """A rate to be given."""

    account = AccountChoice(max_length=63, required=False, help_text="Short name. Empty for everybody's default.")
    type = type_choice()
    prefix = forms.CharField(
        max_length=24,
        required=False,
        help_text="Digits with the country code, such as 1212. Empty for all destinations.",
    )
    description = forms.CharField(max_length=100, required=False, help_text="Such as New York City.")
    rate_cents = AmountField(label="Rate (cents per unit)", help_text="Per minute, message or segment; up to 6 places.")
    connect_fee = AmountField(
        required=False, help_text="Once per call that costs anything. In the currency, not in cents."
    )
    minimum_charge = AmountField(
        required=False, help_text="The least that a call or message costs, in the currency, not in cents."
    )
    initial_seconds = forms.IntegerField(label="First step (seconds)", min_value=1, max_value=86_400, initial=1)
    increment_seconds = forms.IntegerField(label="Further steps (seconds)", min_value=1, max_value=86_400, initial=1)
    valid_from = forms.DateTimeField(
        label="From (UTC)",
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Events that happen from then on; those before keep the rate before.",
    )


class QuoteForm(forms.Form):
    """A number, and how much of what."""

    account = AccountChoice(max_length=63, required=False, help_text="Empty: by the default rates.")
    type = type_choice()
    number = forms.CharField(max_length=24, required=False, help_text="With its country code.")
    quantity = forms.DecimalField(min_value=0, max_digits=15, decimal_places=6, initial=60)


@staff_page()
def rates(request: DeskRequest) -> HttpResponse:
    """The default rates, or an account's own, by type and prefix; those in force, or all of them."""
    form = FilterForm(request.GET or None)
    wanted = form.cleaned_data if form.is_bound and form.is_valid() else {}
    complete = not form.is_bound or form.is_valid()
    account = wanted.get("account")
    page = lists.paged(request, _listed(wanted, timezone.now()) if complete else Rate.objects.none())
    context = {
        "section": "rates",
        "form": form,
        "account": account,
        "page": page,
        "rows": [(rate, *_state(rate, timezone.now())) for rate in page],
        "units": _units(),
        "types": dict(CreditType.objects.values_list("code", "name")),
        "trail": lists.trail(account.id if account else OPERATOR_ID, prefix="rate/"),
    }
    return render(request, "tollbook/desk/rates.html", context, status=200 if complete else 400)


@staff_page("GET POST")
def new(request: DeskRequest) -> HttpResponse:
    """Give a rate from an instant on; the one before it ends there."""

    def review(values: dict[str, Any]) -> Review:
        given, account = _new(values), values["account"]
        check(given)
        before = _before(given, account)
        unit = UNITS[values["type"].unit]
        whose = f"for {account.name}" if account else "for everybody without a rate of their own"
        start = f"{formats.day(given.valid_from)} {given.valid_from:%H:%M} UTC"
        rows = [
            ("Rate", _cents(before and before.rate_cents, unit), _cents(given.rate_cents, unit)),
            ("Connect fee", _fee(before, "connect_fee"), formats.number(given.connect_fee)),
            ("Minimum charge", _fee(before, "minimum_charge"), formats.number(given.minimum_charge)),
            ("Steps", _steps(before), f"{given.initial_seconds}/{given.increment_seconds} s"),
        ]
        passed = given.valid_from <= timezone.now()
        return Review(
            f"{values['type'].name} to {_destination(given)}, {whose}",
            [f"From {start}.", "A rate is never edited; another one can follow it."],
            rows if values["type"].unit == "seconds" else rows[:-1],
            confirm="Give the rate",
            effect="That time has passed: events that are recorded already keep their price." if passed else "",
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        given, account = _new(values), values["account"]
        set_rate(given, request.actor, account.id if account else OPERATOR_ID)
        messages.success(
            request, f"{values['type'].name} to {_destination(given)} is {formats.cents(given.rate_cents)} ¢."
        )
        query = {"type": given.type_code, "all": "on"} | ({"account": account.slug} if account else {})
        return redirect(f"{reverse('desk:rates')}?{urlencode(query)}")

    sheet = Sheet("Give a rate", "rates", [(reverse("desk:rates"), "Rates")])
    form = RateForm(typed(request), initial={"valid_from": timezone.now().replace(second=0, microsecond=0)})
    return stepped(request, form, sheet, review, act)


@staff_page()
def quote(request: DeskRequest) -> HttpResponse:
    """What a quantity to a number would cost now, and by which rate."""
    form = QuoteForm(request.GET or None)
    example, status = None, 200
    if form.is_bound and form.is_valid():
        asked = form.cleaned_data
        owner = asked["account"].id if asked["account"] else OPERATOR_ID
        try:
            example = card.rate(owner, asked["type"].code, asked["number"], asked["quantity"], timezone.now())
        except Refused as refusal:
            status = onto_form(form, refusal)
    complete = form.is_bound and form.is_valid()
    context = {
        "section": "rates",
        "form": form,
        "example": example,
        "asked": form.cleaned_data if complete else None,
        "currency": form.cleaned_data["account"].currency if complete and form.cleaned_data["account"] else "USD",
        "unit": UNITS[form.cleaned_data["type"].unit] if complete else "",
    }
    return render(
        request, "tollbook/desk/quote.html", context, status=400 if form.is_bound and not complete else status
    )


def _listed(wanted: dict[str, Any], now: datetime) -> Any:
    account: Account | None = wanted.get("account")
    rates = Rate.objects.filter(account_id=account.id if account else OPERATOR_ID)
    if wanted.get("type"):
        rates = rates.filter(type_code=wanted["type"].code)
    if wanted.get("prefix"):
        rates = rates.filter(prefix__startswith=wanted["prefix"].strip().lstrip("+"))
    if not wanted.get("all"):
        rates = rates.filter(valid_from__lte=now).exclude(valid_until__lte=now)
    return rates.order_by("type_code", "prefix", "-valid_from")


def _state(rate: Rate, now: datetime) -> tuple[str, str]:
    """Word and sign of where a rate stands."""
    if rate.valid_from > now:
        return "Coming", "○"
    return ("Past", "×") if rate.valid_until and rate.valid_until <= now else ("In force", "✓")


def _new(values: dict[str, Any]) -> NewRate:
    taken = {name: values[name] for name in ("rate_cents", "description", "initial_seconds", "increment_seconds")}
    return NewRate(
        type_code=values["type"].code,
        prefix=values["prefix"].strip().lstrip("+"),
        connect_fee=values["connect_fee"] or Decimal(0),
        minimum_charge=values["minimum_charge"] or Decimal(0),
        valid_from=values["valid_from"].astimezone(UTC),
        **taken,
    )


def _before(given: NewRate, account: Account | None) -> Rate | None:
    """The rate that would end where the given one begins."""
    owner: UUID = account.id if account else OPERATOR_ID
    same = Rate.objects.filter(account_id=owner, type_code=given.type_code, prefix=given.prefix)
    return same.filter(valid_until__isnull=True).first()


def _destination(given: NewRate) -> str:
    return f"+{given.prefix}" if given.prefix else "all destinations"


def _cents(rate: Decimal | None, unit: str) -> str:
    return "none" if rate is None else f"{formats.cents(rate)} ¢/{unit}"


def _fee(before: Rate | None, name: str) -> str:
    return formats.number(getattr(before, name)) if before else "none"


def _steps(before: Rate | None) -> str:
    return f"{before.initial_seconds}/{before.increment_seconds} s" if before else "none"


def _units() -> dict[str, str]:
    return {code: UNITS[unit] for code, unit in CreditType.objects.values_list("code", "unit")}


urls = [
    path("rates/", rates, name="rates"),
    path("rates/new/", new, name="rate-new"),
    path("rates/quote/", quote, name="rate-quote"),
]
