"""The rate card: what each destination costs now; and what one number would cost."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts.tables import Account, Area
from tollbook.errors import Invalid
from tollbook.rating import card
from tollbook.rating.card import Example
from tollbook.rating.tables import CreditType
from tollbook.wallets.gauge import Gauge, gauges
from tollbook.web import arithmetic
from tollbook.web.portal.about_wallet import paged
from tollbook.web.portal.page import PortalRequest, page

USUAL_QUANTITY = {CreditType.Unit.SECONDS: "61", CreditType.Unit.MESSAGES: "1", CreditType.Unit.SEGMENTS: "1"}


class NumberForm(forms.Form):
    """A number to be rated."""

    type = forms.ChoiceField(label="Type")
    number = forms.CharField(
        label="Number with country code", required=False, max_length=40, widget=forms.TextInput({"inputmode": "tel"})
    )
    quantity = forms.DecimalField(label="Quantity", widget=forms.TextInput({"inputmode": "decimal"}), max_digits=20)

    def __init__(self, data: Any, shown: list[Gauge]) -> None:
        super().__init__(data)
        field = self.fields["type"]
        field.choices = [(gauge.type_code, gauge.name) for gauge in shown]


@page(area=Area.CREDITS)
def rates(request: PortalRequest) -> HttpResponse:
    """One type's rates, and the price of one number when it is asked for."""
    account, now = request.account, datetime.now(UTC)
    shown = gauges(account.id)
    form = NumberForm(_asked(request, shown), shown)
    form.is_valid()
    gauge = next((one for one in shown if one.type_code == form.cleaned_data.get("type")), shown[-1])
    number = form.cleaned_data.get("number", "").strip()
    listed = card.lines(account.id, gauge.type_code, now).beginning(number)
    pages = paged(listed, request)
    context = {
        "types": shown,
        "gauge": gauge,
        "currency": account.currency,
        "form": form,
        "page": pages,
        "lines": [_line(line, gauge) for line in card.described(account.id, pages.object_list)],
        "per": arithmetic.PER[CreditType.Unit(gauge.unit)],
        "counted": f"{gauge.unit.capitalize()} to rate",
    } | _example(account, form, gauge, number, now)
    return render(request, "tollbook/portal/credits/rates.html", context)


def _asked(request: PortalRequest, shown: list[Gauge]) -> dict[str, str]:
    """What was asked, with the usual answers where nothing was."""
    asked = {name: request.GET.get(name, "") for name in NumberForm.base_fields}
    codes = {gauge.type_code: CreditType.Unit(gauge.unit) for gauge in shown}
    asked["type"] = asked["type"] if asked["type"] in codes else shown[-1].type_code
    asked["quantity"] = asked["quantity"] or USUAL_QUANTITY[codes[asked["type"]]]
    return asked


def _example(account: Account, form: NumberForm, gauge: Gauge, number: str, now: datetime) -> dict[str, Any]:
    """The answer to "rate this number", or why there is none."""
    if not number or "quantity" in form.errors:
        return {}
    try:
        found = card.rate(account.id, gauge.type_code, _digits(number), form.cleaned_data["quantity"], now)
    except Invalid as refusal:
        form.add_error(str(refusal.details.get("field", "number")), refusal.message)
        return {}
    if found is None:
        return {"no_rate": f"There is no rate for {gauge.name} to {number}: it would be refused, not charged."}
    return {"example": found, "sentence": _sentence(found, gauge), "example_line": _line(card.Line(
        found.terms, found.description, found.is_own), gauge)}  # fmt: skip


def _digits(number: str) -> str:
    """A number as people write it, without spaces and signs between its digits."""
    return "".join(sign for sign in number if sign not in " .-()/")


def _sentence(example: Example, gauge: Gauge) -> str:
    terms, priced = example.terms, example.priced
    return arithmetic.told(
        example.quantity,
        priced.billed,
        terms.rate_cents,
        terms.connect_fee,
        priced.cost,
        terms,
        gauge.unit,
        gauge.currency,
    )


def _line(line: card.Line, gauge: Gauge) -> dict[str, Any]:
    terms = line.terms
    return {
        "prefix": f"+{terms.prefix}" if terms.prefix else "",
        "destination": line.description or ("" if terms.prefix else "Any destination that is not listed"),
        "rate_cents": terms.rate_cents,
        "connect_fee": terms.connect_fee,
        "steps": arithmetic.steps(terms) or ("every second" if terms.timed else ""),
        "since": terms.valid_from,
        "until": terms.valid_until,
        "is_own": line.is_own,
    }


urls = [path("billing/credits/rates/", rates, name="rates")]
