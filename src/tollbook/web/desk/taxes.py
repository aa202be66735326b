"""The rules of tax: which there are, add one, withdraw one."""

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
from tollbook.invoicing import tax_rules
from tollbook.invoicing.tax_rules import NewRule, name_of
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import TAX_NAMES
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, decided, stepped, typed

SECTION = "invoices"


class RuleForm(forms.Form):
    """One rule."""

    country = forms.CharField(
        max_length=2, required=False, help_text="Two capital letters, such as DE. Empty: every country without a rule."
    )
    region = forms.CharField(max_length=40, required=False, help_text="As accounts have it, such as NY. Empty: all of it.")
    tax_code = forms.CharField(
        label="Tax category", max_length=40, required=False, help_text="A component's. Empty: the standard one."
    )
    tax_rate = AmountField(label="Rate in percent")
    label = forms.CharField(label="Printed as", max_length=40, initial="VAT", help_text="Such as VAT or Sales tax.")
    valid_from = DayField(label="From")
    is_inclusive = forms.BooleanField(label="Prices include it", required=False)
    is_reverse_charge = forms.BooleanField(label="Businesses of another country than the seller's pay it", required=False)
    note = forms.CharField(
        label="Note on documents", max_length=300, required=False, help_text="For reverse charge: printed instead of ours."
    )


@staff_page()
def rules(request: DeskRequest) -> HttpResponse:
    """All rules."""
    context = {
        "section": SECTION,
        "rules": [(name_of(rule), rule) for rule in tax_rules.listed()],
        "trail": lists.trail(OPERATOR_ID, prefix="tax/"),
    }
    return render(request, "tollbook/desk/taxes.html", context)


@staff_page("GET POST")
def add(request: DeskRequest) -> HttpResponse:
    """Add a rule, after a look at it."""

    def review(values: dict[str, Any]) -> Review:
        where = " ".join(filter(None, (values["country"] or "every other country", values["region"])))
        says = [f"It is added to what buyers in {where} are billed from {formats.day(values['valid_from'])} on."]
        if values["is_inclusive"]:
            says = [f"It is taken out of prices for buyers in {where} from {formats.day(values['valid_from'])} on."]
        if values["is_reverse_charge"]:
            says.append("Buyers with a tax id in another country than the seller's account for it themselves.")
        title = f"{values['label']} of {values['tax_rate'].normalize():f} %"
        return Review(title, [*says, "Issued documents keep their tax."], confirm="Add the rule")

    def act(values: dict[str, Any]) -> HttpResponse:
        made = tax_rules.add(NewRule(**values), request.actor)
        messages.success(request, f"The rule for {name_of(made)} holds from {formats.day(made.valid_from)} on.")
        return redirect("desk:taxes")

    return stepped(request, RuleForm(typed(request)), _sheet("Add a rule of tax"), review, act)


@staff_page("GET POST")
def withdraw(request: DeskRequest, id: UUID) -> HttpResponse:
    """Withdraw a rule."""
    rule = next((one for one in tax_rules.listed() if one.id == id), None)
    if rule is None:
        raise NotFound("There is no such rule.")
    title = f"Withdraw {rule.label} of {rule.tax_rate.normalize():f} % for {name_of(rule)}"

    def review() -> Review:
        says = ["An older rule for this place holds again; without one, nothing is taxed.", "Issued documents keep it."]
        return Review(title, says, confirm="Withdraw it", danger=True)

    def act() -> HttpResponse:
        tax_rules.withdraw(id, request.actor)
        messages.success(request, "The rule is withdrawn.")
        return redirect("desk:taxes")

    return decided(request, _sheet("Withdraw a rule of tax"), review, act)


@staff_page()
def waiting(request: DeskRequest) -> HttpResponse:
    """Accounts whose own people say of place or tax id what does not count for tax before somebody confirms it."""
    page = lists.paged(request, accounts.waiting_for_tax())
    since = accounts.told_tax_at([one.id for one in page.object_list])
    context = {
        "section": SECTION,
        "page": page,
        "rows": [(one, _differences(one), since.get(one.id)) for one in page.object_list],
    }
    return render(request, "tollbook/desk/tax_waiting.html", context)


def _differences(account: Account) -> list[tuple[str, str, str]]:
    """What counts for tax and what the account says now, by name."""
    told = [(name, getattr(account, counts), getattr(account, name)) for name, counts in accounts.TAX_FACTS.items()]
    differing = [(TAX_NAMES[name], before, after) for name, before, after in told if before != after]
    return [(label, before or formats.NOTHING, after or formats.NOTHING) for label, before, after in differing]


def _sheet(title: str) -> Sheet:
    return Sheet(title, SECTION, [(reverse("desk:taxes"), "Tax")])


urls = [
    path("taxes/", rules, name="taxes"),
    path("taxes/waiting/", waiting, name="tax-waiting"),
    path("taxes/new/", add, name="tax-add"),
    path("taxes/<uuid:id>/withdraw/", withdraw, name="tax-withdraw"),
]
