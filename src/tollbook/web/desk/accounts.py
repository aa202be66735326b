"""Accounts: the list, opening one, one account with all that belongs to it, its facts, its audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.dateformat import format as format_date

from tollbook.accounts import account as accounts
from tollbook.accounts import audit, key, user
from tollbook.accounts.tables import Account, ZeroRule
from tollbook.invoicing import history as invoices
from tollbook.invoicing import seller
from tollbook.invoicing.run import as_billed
from tollbook.invoicing.tables import OpenBalance
from tollbook.money.amount import ZERO
from tollbook.refills.tables import Refill, RefillRule, RefillStop
from tollbook.subscriptions import fees
from tollbook.wallets import gauge
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import open_wallets
from tollbook.web import cards, formats
from tollbook.web.desk import lists
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, decided, stepped, typed

SOME = 5
TAX_NAMES = {"country": "Country", "region": "Region", "tax_id": "Tax ID"}
"""What accounts say of themselves, and staff confirm for tax."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, in its currency: prepaid and not held, owed on invoices, wallets whose refills are stopped."""

    account: Account
    prepaid: Decimal
    owed: Decimal
    stops: int


class AccountForm(forms.Form):
    """The facts that may change at any time."""

    name = forms.CharField(max_length=200)
    legal_name = forms.CharField(max_length=200, required=False)
    address = forms.CharField(widget=forms.Textarea({"rows": 3}), max_length=1000, required=False)
    country = forms.RegexField(
        r"\A[A-Z]{2}\Z", initial="US", error_messages={"invalid": "Two capital letters, such as US."}
    )
    tax_id = forms.CharField(label="Tax ID", max_length=40, required=False)
    po_number = forms.CharField(label="Purchase order number", max_length=60, required=False)
    billing_email = forms.EmailField(max_length=254, required=False)
    timezone = forms.CharField(
        label="Time zone",
        max_length=60,
        initial="UTC",
        help_text="Such as America/New_York. Its days are billing days.",
    )


class NewAccountForm(AccountForm):
    """What is needed to open an account; the last three stay as they are for ever."""

    slug = forms.SlugField(
        label="Short name",
        max_length=63,
        help_text="Small letters, digits and hyphens, such as northwind. Machines and addresses use it; it never changes.",
    )
    currency = forms.CharField(max_length=3, initial="USD", help_text="Three letters, such as USD. It never changes.")
    anchor_on = DayField(
        label="First billing date",
        help_text="Its day of the month is the billing day: the 31st is the last day of shorter months. It never changes.",
    )
    field_order = ["name", "slug", "currency", "anchor_on"]

    def clean_slug(self) -> str:
        """Not the one that would have the same address at the desk as the form for new ones."""
        if self.cleaned_data["slug"] == "new":
            raise forms.ValidationError("“new” is an address of the desk; choose another short name.")
        return self.cleaned_data["slug"]


class FactsForm(AccountForm):
    """The facts, the terms of invoices, and what happens at zero."""

    terms_days = forms.IntegerField(
        min_value=0, max_value=365, help_text="From an invoice's date to the day it is due. For new invoices."
    )
    grace_days = forms.IntegerField(min_value=0, max_value=365, help_text="After that day, before it is overdue.")
    region = forms.CharField(
        max_length=40, required=False, help_text="State or province as rules of tax name it, such as NY."
    )
    tax_exemption = forms.CharField(
        max_length=200, required=False, help_text="Why no tax is charged, as printed, such as a certificate. Empty: it is."
    )
    seller_code = forms.ChoiceField(label="Billed by", help_text="The seller whose name and series its documents bear.")
    zero_rule = forms.ChoiceField(label="At zero", choices=ZeroRule.choices)
    overdraft_limit = AmountField(help_text="How far below zero each wallet may go. Zero with the first rule.")

    def __init__(self, account: Account, data: Any) -> None:
        super().__init__(data, initial={name: getattr(account, name) for name in accounts.CHANGEABLE})
        self.fields["seller_code"].choices = seller.choices()
        self.fields["overdraft_limit"].label = f"Overdraft limit ({account.currency})"


@staff_page()
def accounts_list(request: DeskRequest) -> HttpResponse:
    """All accounts, by name; `q` finds a part of the name or short name."""
    q = request.GET.get("q", "").strip()
    page = lists.paged(request, matching(q))
    context = {"page": page, "rows": standings(page.object_list), "q": q, "section": "accounts"}
    return render(request, "tollbook/desk/accounts.html", context)


@staff_page("GET POST")
def new(request: DeskRequest) -> HttpResponse:
    """Open an account, with a wallet of each kind."""

    def review(values: dict[str, Any]) -> Review:
        day = format_date(values["anchor_on"], "jS")
        return Review(
            f"Open the account {values['name']}",
            [
                f"Machines and addresses know it as {values['slug']}; its money is in {values['currency']}.",
                f"Its billing day is the {day} of each month, in {values['timezone']} time.",
                "It gets an empty wallet for each credit type, and no users yet.",
            ],
            confirm="Open the account",
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        with transaction.atomic():
            made = accounts.open_account(accounts.NewAccount(**values), request.actor)
            open_wallets(made)
        messages.success(request, f"{made.name} is open. Add its first user, a Super-Admin.")
        return redirect("desk:account", made.slug)

    return stepped(request, NewAccountForm(typed(request)), Sheet("Open an account", "accounts", above()), review, act)


@staff_page()
def account(request: DeskRequest, slug: str) -> HttpResponse:
    """Everything about one account: how it stands, facts, wallets, people, what it pays for, documents, trail."""
    shown = accounts.by_slug(slug)
    today = accounts.today_in(shown)
    newest, more_invoices = lists.first(invoices.newest(shown.id, invoices.Filter(), limit=SOME + 1), SOME)
    context = {
        "section": "accounts",
        "account": shown,
        "today": today,
        "waits_for_tax": accounts.waits_for_tax(shown),
        "owed": invoices.owed(shown.id),
        "wallets": wallets_of(shown),
        "prepaid": gauge.prepaid_credit(shown.id),
        "people": user.of_account(shown.id),
        "fees": fees.fees(shown, today, as_billed(shown)),
        "invoices": newest,
        "more_invoices": more_invoices,
        "cards": cards.rows(shown),
        "refills": _refills(shown),
        "keys": [one for one in key.of_account(shown.id) if one.revoked_at is None],
        "trail": lists.trail(shown.id),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/account.html", context)


@staff_page("GET POST")
def edit(request: DeskRequest, slug: str) -> HttpResponse:
    """Change an account's facts, after a look at what changes."""
    shown = accounts.by_slug(slug)

    def review(values: dict[str, Any]) -> Review:
        with transaction.atomic():  # rehearsed by the verb itself, and taken back
            accounts.change(shown.id, values, request.actor)
            transaction.set_rollback(True)
        changed = [name for name in values if values[name] != getattr(shown, name)]
        told = [(label(form, name), as_read(getattr(shown, name)), as_read(values[name])) for name in changed]
        return Review(
            f"Change {shown.name}",
            ["Invoices that are issued keep what they print."] if changed else ["Nothing would change."],
            told,
            confirm="Save",
            effect=_effect(shown, values),
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        changed = accounts.change(shown.id, values, request.actor)
        messages.success(request, f"{changed.name} is saved.")
        return redirect("desk:account", slug)

    form = FactsForm(shown, typed(request))
    return stepped(request, form, Sheet(f"Edit {shown.name}", "accounts", above(shown)), review, act)


@staff_page("GET POST")
def tax_facts(request: DeskRequest, slug: str) -> HttpResponse:
    """Confirm what the account's own people say of its place and tax id, so that it counts for tax."""
    shown = accounts.by_slug(slug)
    seen = {name: getattr(shown, name) for name in accounts.TAX_FACTS}

    def review() -> Review:
        told = [
            (TAX_NAMES[name], getattr(shown, counts) or formats.NOTHING, seen[name] or formats.NOTHING)
            for name, counts in accounts.TAX_FACTS.items()
            if getattr(shown, counts) != seen[name]
        ]
        says = ["The account's own people say so. Check the tax ID with its register before you confirm it.",
                "Documents from now on are taxed by it. Those that are issued never change."]  # fmt: skip
        return Review(f"Confirm {shown.name} for tax", says, told, confirm="Confirm", carried=seen)

    def act() -> HttpResponse:
        accounts.confirm_tax(shown.id, request.POST.dict(), request.actor)
        messages.success(request, f"{shown.name} is taxed by what it says from now on.")
        return redirect("desk:account", slug)

    return decided(request, Sheet("Confirm for tax", "accounts", above(shown)), review, act)


@staff_page()
def trail(request: DeskRequest, slug: str) -> HttpResponse:
    """The account's whole audit trail, newest first."""
    shown = accounts.by_slug(slug)
    page = lists.paged(request, audit.trail(shown.id))
    context = {"account": shown, "page": page, "trail": lists.told(page), "section": "accounts"}
    return render(request, "tollbook/desk/account_trail.html", context)


def above(account: Account | None = None) -> list[tuple[str, str]]:
    """The path above a page about accounts, or about something of one account."""
    first = [(reverse("desk:accounts"), "Accounts")]
    return first + ([(reverse("desk:account", args=[account.slug]), account.name)] if account else [])


def matching(q: str) -> Any:
    """The accounts with this text in their name or short name, by name."""
    return Account.objects.filter(Q(name__icontains=q) | Q(slug__icontains=q)).order_by("name", "slug")


def standings(some: Sequence[Account]) -> list[Standing]:
    """How these accounts stand. Three queries, whatever their number."""
    ids = [account.id for account in some]
    prepaid = _sums(Wallet.objects.filter(account_id__in=ids), Sum(F("paid") + F("granted") - F("held")))
    owed = _sums(OpenBalance.objects.filter(account_id__in=ids, balance__gt=0), Sum("balance"))
    stops = _sums(RefillStop.objects.filter(account_id__in=ids), Count("wallet_id"))
    return [Standing(one, prepaid.get(one.id, ZERO), owed.get(one.id, ZERO), int(stops.get(one.id, 0))) for one in some]


def wallets_of(account: Account) -> list[dict[str, Any]]:
    """Each of the account's wallets with its refill rule and what stops it. Three queries."""
    rules = {rule.wallet_id: rule for rule in RefillRule.objects.filter(account_id=account.id)}
    stops = {stop.wallet_id: stop for stop in RefillStop.objects.filter(account_id=account.id)}
    return [
        {"gauge": one, "rule": rules.get(one.wallet_id), "stop": stops.get(one.wallet_id)}
        for one in gauge.gauges(account.id)
        if one.wallet_id
    ]


def label(form: forms.Form, name: str) -> str:
    """How the form calls a field."""
    return str(form[name].label)


def as_read(value: object) -> str:
    """A stored value as the review shows it."""
    if isinstance(value, Decimal):
        return formats.number(value)
    named = {str(rule): rule.label for rule in ZeroRule}
    return str(named.get(str(value), value)) or formats.NOTHING


def _refills(account: Account) -> list[tuple[Account, str, str, Refill]]:
    names = {one.wallet_id: (one.type_code, one.name) for one in gauge.gauges(account.id)}
    newest = Refill.objects.filter(account_id=account.id).order_by("-id")[:SOME]
    return [(account, *names[refill.wallet_id], refill) for refill in newest]


def _effect(account: Account, values: dict[str, Any]) -> str:
    if values["zero_rule"] != ZeroRule.OVERDRAFT:
        return ""
    limit = formats.money(values["overdraft_limit"], account.currency)
    return f"Each wallet of {account.name} may go down to −{limit} before anything new is refused."


def _sums(rows: Any, total: Any) -> dict[UUID, Decimal]:
    return dict(rows.values("account_id").annotate(total=total).values_list("account_id", "total"))


urls = [
    path("accounts/", accounts_list, name="accounts"),
    path("accounts/new/", new, name="account-new"),
    path("accounts/<slug:slug>/", account, name="account"),
    path("accounts/<slug:slug>/edit/", edit, name="account-edit"),
    path("accounts/<slug:slug>/tax/", tax_facts, name="account-tax"),
    path("accounts/<slug:slug>/audit/", trail, name="account-trail"),
]
