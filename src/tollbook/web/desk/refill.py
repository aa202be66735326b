"""One refill for staff: why it happened, and what a person settles; and an account's own limit."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.money.written import money
from tollbook.payments import questions
from tollbook.refills import limits, person
from tollbook.refills.why import Why, why
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, stepped, typed

SHOWN = "shown"


class ResolveForm(forms.Form):
    """What the gateway's dashboard shows."""

    verdict = forms.ChoiceField(
        label="The gateway's dashboard says", choices=list(person.VERDICTS.items()), widget=forms.RadioSelect
    )
    reference = forms.CharField(
        label="Charge", required=False, max_length=120, help_text="The gateway's own name for the charge, such as pi_..."
    )
    reason = ReasonField("What you saw, and where. It stays in the audit trail.")


class LimitForm(forms.Form):
    """An account's own limit; empty for the usual one."""

    monthly_cap = AmountField(
        label="Charged a month, at most",
        required=False,
        help_text="For all wallets of the account together. Leave it empty for the usual limit.",
    )
    reason = ReasonField("It stays in the audit trail.")

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["monthly_cap"].currency = currency


@staff_page()
def refill(request: DeskRequest, slug: str, refill_id: UUID) -> HttpResponse:
    """Everything about one refill."""
    account = accounts.by_slug(slug)
    found = why(account.id, refill_id)
    context = {
        "section": "refills",
        "crumbs": _above(account),
        "account": account,
        "why": found,
        "invoice_url": reverse("desk:invoice", args=[slug, found.invoice_number]) if found.invoice_number else "",
        "trail": lists.trail(account.id, f"refill/{refill_id}"),
    }
    return render(request, "tollbook/desk/refill.html", context)


@staff_page("GET POST")
def resolve(request: DeskRequest, slug: str, refill_id: UUID) -> HttpResponse:
    """Settle a refill by what the gateway's dashboard says."""
    account = accounts.by_slug(slug)
    found = why(account.id, refill_id)

    def review(values: dict[str, Any]) -> Review:
        person.check(found.refill, values["verdict"], values["reference"].strip(), values["reason"])
        says, carried = _consequences(found, values), {SHOWN: questions.mark(found.refill.question)}
        return Review("Settle this refill", says, confirm="Settle it", danger=True, carried=carried)

    def act(values: dict[str, Any]) -> HttpResponse:
        asked = values["verdict"], values["reference"], values["reason"]
        state = person.resolve(account, refill_id, *asked, request.actor, shown=request.POST.get(SHOWN, ""))
        messages.success(request, f"Settled: {state.label.lower()}.")
        return redirect("desk:refill", slug, refill_id)

    place = (reverse("desk:refill", args=[slug, refill_id]), "Refill")
    sheet = Sheet("Settle this refill", "refills", [*_above(account), place], lead=found.refill.question)
    return stepped(request, ResolveForm(typed(request)), sheet, review, act)


@staff_page("GET POST")
def limit(request: DeskRequest, slug: str) -> HttpResponse:
    """How much of an account's money may be charged for refills in a month."""
    account = accounts.by_slug(slug)
    before = money(limits.limits_of(account).account_month, account.currency)

    def review(values: dict[str, Any]) -> Review:
        cap = values["monthly_cap"]
        if cap is not None and cap < 0:
            raise Invalid("Write an amount of zero or more.", field="monthly_cap")
        after = "The usual limit" if cap is None else money(cap, account.currency)
        says = ["Refills of all wallets count together, automatic ones and those asked for by hand."]
        return Review(f"Change the limit of {account.name}", says, [("Charged a month, at most", before, after)])

    def act(values: dict[str, Any]) -> HttpResponse:
        limits.set_account_limit(account, values["monthly_cap"], values["reason"], request.actor)
        messages.success(request, "The limit is changed.")
        return redirect("desk:account", slug)

    lead = f"Now at most {before} are charged for refills in a month."
    sheet = Sheet("Limit of refills", "accounts", above(account), lead=lead)
    return stepped(request, LimitForm(account.currency, typed(request)), sheet, review, act)


def _above(account: Account) -> list[tuple[str, str]]:
    return [(reverse("desk:refills"), "Refills"), (reverse("desk:account", args=[account.slug]), account.name)]


def _consequences(found: Why, values: dict[str, Any]) -> list[str]:
    sum_ = money(found.refill.amount, found.refill.currency)
    charged = f"{sum_} are credited to {found.name}; an invoice is issued, paid by the charge {values['reference']}."
    says = {
        "charged": charged,
        "not_charged": "The refill ends and nothing is credited. While the wallet is due, a new refill is made.",
        "given_back": "Nothing is credited for that charge. Make sure that the gateway shows it as refunded.",
    }
    return [*found.refill.question.split("\n"), says[values["verdict"]], f"Reason: “{values['reason']}”"]


urls = [
    path("accounts/<slug:slug>/refills/<uuid:refill_id>/", refill, name="refill"),
    path("accounts/<slug:slug>/refills/<uuid:refill_id>/settle/", resolve, name="refill-resolve"),
    path("accounts/<slug:slug>/refill-limit/", limit, name="refill-limit"),
]
