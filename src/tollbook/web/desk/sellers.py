"""Sellers: whose name and series documents bear."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.errors import NotFound
from tollbook.invoicing import seller_profile
from tollbook.invoicing.seller import SELLER_CODE, seller
from tollbook.invoicing.seller_profile import NEVER_CHANGED
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, stepped, typed

SECTION = "invoices"


class SellerForm(forms.Form):
    """What its documents print, and its series."""

    code = forms.SlugField(max_length=40, help_text="Accounts name it; operator is the usual one.")
    name = forms.CharField(max_length=200)
    legal_name = forms.CharField(max_length=200, required=False)
    address = forms.CharField(widget=forms.Textarea({"rows": 3}), max_length=1000, required=False)
    country = forms.RegexField(r"\A[A-Z]{2}\Z", error_messages={"invalid": "Two capital letters, such as US."})
    tax_id = forms.CharField(label="Tax ID", max_length=40, required=False)
    email = forms.EmailField(max_length=254, required=False)
    phone = forms.CharField(max_length=40, required=False)
    payment_instructions = forms.CharField(widget=forms.Textarea({"rows": 3}), max_length=1000, required=False)
    notes = forms.CharField(label="Notes on invoices", max_length=500, required=False)
    series = forms.CharField(max_length=12, initial="INV", help_text="Of invoices: INV-000132. It never changes.")
    credit_series = forms.CharField(max_length=12, initial="CN", help_text="Of credit notes. It never changes.")
    is_yearly = forms.BooleanField(
        label="A series for each year", required=False, help_text="INV-2026-000132. It never changes."
    )


@staff_page()
def sellers(request: DeskRequest) -> HttpResponse:
    """All sellers; the operator of the settings stands for the usual one while it has no profile."""
    context = {
        "section": SECTION,
        "sellers": seller_profile.listed(),
        "operator": None if seller_profile.find(SELLER_CODE) else seller(),
        "trail": lists.trail(OPERATOR_ID, prefix="seller/"),
    }
    return render(request, "tollbook/desk/sellers.html", context)


@staff_page("GET POST")
def edit(request: DeskRequest, code: str = "") -> HttpResponse:
    """Make a seller, or change one."""
    known = seller_profile.find(code) if code else None
    if code and known is None:
        raise NotFound("There is no such seller.")
    names = SellerForm.base_fields
    initial = {name: getattr(known, name) for name in names} if known else {"country": seller()["country"]}
    form = SellerForm(typed(request), initial=initial)
    if known:
        form.fields["code"].disabled = True
        for name in NEVER_CHANGED:
            form.fields[name].disabled = True

    def review(values: dict[str, Any]) -> Review:
        changed = [name for name in names if not known or getattr(known, name) != values[name]]
        told = [
            (str(form[name].label), _text(getattr(known, name)) if known else formats.NOTHING, _text(values[name]))
            for name in changed
        ]
        return Review(
            f"{'Change' if known else 'Make'} the seller {values['name']}",
            ["Its documents say so from now on. Those that are issued never change."],
            told,
            confirm="Save",
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        facts = {name: value for name, value in values.items() if name != "code"}
        made = seller_profile.keep(values["code"], facts, request.actor)
        messages.success(request, f"{made.name} is saved.")
        return redirect("desk:sellers")

    title = f"Edit {known.name}" if known else "Add a seller"
    return stepped(request, form, Sheet(title, SECTION, [(reverse("desk:sellers"), "Sellers")]), review, act)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or formats.NOTHING


urls = [
    path("sellers/", sellers, name="sellers"),
    path("sellers/new/", edit, name="seller-new"),
    path("sellers/<slug:code>/", edit, name="seller-edit"),
]
