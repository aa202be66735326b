"""The account's own billing details: what its future documents say and who gets them, changed after a look at the change."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.account import DETAILS, MOST_RECIPIENTS, TAX_FACTS, change
from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Invalid
from tollbook.web import formats
from tollbook.web.portal.page import PortalRequest, page


class DetailsForm(forms.Form):
    """What stands on documents about the buyer."""

    legal_name = forms.CharField(label="Legal name", max_length=200, required=False)
    address = forms.CharField(widget=forms.Textarea({"rows": 3}), max_length=1000, required=False)
    country = forms.RegexField(
        r"\A[A-Z]{2}\Z",
        help_text="Two capital letters, such as US. It decides about tax, once we have checked it.",
        error_messages={"invalid": "Two capital letters, such as US."},
    )
    region = forms.CharField(
        label="State or region", max_length=40, required=False, help_text="Such as NY, where tax depends on it."
    )
    tax_id = forms.CharField(label="Tax ID", max_length=40, required=False, help_text="Such as a VAT number.")
    po_number = forms.CharField(label="Purchase order number", max_length=60, required=False)
    billing_email = forms.EmailField(label="Billing email", max_length=254, required=False)
    recipients = forms.CharField(
        label="Also sent to",
        required=False,
        max_length=2_000,
        widget=forms.Textarea({"rows": 3}),
        help_text=f"Invoices are mailed to these, too. One email address a line, up to {MOST_RECIPIENTS}.",
    )

    def clean_recipients(self) -> list[str]:
        """The addresses, each once."""
        return list(dict.fromkeys(self.cleaned_data["recipients"].replace(",", " ").split()))

    def typed(self) -> dict[str, str]:
        """What was typed, to be posted again."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}


@page(area=Area.INVOICES, write=True, methods="GET POST")
def details(request: PortalRequest) -> HttpResponse:
    """The form; what would change; the change. Whoever goes back finds what they typed."""
    if request.method == "GET":
        typed = request.GET if "country" in request.GET else _initial(request.account)
        return _form(request, DetailsForm(initial=typed))
    form = DetailsForm(request.POST)
    if not form.is_valid():
        return _form(request, form, 400)
    changes = _changes(request.account, form)
    try:
        if request.POST.get("step") == "confirm":
            change(request.account.id, form.cleaned_data, actor_of(request.user))
            messages.success(request, "Your billing details are saved, for documents from now on.")
            return HttpResponseRedirect(reverse("portal:invoices"))
    except Invalid as refusal:
        field = str(refusal.details.get("field", ""))
        form.add_error(field if field in form.fields else None, refusal.message)
        return _form(request, form, 400)
    if not changes:
        form.add_error(None, "This is how it stands already; nothing would change.")
        return _form(request, form, 400)
    return _review(request, form, changes)


def _form(request: PortalRequest, form: DetailsForm, status: int = 200) -> HttpResponse:
    return render(request, "tollbook/portal/details.html", {"form": form, "account": request.account}, status=status)


def _review(request: PortalRequest, form: DetailsForm, changes: list[tuple[str, str, str]]) -> HttpResponse:
    address = reverse("portal:details")
    context = {
        "title": "Review: billing details",
        "crumb_url": address,
        "crumb": "Billing details",
        "changes": changes,
        "sentences": _sentences(request.account, form),
        "action_url": address,
        "hidden": form.typed() | {"step": "confirm"},
        "confirm": "Save",
        "back_url": f"{address}?{urlencode(form.typed())}",
        "back": "Change something",
    }
    return render(request, "tollbook/portal/review.html", context)


def _sentences(account: Account, form: DetailsForm) -> list[str]:
    said = ["Invoices and credit notes from now on say so. Those that are issued never change."]
    if any(form.cleaned_data[name] != getattr(account, name) for name in TAX_FACTS):
        said.append("Tax stays as it is until we have checked the new country, region or tax ID.")
    return said


def _changes(account: Account, form: DetailsForm) -> list[tuple[str, str, str]]:
    told = [(form[name].label, getattr(account, name), form.cleaned_data[name]) for name in DETAILS]
    return [(label, _text(before), _text(after)) for label, before, after in told if before != after]


def _text(value: Any) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or formats.NOTHING


def _initial(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in DETAILS} | {"recipients": "\n".join(account.recipients)}


urls = [path("billing/details/", details, name="details")]
