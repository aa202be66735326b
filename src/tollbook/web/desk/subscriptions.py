"""What an account subscribes to: start, change, pause, end it; each shows its effect on invoices before it is confirmed."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.corrections import give_back as backs
from tollbook.corrections.give_back import Part
from tollbook.errors import Conflict
from tollbook.invoicing import given_back
from tollbook.invoicing.run import as_billed
from tollbook.money.amount import ZERO
from tollbook.money.period import billing_day, period_of
from tollbook.subscriptions import change, commitment, fees, history, preview, record, subscribe
from tollbook.subscriptions.change import Wanted
from tollbook.subscriptions.charge import Due
from tollbook.subscriptions.due import total
from tollbook.subscriptions.plan import A_DAY, Plan, agreed_on, in_effect
from tollbook.subscriptions.preview import Effect
from tollbook.subscriptions.price import Price, arithmetic
from tollbook.subscriptions.tables import ChangeKind, Component, FeeKind, Interval
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.drafts import REVIEWED
from tollbook.web.desk.fields import ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, decided, stepped, typed
from tollbook.web.desk.subscription_forms import (
    ChangeForm,
    CommitmentForm,
    DiscountForm,
    EndForm,
    PauseForm,
    PriceForm,
    QuantityForm,
    SubscriptionForm,
)

MOST_LINES = 8
EACH = {1: "each month", 3: "each quarter", 12: "each year"}


CHANGES: dict[str, tuple[ChangeKind, str, type[ChangeForm]]] = {
    "quantity": (ChangeKind.QUANTITY, "Change the quantity of", QuantityForm),
    "price": (ChangeKind.PRICE, "Change the price of", PriceForm),
    "discount": (ChangeKind.DISCOUNT, "Give a discount on", DiscountForm),
    "pause": (ChangeKind.PAUSE, "Pause", PauseForm),
    "resume": (ChangeKind.RESUME, "Resume", ChangeForm),
}


@staff_page()
def subscriptions(request: DeskRequest, slug: str) -> HttpResponse:
    """All that an account ever subscribed to, what is changed when, and its next invoice."""
    account = accounts.by_slug(slug)
    today = accounts.today_in(account)
    found = fees.of_account(account, today)
    rows = [(fee, fee.starts_on <= today and not _over(fee, today), _over(fee, today)) for fee in found]
    context = {
        "section": "accounts",
        "account": account,
        "rows": sorted(rows, key=lambda row: row[2]),
        "fees": fees.fees(account, today, as_billed(account)),
        "to_give_back": sum((part.net for part in backs.waiting(account)), ZERO),
        "changes": history.entries(account, today),
        "commitment": commitment.in_force(account, today),
        "trail": lists.trail(account.id, prefix="subscription/"),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/subscriptions.html", context)


@staff_page("GET POST")
def start(request: DeskRequest, slug: str) -> HttpResponse:
    """Subscribe an account, once per form."""
    account = accounts.by_slug(slug)
    today = accounts.today_in(account)

    def new(values: dict[str, Any]) -> subscribe.NewSubscription:
        named = ("starts_on", "quantity", "price", "name", "ends_on", "anchor_on", "follows", "prorated", "at_once")
        wanted = {name: values[name] for name in named}
        return subscribe.NewSubscription(values["component"].code, **wanted, free_periods=values["free_periods"] or 0)

    def review(values: dict[str, Any]) -> Review:
        chosen: Component = values["component"]
        subscribe.check(account, new(values), chosen)
        row = subscribe.drafted(account, new(values), chosen, values["token"])
        plan = record.drafted(account, row, chosen.tax_code)
        first = plan.starts_on if plan.at_once or plan.recurring else billing_day(account.anchor_on, plan.starts_on)
        effect = preview.of_start(account, plan, today, as_billed(account))
        says = [_sum(plan, account), *_first_day(account, plan, first), *_lines(effect, account)]
        return Review(
            f"Start {row.name} for {account.name}", says, _next_invoice(effect, account), confirm="Start",
            effect=_late(effect, today),
        )  # fmt: skip

    def act(values: dict[str, Any]) -> HttpResponse:
        made = subscribe.start(account, new(values), request.actor, values["token"])
        messages.success(request, f"{made.name} starts on {formats.day(made.starts_on)}.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"Start a subscription of {account.name}", "accounts", _above(account))
    return stepped(request, SubscriptionForm(account, typed(request)), sheet, review, act)


def _changing(what: str) -> Callable[..., HttpResponse]:
    """The page of one kind of change."""
    kind, title, form_class = CHANGES[what]

    def page(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
        account = accounts.by_slug(slug)
        plan, today = record.plan_of(account, id), accounts.today_in(account)
        first = max(plan.starts_on, change.earliest_change(plan, today))
        begun = {name: value for name, value in _begun(kind, plan, first).items() if value is not None}
        form = form_class(plan, first, typed(request), initial=begun)

        def wanted(values: dict[str, Any]) -> Wanted:
            price = Price(plan.price.model, values["price"], (), plan.price.size, plan.price.free_units) if (
                kind == ChangeKind.PRICE) else None  # fmt: skip
            return Wanted(kind, price=price, **form.values(values))

        def review(values: dict[str, Any]) -> Review:
            asked = wanted(values)
            effect = preview.of_change(account, plan, change.as_change(account, plan, asked), today, as_billed(account))
            says = _lines(effect, account) or [_untouched(plan)]
            rows = [*_terms(plan, asked, account), *_next_invoice(effect, account)]
            return Review(
                f"{title} {plan.name} of {account.name} from {formats.day(asked.from_on)}", says, rows,
                effect=_credited(account, plan, today),
            )  # fmt: skip

        def act(values: dict[str, Any]) -> HttpResponse:
            change.make(account, id, wanted(values), request.actor, values["token"])
            messages.success(request, f"{plan.name} changes on {formats.day(values['from_on'])}.")
            return redirect("desk:subscriptions", slug)

        sheet = Sheet(f"{title} {plan.name}", "accounts", _above(account))
        return stepped(request, form, sheet, review, act)

    page.__doc__ = f"{title} a subscription from a day on."
    return staff_page("GET POST")(page)


@staff_page("GET POST")
def end(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """End a subscription on a day, or take back a charge that is not billed yet."""
    account = accounts.by_slug(slug)
    plan, today = record.plan_of(account, id), accounts.today_in(account)

    def wanted(values: dict[str, Any]) -> Wanted:
        ends_on = values["ends_on"]
        return Wanted(ChangeKind.END, ends_on + A_DAY, ends_on, prorated=values.get("prorated", False))

    def review(values: dict[str, Any]) -> Review:
        asked = wanted(values)
        if not plan.recurring:
            what = FeeKind(plan.kind).label.lower()
            says = [f"A {what} is taken back whole, and only before its billing day."]
            return Review(f"End {plan.name} of {account.name}", says, confirm="End it", danger=True)
        effect = preview.of_change(account, plan, change.as_change(account, plan, asked), today, as_billed(account))
        says = [f"Its last day is {formats.day(values['ends_on'])}.", *_lines(effect, account)]
        if not effect.lines:
            says.append("What is billed already is not refunded.")
        return Review(
            f"End {plan.name} of {account.name}", says, _next_invoice(effect, account), confirm="End it",
            effect=_credited(account, plan, today), danger=True,
        )  # fmt: skip

    def act(values: dict[str, Any]) -> HttpResponse:
        change.make(account, id, wanted(values), request.actor, values["token"])
        messages.success(request, f"{plan.name} ends.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"End {plan.name}", "accounts", _above(account))
    form = EndForm(plan, typed(request), initial={"ends_on": plan.ends_on or today, "prorated": False})
    return stepped(request, form, sheet, review, act)


@staff_page("GET POST")
def go_on(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Let a subscription go on whose last day is to come."""
    account = accounts.by_slug(slug)
    plan, today = record.plan_of(account, id), accounts.today_in(account)
    wanted = Wanted(ChangeKind.END, today)

    def review() -> Review:
        effect = preview.of_change(account, plan, change.as_change(account, plan, wanted), today, as_billed(account))
        says = ["It has no last day any more.", *_lines(effect, account)]
        return Review(f"Let {plan.name} of {account.name} go on", says, _next_invoice(effect, account))

    def act() -> HttpResponse:
        change.make(account, id, wanted, request.actor)
        messages.success(request, f"{plan.name} goes on.")
        return redirect("desk:subscriptions", slug)

    return decided(request, Sheet("", "accounts", _above(account)), review, act)


@staff_page("GET POST")
def take_back(request: DeskRequest, slug: str, id: UUID, change_id: UUID) -> HttpResponse:
    """Undo a change that has not begun."""
    account = accounts.by_slug(slug)
    plan, today = record.plan_of(account, id), accounts.today_in(account)
    wanted = Wanted(ChangeKind.WITHDRAW, today, withdraws=change_id)

    def review() -> Review:
        effect = preview.of_change(account, plan, change.as_change(account, plan, wanted), today, as_billed(account))
        entry = next(each for each in history.entries(account, today) if each.change_id == change_id)
        says = [f"{entry.says}, from {formats.day(entry.from_on)}, will not happen.", *_lines(effect, account)]
        return Review(f"Take a change of {plan.name} back", says, _next_invoice(effect, account), confirm="Take it back")

    def act() -> HttpResponse:
        change.make(account, id, wanted, request.actor)
        messages.success(request, f"The change of {plan.name} is taken back.")
        return redirect("desk:subscriptions", slug)

    return decided(request, Sheet("", "accounts", _above(account)), review, act)


class GiveBackForm(Once):
    """Why, and where what was paid of it goes."""

    reason = ReasonField("Printed on the credit note.", initial="Days that are not used")
    gives_back = forms.BooleanField(
        label="Give back what was paid of it", required=False, help_text="Else it stays account credit."
    )


@staff_page("GET POST")
def give_back(request: DeskRequest, slug: str) -> HttpResponse:
    """Credit the days that wait to be given back on the invoices that bore their fee, once per form."""
    account = accounts.by_slug(slug)
    parts = backs.waiting(account)
    if request.method == "GET" and not parts:
        raise Conflict("Nothing waits that could be given back.")

    def asked(values: dict[str, Any]) -> backs.Wanted:
        return backs.Wanted(values["reason"], values["gives_back"], values["token"])

    def review(values: dict[str, Any]) -> Review:
        if not parts:
            raise Conflict("Nothing waits that could be given back.")
        whole = formats.money(sum((part.net for part in parts), ZERO), account.currency)
        says = [*_waiting(parts, account), f"Reason, as it is printed: “{values['reason']}”"]
        says.append(f"What was paid of it {'is given back' if values['gives_back'] else 'becomes account credit'}.")
        return Review(
            f"Give {whole} and its tax back to {account.name}", says, confirm="Issue the credit note",
            effect="A credit note is for ever, as the invoice is.", danger=True, carried={REVIEWED: backs.seen(parts)},
        )  # fmt: skip

    def act(values: dict[str, Any]) -> HttpResponse:
        for done in backs.give(account, asked(values), request.actor, request.POST.get(REVIEWED, "")):
            note = done.note
            said = formats.money(note.total, note.currency)
            messages.success(request, f"{note.number} credits {said} of {note.invoice_number}.")
            if done.kept_because:
                messages.warning(request, f"What was paid of it is account credit: {done.kept_because}")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"Give days back to {account.name}", "accounts", _above(account), " ".join(_waiting(parts, account)))
    return stepped(request, GiveBackForm(typed(request)), sheet, review, act)


@staff_page("GET POST")
def commit(request: DeskRequest, slug: str) -> HttpResponse:
    """Agree on the least that an account pays each period."""
    account = accounts.by_slug(slug)

    def review(values: dict[str, Any]) -> Review:
        commitment.check(account, values["amount"], values["starts_on"], values["ends_on"])
        least = formats.money(values["amount"], account.currency)
        says = [
            f"When less than {least} falls due in a billing period, the rest is charged when it is over.",
            "A first or last period in part counts by the day.",
        ]
        return Review(f"Agree on a commitment of {account.name} from {formats.day(values['starts_on'])}", says)

    def act(values: dict[str, Any]) -> HttpResponse:
        agreed = (values["amount"], values["starts_on"])
        commitment.agree(account, *agreed, request.actor, values["ends_on"], values["token"])
        messages.success(request, "The commitment is agreed.")
        return redirect("desk:subscriptions", slug)

    sheet = Sheet(f"Agree on a commitment of {account.name}", "accounts", _above(account))
    return stepped(request, CommitmentForm(account, typed(request)), sheet, review, act)


@staff_page("GET POST")
def end_commitment(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """End a commitment with yesterday."""
    account = accounts.by_slug(slug)
    today = accounts.today_in(account)

    def review() -> Review:
        says = [f"From {formats.day(today)} on nothing is missing any more; the days before count."]
        return Review(f"End the commitment of {account.name}", says, confirm="End it", danger=True)

    def act() -> HttpResponse:
        commitment.end(account, id, today - A_DAY, request.actor)
        messages.success(request, "The commitment has ended.")
        return redirect("desk:subscriptions", slug)

    return decided(request, Sheet("", "accounts", _above(account)), review, act)


def _sum(plan: Plan, account: Account) -> str:
    each = EACH[plan.months] if plan.recurring else "once"
    each = "each period" if plan.recurring and plan.months == Interval.MONTHLY else each
    whole = formats.money(plan.price.whole(plan.quantity), account.currency)
    return f"{arithmetic(plan.price, plan.quantity, account.currency)} = {whole}, charged {each}."


def _first_day(account: Account, plan: Plan, first: date) -> list[str]:
    said = [f"Its first day is {formats.day(first)}." if plan.recurring else f"It is billed on {formats.day(first)}."]
    if plan.free_until:
        said.append(f"It is free until {formats.day(plan.free_until)}.")
    return said


def _lines(effect: Effect, account: Account) -> list[str]:
    """What a change adds, line by line, with its arithmetic."""
    said = [
        f"{formats.day(day)}: {line.description}"
        + (f" ({line.detail})" if line.detail else "")
        + f": {formats.money(line.amount, account.currency)}."
        for day, line in effect.lines[:MOST_LINES]
    ]
    if len(effect.lines) > MOST_LINES:
        said.append(f"And {len(effect.lines) - MOST_LINES} lines more.")
    if len(effect.lines) > 1:
        said.append(f"In all: {formats.money(effect.amount, account.currency)}.")
    return said


def _next_invoice(effect: Effect, account: Account) -> list[tuple[str, str, str]]:
    return [("Next invoice, before tax", _told(effect.before, account), _told(effect.after, account))]


def _told(due: Due | None, account: Account) -> str:
    if due is None:
        return "None"
    return f"{formats.money(total(due.charges), account.currency)} on {formats.day(due.bill_on)}"


def _terms(plan: Plan, asked: Wanted, account: Account) -> list[tuple[str, str, str]]:
    """What changes in words, before and after."""
    now = agreed_on(plan, in_effect(plan.changes), asked.from_on)
    quantity, price = asked.quantity or now.quantity, asked.price or now.price
    if asked.kind in (ChangeKind.QUANTITY, ChangeKind.PRICE):
        before, after = (_each(*each, account) for each in ((now.quantity, now.price), (quantity, price)))
        return [("Quantity = total each period", before, after)]
    return []


def _each(count: Decimal, price: Price, account: Account) -> str:
    return f"{formats.number(count)} = {formats.money(price.whole(count), account.currency)}"


def _credited(account: Account, plan: Plan, today: date) -> str:
    """A warning when the running period, or one to come, is credited already: whether for the same days, nobody can tell."""
    first = period_of(plan.anchor_on, max(today, plan.starts_on), plan.months).start_on.isoformat()
    stood = given_back.standing({(account.id, plan.id)})
    found = [one for (_, _, begins_on), one in sorted(stood.items()) if begins_on >= first and one.credited]
    if not found:
        return ""
    charged, credited, left = (
        formats.money(sum((getattr(one, name) for one in found), ZERO), account.currency)
        for name in ("charged", "credited", "left")
    )
    return (
        f"Of {charged} that was charged, {credited} is credited already. Days are given back of the other {left} at most; if"
        " the credit was for the same days, give none back."
    )


def _waiting(parts: Sequence[Part], account: Account) -> list[str]:
    """What waits, line by line with its arithmetic, and which invoice bore it."""
    return [
        f"{part.invoice.number}: {line.description}"
        + (f" ({line.detail})" if line.detail else "")
        + f": {formats.money(line.amount, account.currency)}."
        for part in parts
        for line in part.lines
    ]


def _untouched(plan: Plan) -> str:
    return "What is billed already stays; nothing is prorated." if not plan.prorated else "What is billed already stays."


def _begun(kind: ChangeKind, plan: Plan, first: date) -> dict[str, Any]:
    now = agreed_on(plan, in_effect(plan.changes), first)
    if kind == ChangeKind.QUANTITY:
        return {"quantity": f"{now.quantity.normalize():f}"}
    return {"price": now.price.amount} if kind == ChangeKind.PRICE else {}


def _over(fee: fees.Fee, today: date) -> bool:
    return fee.ends_on is not None and fee.ends_on < today


def _late(effect: Effect, today: date) -> str:
    if all(day > today for day, _ in effect.lines):
        return ""
    return "A day that has come is among them: the next billing run bills it."


def _above(account: Account) -> Sequence[tuple[str, str]]:
    return [*above(account), (reverse("desk:subscriptions", args=[account.slug]), "Subscriptions")]


OF_ONE = "accounts/<slug:slug>/subscriptions/<uuid:id>/"
urls = [
    path("accounts/<slug:slug>/subscriptions/", subscriptions, name="subscriptions"),
    path("accounts/<slug:slug>/subscriptions/start/", start, name="subscription-start"),
    path("accounts/<slug:slug>/subscriptions/give-back/", give_back, name="subscriptions-give-back"),
    path("accounts/<slug:slug>/commitment/", commit, name="commitment-agree"),
    path("accounts/<slug:slug>/commitment/<uuid:id>/end/", end_commitment, name="commitment-end"),
    *[path(f"{OF_ONE}{what}/", _changing(what), name=f"subscription-{what}") for what in CHANGES],
    path(f"{OF_ONE}end/", end, name="subscription-end"),
    path(f"{OF_ONE}go-on/", go_on, name="subscription-go-on"),
    path(f"{OF_ONE}changes/<uuid:change_id>/take-back/", take_back, name="subscription-take-back"),
]
