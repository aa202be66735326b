"""Correct an invoice: a credit note of all or of some lines, a write-off; each with what it would do before it does it."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Standing, Wanted, correct, expect_again, give_up, preview, standing
from tollbook.errors import Conflict
from tollbook.invoicing import credit_note, file, history
from tollbook.invoicing.credit_note import Left, NothingLeft
from tollbook.invoicing.tables import InvoiceKind
from tollbook.money.amount import ZERO
from tollbook.web import formats
from tollbook.web.desk.accounts import above
from tollbook.web.desk.drafts import REVIEWED
from tollbook.web.desk.fields import AmountField, ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, stepped, typed

WHOLE, LINES = "whole", "lines"


class CreditForm(Once):
    """All that is left, or so much of each line; why; and where what was paid of it goes."""

    extent = forms.ChoiceField(
        label="Credit",
        choices=[(WHOLE, "All that is left: the invoice is void"), (LINES, "Some of it, as written below")],
        widget=forms.RadioSelect,
        initial=WHOLE,
    )
    gives_back = forms.BooleanField(
        label="Give back what was paid of it",
        required=False,
        help_text="Else it stays account credit and pays the next invoices. Bank transfers are given back from their page.",
    )
    reason = ReasonField("Printed on the credit note.")

    def __init__(self, currency: str, rest: Sequence[Left], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rest = [one for one in rest if one.net]
        for one in self.rest:
            most = formats.money(abs(one.net), currency)
            self.fields[f"line_{one.line.position}"] = AmountField(
                currency, label=one.line.description, required=False, help_text=f"Without tax; {most} is left."
            )
        self.order_fields(["extent", *(f"line_{one.line.position}" for one in self.rest), "reason", "gives_back", "token"])

    def wanted(self) -> Wanted:
        """What was asked for."""
        values = self.cleaned_data
        nets = {one.line.position: values[f"line_{one.line.position}"] or ZERO for one in self.rest}
        return Wanted(
            reason=values["reason"],
            nets=None if values["extent"] == WHOLE else nets,
            gives_back=values["gives_back"],
            id=values["token"],
        )


class WhyForm(forms.Form):
    """Why."""

    reason = ReasonField("Part of the books and of the trail.")


@staff_page("GET POST")
def credit(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """Credit an invoice, once per form."""
    account = accounts.by_slug(slug)
    opened = history.find(account.id, number)
    if opened.invoice.kind == InvoiceKind.REFILL:
        raise Conflict("Bought credit goes back out of its wallet: give its payment back instead.")
    invoice = opened.invoice
    rest = credit_note.left(invoice)
    if not any(one.gross for one in rest) and request.method == "GET":
        raise NothingLeft(f"All of {number} is credited already.")
    currency = invoice.currency
    form = CreditForm(currency, rest, typed(request))

    def review(values: dict[str, Any]) -> Review:
        wanted = form.wanted()
        seen = preview(account, number, wanted)
        says = [
            f"{formats.money(seen.subtotal, currency)} and {formats.money(seen.tax, currency)} of tax are credited.",
            f"Reason, as it is printed: “{values['reason']}”",
        ]
        if seen.freed:
            back = "is given back to where it came from" if wanted.gives_back else "becomes account credit"
            says.append(f"{formats.money(seen.freed, currency)} of it was paid, and {back}.")
        now, after = seen.owed, seen.owed - seen.off_what_is_owed
        return Review(
            f"Credit {formats.money(seen.total, currency)} of {number} of {account.name}",
            says,
            [("Open on the invoice", formats.money(now, currency), formats.money(after, currency))],
            confirm="Issue the credit note",
            effect="A credit note is for ever, as the invoice is.",
            danger=True,
            carried={REVIEWED: seen.seen},
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        done = correct(account, number, form.wanted(), request.actor, request.POST.get(REVIEWED, ""))
        messages.success(request, f"{done.note.number} credits {formats.money(done.note.total, currency)} of {number}.")
        if done.kept_because:
            messages.warning(request, f"What was paid of it is account credit: {done.kept_because}")
        return redirect("desk:invoice", slug, number)

    lead = f"{formats.money(sum((one.gross for one in rest), ZERO), currency)} of it, with tax, is not credited yet."
    return stepped(request, form, _sheet(account, number, f"Credit {number}", lead), review, act)


@staff_page("GET POST")
def off(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """Write off what is open on an invoice."""
    account, currency, now = _standing(slug, number)
    owed = formats.money(now.owed, currency)
    if request.method == "GET" and not now.owed:
        raise Conflict(f"Nothing is open on {number}.")

    def review(values: dict[str, Any]) -> Review:
        return Review(
            f"Write off {owed} of {number} of {account.name}",
            ["It becomes bad debt in the books, and nobody is asked for it any more.", "It can be taken back."],
            [("Open on the invoice", owed, formats.money(ZERO, currency))],
            confirm="Write it off",
            danger=True,
            carried={REVIEWED: now.seen},
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        done = give_up(account, number, values["reason"], request.actor, request.POST.get(REVIEWED, ""))
        messages.success(request, f"{formats.money(done.amount, currency)} of {number} is written off.")
        return redirect("desk:invoice", slug, number)

    sheet = _sheet(account, number, f"Write off {number}", f"{owed} is open.")
    return stepped(request, WhyForm(typed(request)), sheet, review, act)


@staff_page("GET POST")
def again(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """Take a write-off back."""
    account, currency, now = _standing(slug, number)
    gone = formats.money(now.written_off, currency)
    if request.method == "GET" and now.written_off <= 0:
        raise Conflict(f"Nothing of {number} is written off.")

    def review(values: dict[str, Any]) -> Review:
        owed, after = now.owed, now.owed + now.written_off
        return Review(
            f"Expect {gone} of {number} of {account.name} again",
            ["It is owed again, and can be paid."],
            [("Open on the invoice", formats.money(owed, currency), formats.money(after, currency))],
            confirm="Take the write-off back",
            carried={REVIEWED: now.seen},
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        expect_again(account, number, values["reason"], request.actor, request.POST.get(REVIEWED, ""))
        messages.success(request, f"{number} is owed again.")
        return redirect("desk:invoice", slug, number)

    sheet = _sheet(account, number, f"Expect {number} again", f"{gone} is written off.")
    return stepped(request, WhyForm(typed(request)), sheet, review, act)


@staff_page()
def credit_note_pdf(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """The credit note as the customer has it."""
    content = file.credit_note_pdf(accounts.by_slug(slug).id, number)
    headers = {"Content-Disposition": f'inline; filename="{number}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _standing(slug: str, number: str) -> tuple[Account, str, Standing]:
    """The account, the invoice's currency, and where the invoice stands."""
    account = accounts.by_slug(slug)
    opened = history.find(account.id, number)
    return account, opened.invoice.currency, standing(account, number)


def _sheet(account: Account, number: str, title: str, lead: str) -> Sheet:
    place = (reverse("desk:invoice", args=[account.slug, number]), number)
    return Sheet(title, "invoices", [*above(account), place], lead)


urls = [
    path("accounts/<slug:slug>/invoices/<str:number>/credit/", credit, name="invoice-credit"),
    path("accounts/<slug:slug>/invoices/<str:number>/write-off/", off, name="invoice-write-off"),
    path("accounts/<slug:slug>/invoices/<str:number>/expect-again/", again, name="invoice-expect-again"),
    path("accounts/<slug:slug>/credit-notes/<str:number>.pdf", credit_note_pdf, name="credit-note-pdf"),
]
