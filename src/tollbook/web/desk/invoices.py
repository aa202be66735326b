"""Invoices of all accounts: find one, look at what stands behind it, record a bank transfer."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, NotFound
from tollbook.invoicing import credit_note, file, history, register, write_off
from tollbook.invoicing.status import Status
from tollbook.ledger import trace
from tollbook.money.amount import ZERO
from tollbook.payments import applied, transfer
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, stepped, typed

SIZE = 50
KINDS = {
    "invoice": "Issued",
    "refill": "Credit bought",
    "payment": "Money received",
    "settlement": "Payment applied",
    "credit": "Kept as credit",
    "credit_note": "Credited",
    "write_off": "Written off",
}


class FilterForm(forms.Form):
    """Which invoices are listed."""

    number = forms.CharField(max_length=40, required=False)
    account = forms.CharField(max_length=63, required=False)
    status = forms.ChoiceField(choices=[("", "All"), *((one.value, one.label) for one in Status)], required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput({"type": "date"}))

    def clean_account(self) -> Account | None:
        """The account itself, by its short name."""
        slug = self.cleaned_data["account"].strip()
        try:
            return accounts.by_slug(slug) if slug else None
        except NotFound as unknown:
            raise forms.ValidationError(unknown.message) from None


class TransferForm(forms.Form):
    """What the bank shows."""

    reference = forms.CharField(
        label="Reference of the transfer",
        max_length=transfer.LONGEST_REFERENCE,
        help_text="As the bank shows it. Recorded once: the same one again changes nothing.",
    )

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(currency, label=f"Amount ({currency})")
        self.order_fields(["amount", "reference"])


@staff_page()
def invoices(request: DeskRequest) -> HttpResponse:
    """The invoices of all accounts, or of one, the newest first."""
    form = FilterForm(request.GET or None)
    wanted, account = _wanted(form)
    complete = not form.is_bound or form.is_valid()
    rows = register.newest(wanted, account, _before(request), SIZE + 1) if complete else []
    shown, more = lists.first(rows, SIZE)
    context = {
        "section": "invoices",
        "form": form,
        "rows": shown,
        "older": shown[-1].sequence if more else None,
        "newest": "before" not in request.GET,
        "filtered": form.is_bound,
    }
    return render(request, "tollbook/desk/invoices.html", context, status=200 if complete else 400)


@staff_page()
def invoice(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """One invoice: lines, payments, every transfer of the books behind it, trail."""
    account = accounts.by_slug(slug)
    opened = history.find(account.id, number)
    context = {
        "section": "invoices",
        "account": account,
        "opened": opened,
        "invoice": opened.invoice,
        "payments": applied.applied(account.id, opened.settlements),
        "credit_notes": credit_note.of_invoice(account.id, opened.invoice.id),
        "written_off": write_off.written_off(opened.invoice),
        "creditable": opened.invoice.kind != "refill" and any(one.gross for one in credit_note.left(opened.invoice)),
        "transfers": [
            (one, KINDS.get(one.kind, one.kind)) for one in trace.caused_by(account.id, list(_causes(opened)))
        ],
        "trail": lists.trail(account.id, f"invoice/{number}"),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/invoice.html", context)


@staff_page()
def pdf(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """The document as the customer has it."""
    content = file.pdf(accounts.by_slug(slug).id, number)
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{number}.pdf"'},
    )


@staff_page("GET POST")
def pay(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """Record a bank transfer for an invoice, once."""
    account = accounts.by_slug(slug)
    opened = history.find(account.id, number)
    currency = opened.invoice.currency
    if request.method == "GET" and not opened.balance:
        raise Conflict(f"{number} is paid; nothing is open on it.")

    def review(values: dict[str, Any]) -> Review:
        transfer.check(values["amount"], opened.balance, number, currency)
        left = max(opened.balance - values["amount"], ZERO)
        more = values["amount"] - opened.balance
        return Review(
            f"Record {formats.money(values['amount'], currency)} for {number} of {account.name}",
            [f"Bank reference: {values['reference']}", "It is booked as received today, and can't be taken back."],
            [("Open on the invoice", formats.money(opened.balance, currency), formats.money(left, currency))],
            confirm="Record the payment",
            effect="A part stays open."
            if left
            else f"{formats.money(more, currency)} is more than is open: it becomes account credit."
            if more > 0
            else "",
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        transfer.record_transfer(account, number, values["amount"], values["reference"], request.actor)
        messages.success(request, f"{formats.money(values['amount'], currency)} is recorded for {number}.")
        return redirect("desk:invoice", slug, number)

    place = (reverse("desk:invoice", args=[slug, number]), number)
    lead = f"{formats.money(opened.balance, currency)} of {formats.money(opened.invoice.total, currency)} is open."
    sheet = Sheet(f"Record a bank transfer for {number}", "invoices", [*above(account), place], lead)
    form = TransferForm(currency, typed(request), initial={"amount": opened.balance})
    return stepped(request, form, sheet, review, act)


def _wanted(form: FilterForm) -> tuple[history.Filter, Account | None]:
    if not (form.is_bound and form.is_valid()):
        return history.Filter(), None
    typed_in = form.cleaned_data
    statuses = frozenset({Status(typed_in["status"])}) if typed_in["status"] else frozenset()
    since: date | None = typed_in["since"]
    return history.Filter(statuses, since, typed_in["until"], typed_in["number"]), typed_in["account"]


def _before(request: DeskRequest) -> int | None:
    text = request.GET.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _causes(opened: history.Opened) -> Iterator[tuple[str, str]]:
    """What the transfers behind an invoice are called in the books."""
    yield ("refill", opened.invoice.cause) if opened.invoice.kind == "refill" else ("invoice", str(opened.invoice.id))
    for reduction in opened.reductions:
        yield (reduction.kind, str(reduction.credit_note_id or reduction.id))
    for settlement in opened.settlements:
        yield ("payment", str(settlement.payment_id))
        yield ("settlement", str(settlement.id))


urls = [
    path("invoices/", invoices, name="invoices"),
    path("accounts/<slug:slug>/invoices/<str:number>/", invoice, name="invoice"),
    path("accounts/<slug:slug>/invoices/<str:number>.pdf", pdf, name="invoice-pdf"),
    path("accounts/<slug:slug>/invoices/<str:number>/pay/", pay, name="invoice-pay"),
]
