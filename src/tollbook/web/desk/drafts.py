"""Invoices to be: what a billing run left for review, and one-off invoices; looked at, then issued or discarded."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict
from tollbook.invoicing import drafts
from tollbook.invoicing.issue import DraftLine
from tollbook.invoicing.tables import DraftState
from tollbook.money.amount import to_minor
from tollbook.web import formats
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, decided, stepped, typed

LINES = 5
SECTION = "invoices"
REVIEWED = "reviewed"
"""What a review showed. It is no secret and needs no signature: it only counts while it is what the review would show."""


class OneOffForm(Once):
    """Up to five lines, and what else is printed."""

    po_number = forms.CharField(label="Purchase order number", max_length=60, required=False)
    notes = forms.CharField(max_length=500, required=False, widget=forms.Textarea({"rows": 2}))
    due_on = DayField(label="Due", required=False, help_text="Empty: by the account's terms.")

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        for n in range(1, LINES + 1):
            self.fields[f"description_{n}"] = forms.CharField(label=f"Line {n}", max_length=300, required=n == 1)
            self.fields[f"quantity_{n}"] = AmountField(label=f"Quantity of line {n}", required=False, initial=Decimal(1))
            self.fields[f"price_{n}"] = AmountField(label=f"Price of line {n} ({currency})", required=n == 1)
        lines = [f"{name}_{n}" for n in range(1, LINES + 1) for name in ("description", "quantity", "price")]
        self.order_fields([*lines, "po_number", "notes", "due_on", "token"])

    def clean(self) -> dict[str, Any]:
        """A line that is described has a price, and one that is priced is described."""
        values = super().clean()
        for n in range(2, LINES + 1):
            described, priced = values.get(f"description_{n}"), values.get(f"price_{n}") is not None
            if bool(described) != priced and f"price_{n}" not in self.errors:
                self.add_error(f"{'price' if described else 'description'}_{n}", "A line has a description and a price.")
        return values

    def lines(self) -> list[DraftLine]:
        """The lines that were written."""
        values = self.cleaned_data
        return [
            self._line(values[f"description_{n}"], values[f"quantity_{n}"] or Decimal(1), values[f"price_{n}"])
            for n in range(1, LINES + 1)
            if values[f"description_{n}"]
        ]

    def _line(self, description: str, quantity: Decimal, price: Decimal) -> DraftLine:
        return DraftLine(description, "", quantity, price, to_minor(quantity * price, self.currency), drafts.ONE_OFF)


@staff_page()
def waiting(request: DeskRequest) -> HttpResponse:
    """Drafts of all accounts that wait for a person."""
    by_id = {account.id: account for account in Account.objects.all()}
    found = drafts.waiting(list(by_id))
    context = {"section": SECTION, "drafts": [(by_id[one.account_id], one, drafts.content_of(one)) for one in found]}
    return render(request, "tollbook/desk/drafts.html", context)


@staff_page()
def draft(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """One draft as it would be printed, with today's tax."""
    account = accounts.by_slug(slug)
    found = drafts.opened(account.id, id)
    content, sums = drafts.content_of(found), drafts.sums_of(account, found)
    context = {
        "section": SECTION,
        "account": account,
        "draft": found,
        "content": content,
        "lines": list(zip(content.lines, sums.shares, strict=True)),
        "sums": sums,
        "taxes": [(label or "Not taxed", rate, share) for (_, rate, label), share in sums.taxes.items()],
    }
    return render(request, "tollbook/desk/draft.html", context)


@staff_page("GET POST")
def issue(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Issue a draft, once."""
    account, found, sheet = _found(slug, id, "Issue the draft")
    sums = drafts.sums_of(account, found)
    total = formats.money(sums.total, account.currency)
    billed = zip(drafts.content_of(found).lines, sums.shares, strict=True)
    lines = [f"{line.description}: {formats.money(share.net, account.currency)}" for line, share in billed]

    def review() -> Review:
        return Review(
            f"Issue an invoice of {total} to {account.name}",
            [*lines, f"It is dated today, {formats.day(today_in(account))}, gets the next number, and is for ever."],
            confirm="Issue the invoice",
            carried={REVIEWED: drafts.seen(account, found, sums)},
        )

    def act() -> HttpResponse:
        made = drafts.accept(account, id, request.actor, request.POST.get(REVIEWED, ""))
        messages.success(request, f"{made.number} is issued: {formats.money(made.total, made.currency)}.")
        return redirect("desk:invoice", slug, made.number)

    return decided(request, sheet, review, act)


@staff_page("GET POST")
def discard(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Put a draft away."""
    account, found, sheet = _found(slug, id, "Discard the draft")
    total = formats.money(found.total, account.currency)

    def review() -> Review:
        return Review(
            f"Discard the draft of {total} for {account.name}",
            ["Nothing is billed. Fees that are due stay due, and are drafted again when they change."],
            confirm="Discard it",
            danger=True,
            carried={REVIEWED: drafts.content_seen(found)},
        )

    def act() -> HttpResponse:
        drafts.discard(account, id, request.actor, request.POST.get(REVIEWED, ""))
        messages.success(request, f"The draft of {total} is put away.")
        return redirect("desk:drafts")

    return decided(request, sheet, review, act)


@staff_page("GET POST")
def one_off(request: DeskRequest, slug: str) -> HttpResponse:
    """Compose a one-off invoice: a draft, to be looked at once more before it is issued."""
    account = accounts.by_slug(slug)
    form = OneOffForm(account.currency, typed(request))

    def act(values: dict[str, Any]) -> HttpResponse:
        due_on = values["due_on"]
        if due_on and not timedelta(0) <= due_on - today_in(account) <= timedelta(days=365):
            raise Conflict("It is due today at the earliest, and within a year.", field="due_on")
        more = {"due_on": due_on, "notes": values["notes"], "po_number": values["po_number"]}
        made = drafts.compose(account, form.lines(), request.actor, values["token"], **more)
        messages.success(request, "The draft is kept. Nothing is billed before you issue it.")
        return redirect("desk:draft", slug, made.id)

    lead = f"In {account.currency}. Tax is added by the rules for where {account.name} is."
    sheet = Sheet(f"One-off invoice for {account.name}", SECTION, above(account), lead, "Keep as a draft")
    return stepped(request, form, sheet, None, act)


def _found(slug: str, id: UUID, title: str) -> tuple[Account, Any, Sheet]:
    account = accounts.by_slug(slug)
    found = drafts.opened(account.id, id)
    if found.state != DraftState.OPEN:
        raise Conflict("This draft was decided before.")
    place = (reverse("desk:draft", args=[slug, id]), "Draft")
    return account, found, Sheet(title, SECTION, [*above(account), place])


urls = [
    path("drafts/", waiting, name="drafts"),
    path("accounts/<slug:slug>/one-off/", one_off, name="one-off"),
    path("accounts/<slug:slug>/drafts/<uuid:id>/", draft, name="draft"),
    path("accounts/<slug:slug>/drafts/<uuid:id>/issue/", issue, name="draft-issue"),
    path("accounts/<slug:slug>/drafts/<uuid:id>/discard/", discard, name="draft-discard"),
]
