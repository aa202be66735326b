"""Payments of all accounts: what came in, one payment with all that became of it, refunds, disputes, reconciliation."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core import signing
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import account as accounts
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, NotFound
from tollbook.invoicing.tables import Invoice, Settlement
from tollbook.payments import (
    collect,
    credit,
    dispute,
    dunning,
    gateway,
    intent,
    method,
    person,
    questions,
    reconcile,
    refund,
)
from tollbook.payments.refund import Back, Choice
from tollbook.payments.tables import (
    OPEN_INTENTS,
    Disputed,
    Payment,
    PaymentIntent,
    PaymentMethod,
    Refund,
    RefundSource,
)
from tollbook.payments.transfer import GATEWAY as MANUAL
from tollbook.postgres.ids import new_id
from tollbook.refills.settlers import SETTLERS
from tollbook.web import formats
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, DayField, ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, decided, stepped, typed

RECENT, MOST = 50, 200
LONGEST_DAYS = 92
SECTION = "payments"
SHOWN = "shown"
REVIEWED, REVIEW_HOLDS = "reviewed", timedelta(hours=1)


class RefundForm(Once):
    """How much goes back, out of what, and why."""

    reason = ReasonField("Part of the books; the gateway shows it to the card's holder where it can.")

    def __init__(self, payment: Payment, choices: list[Choice], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(payment.currency, label=f"Amount ({payment.currency})")
        self.fields["source"] = forms.ChoiceField(
            label="Taken from", choices=[(one.source, _told(one, payment)) for one in choices], widget=forms.RadioSelect
        )
        if payment.gateway == MANUAL:
            self.fields["reference"] = forms.CharField(
                label="Reference of the transfer you sent", max_length=120, help_text="Send it first, then record it here."
            )
        self.order_fields(["amount", "source", "reference", "reason", "token"])


class SettleForm(forms.Form):
    """What the gateway's dashboard shows."""

    reference = forms.CharField(
        label="Charge", required=False, max_length=120, help_text="The gateway's own name for the charge, such as pi_..."
    )
    reason = ReasonField("What you saw, and where. It stays in the audit trail.")

    def __init__(self, asked: PaymentIntent, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["verdict"] = forms.ChoiceField(
            label="The gateway's dashboard says", choices=list(person.verdicts(asked).items()), widget=forms.RadioSelect
        )
        if asked.state not in OPEN_INTENTS:
            del self.fields["reference"]
        self.order_fields(["verdict", "reference", "reason"])


class ScheduleForm(forms.Form):
    """When invoices are charged by themselves."""

    is_on = forms.BooleanField(label="Charge invoices by themselves", required=False)
    days = forms.CharField(
        label="Days after issue",
        max_length=60,
        help_text="When a card is tried, such as 0, 3, 5, 7. After the last one, a person sees to it.",
    )
    reason = ReasonField("Part of the trail.")

    def clean_days(self) -> list[int]:
        """The days as numbers."""
        parts = self.cleaned_data["days"].replace(",", " ").split()
        if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
            raise forms.ValidationError("Write whole numbers, such as 0, 3, 5, 7.")
        return [int(part) for part in parts]


class PeriodForm(forms.Form):
    """What is compared."""

    since = DayField(label="From")
    until = DayField(label="To, included")
    gateway = forms.ChoiceField(required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["gateway"].choices = [(name, name) for name in gateway.offered()]

    def clean(self) -> dict[str, Any]:
        """A period that is not endless."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and not timedelta(0) <= until - since <= timedelta(days=LONGEST_DAYS):
            raise forms.ValidationError(f"The period ends after it begins, and has at most {LONGEST_DAYS} days.")
        return self.cleaned_data


@staff_page()
def payments(request: DeskRequest) -> HttpResponse:
    """What came in lately, and what waits for an answer, in all accounts."""
    by_id = {account.id: account for account in Account.objects.all()}
    mine = {"account_id__in": list(by_id)}
    recent = Payment.objects.filter(**mine).order_by("-received_at", "-id")[:RECENT]
    waiting = PaymentIntent.objects.filter(**mine, state__in=["charging", "unknown", "action_required"])
    refunds = Refund.objects.filter(**mine, state__in=["decided", "sending", "unknown"])
    persons = person.waiting()
    numbers = _numbers([one.invoice_id for one in [*waiting, *persons]], list(by_id))
    context = {
        "section": SECTION,
        "persons": [(by_id[one.account_id], numbers[one.invoice_id], one) for one in persons],
        "recent": [(by_id[one.account_id], one) for one in recent],
        "waiting": [(by_id[one.account_id], numbers[one.invoice_id], one) for one in waiting.order_by("decided_at")[:MOST]],
        "refunds": [(by_id[one.account_id], one) for one in refunds.order_by("decided_at")[:MOST]],
        "failed": [(by_id[one.account_id], one) for one in refund.failed_lately(MOST)],
    }
    return render(request, "tollbook/desk/payments.html", context)


@staff_page()
def payment(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """One payment: what it paid, what is left of it, what went back, what is contested."""
    account = accounts.by_slug(slug)
    found = _found(account, id)
    settled = list(Settlement.objects.filter(account_id=account.id, payment_id=id).order_by("settled_at", "id"))
    numbers = _numbers([one.invoice_id for one in settled], [account.id])
    context = {
        "section": SECTION,
        "account": account,
        "payment": found,
        "settled": [(numbers[one.invoice_id], one) for one in settled],
        "credit": credit.of_payment(account.id, id),
        "refundable": refund.refundable(found),
        "refunds": refund.of_payment(found),
        "disputes": dispute.of_payment(found),
        "trail": lists.trail(account.id, f"payment/{id}"),
        "trail_url": reverse("desk:account-trail", args=[slug]),
    }
    return render(request, "tollbook/desk/payment.html", context)


@staff_page("GET POST")
def settle(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Settle a payment that waits for a person, by what the gateway's dashboard says."""
    account = accounts.by_slug(slug)
    asked = intent.find(account.id, id)
    number = _numbers([asked.invoice_id], [account.id])[asked.invoice_id]
    if asked.needs_person_at is None:
        raise Conflict("This payment does not wait for anybody any more.")

    def review(values: dict[str, Any]) -> Review:
        person.check(asked, values["verdict"], values.get("reference", ""), values["reason"])
        says = [*asked.question.split("\n"), _settled_as(asked, number, values), f"Reason: “{values['reason']}”"]
        carried = {SHOWN: questions.mark(asked.question)}
        return Review(f"Settle this payment of {number}", says, confirm="Settle it", danger=True, carried=carried)

    def act(values: dict[str, Any]) -> HttpResponse:
        said = values["verdict"], values.get("reference", ""), values["reason"]
        state = person.resolve(account, id, *said, request.actor, shown=request.POST.get(SHOWN, ""))
        messages.success(request, f"Settled: {state.label.lower()}.")
        return redirect("desk:payments")

    amount, place = formats.money(asked.amount, asked.currency), (reverse("desk:invoice", args=[slug, number]), number)
    lead = f"{amount}, asked for {formats.day(asked.decided_at)} by {asked.requested_by}. {asked.question}"
    sheet = Sheet(f"Settle this payment of {number}", SECTION, [*above(account), place], lead)
    return stepped(request, SettleForm(asked, typed(request)), sheet, review, act)


@staff_page("GET POST")
def give_back(request: DeskRequest, slug: str, id: UUID) -> HttpResponse:
    """Refund a payment, in full or in part, once."""
    account = accounts.by_slug(slug)
    found = _found(account, id)
    choices = refund.choices(found)
    if request.method == "GET" and not choices:
        raise Conflict("Nothing of this payment is left to give back.")

    def wanted(values: dict[str, Any]) -> Back:
        return Back(id, values["amount"], values["source"], values["reason"], values.get("reference", ""))

    def review(values: dict[str, Any]) -> Review:
        choice = refund.check(found, wanted(values))
        amount = formats.money(values["amount"], found.currency)
        whole = refund.refundable(found)
        before, after = (formats.money(sum_, found.currency) for sum_ in (whole, whole - values["amount"]))
        return Review(
            f"Give {amount} back to {account.name}",
            [_where_to(found, amount), _taken_from(choice, amount), f"Reason: “{values['reason']}”"],
            [("Left to give back", before, after)],
            confirm=f"Give {amount} back",
            danger=True,
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        asked = refund.ask(account, wanted(values), request.actor, values["token"])
        told = "is booked" if asked.state == "succeeded" else "is on its way"
        messages.success(request, f"The refund of {formats.money(asked.amount, asked.currency)} {told}.")
        return redirect("desk:payment", slug, id)

    place = (reverse("desk:payment", args=[slug, id]), _name(found))
    lead = f"{formats.money(refund.refundable(found), found.currency)} of {_name(found)} is left to give back."
    sheet = Sheet(f"Refund {_name(found)}", SECTION, [*above(account), place], lead)
    initial = {"amount": choices[0].at_most, "source": choices[0].source} if choices else {}
    return stepped(request, RefundForm(found, choices, typed(request), initial=initial), sheet, review, act)


@staff_page()
def disputes(request: DeskRequest) -> HttpResponse:
    """What card holders contest, open ones first, in all accounts."""
    by_id = {account.id: account for account in Account.objects.all()}
    found = Disputed.objects.filter(account_id__in=list(by_id)).order_by("-opened_at", "-id")
    open_, closed = found.filter(state="open"), found.exclude(state="open")
    context = {
        "section": SECTION,
        "open": [(by_id[one.account_id], one) for one in open_[:MOST]],
        "closed": [(by_id[one.account_id], one) for one in closed[:RECENT]],
    }
    return render(request, "tollbook/desk/disputes.html", context)


@staff_page()
def collection(request: DeskRequest) -> HttpResponse:
    """Invoices that are charged by themselves, those that wait for a person first; and the schedule."""
    schedule = dunning.schedule()
    chased = dunning.chased(MOST)
    context = {
        "section": SECTION,
        "schedule": schedule,
        "days": ", ".join(map(str, schedule.days)) if schedule else "",
        "persons": [one for one in chased if one.why],
        "tried": [one for one in chased if not one.why],
        "trail": lists.trail(OPERATOR_ID, "collection/invoices"),
    }
    return render(request, "tollbook/desk/collection.html", context)


@staff_page("GET POST")
def schedule(request: DeskRequest) -> HttpResponse:
    """Set when invoices are charged by themselves."""
    now = dunning.schedule()
    initial = {
        "is_on": now.is_on if now else True,
        "days": ", ".join(map(str, now.days if now else dunning.USUAL_DAYS)),
    }

    def review(values: dict[str, Any]) -> Review:
        dunning.check(values["days"], values["reason"])
        before = "Off" if now is None or not now.is_on else ", ".join(map(str, now.days))
        after = ", ".join(map(str, values["days"])) if values["is_on"] else "Off"
        return Review(
            f"Switch collection {'on' if values['is_on'] else 'off'}",
            _schedule_says(values["is_on"], now is not None and now.is_on),
            [("Days after issue", before, after)],
            confirm="Set the schedule",
            danger=values["is_on"],
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        dunning.set_schedule(values["is_on"], values["days"], values["reason"], request.actor)
        messages.success(request, f"Collection is {'on' if values['is_on'] else 'off'}.")
        return redirect("desk:collection")

    sheet = Sheet("When invoices are charged", SECTION, [(reverse("desk:collection"), "Collection")])
    return stepped(request, ScheduleForm(typed(request), initial=initial), sheet, review, act)


@staff_page("GET POST")
def try_now(request: DeskRequest, slug: str, number: str) -> HttpResponse:
    """Have an open invoice charged to the account's default card, now, by a person: what was reviewed, and once."""
    account = accounts.by_slug(slug)
    invoice = intent.invoice_of(account.id, number)
    card, owed = method.default_of(account.id), intent.owed_on(account.id, invoice.id)

    def review() -> Review:
        if card is None:
            raise Conflict(f"{account.name} has no card to charge.")
        intent.check(account, number, owed, card.id)
        amount = formats.money(owed, invoice.currency)
        says = [f"{amount} is charged to {method.label(card)} within seconds, because you ask for it."]
        title, carried = f"Charge {amount} for {number} of {account.name}", {REVIEWED: _signed(invoice, owed, card)}
        return Review(title, says, confirm=f"Charge {amount}", danger=True, carried=carried)

    def act() -> HttpResponse:
        seen, method_id, key = _reviewed(request, invoice)
        reason = f"{request.actor.name} asked for it on the desk."
        wish = intent.Wish(invoice.id, seen, method_id, seen, reason, request_key=key)
        asked = collect.ask(account, wish, request.actor)
        messages.success(request, f"{formats.money(asked.amount, asked.currency)} is being charged for {number}.")
        return redirect("desk:invoice", slug, number)

    place = (reverse("desk:invoice", args=[slug, number]), number)
    return decided(request, Sheet("", SECTION, [*above(account), place]), review, act)


def _signed(invoice: Invoice, owed: Decimal, card: PaymentMethod) -> str:
    """What a review shows, and a key that makes its confirmations one: the confirmation charges this or nothing."""
    shown = {"invoice": str(invoice.id), "sum": str(owed), "card": str(card.id), "key": str(new_id())}
    return signing.dumps(shown, salt=REVIEWED)


def _reviewed(request: DeskRequest, invoice: Invoice) -> tuple[Decimal, UUID, str]:
    """The sum, the card and the key of the review that is confirmed. Raises Conflict for none, or an old one."""
    try:
        shown = signing.loads(request.POST.get(REVIEWED, ""), salt=REVIEWED, max_age=REVIEW_HOLDS)
    except signing.BadSignature:
        raise Conflict("This review is over. Nothing was charged; open it again.") from None
    if shown["invoice"] != str(invoice.id):
        raise Conflict("This review was of another invoice. Nothing was charged; open it again.")
    return Decimal(shown["sum"]), UUID(shown["card"]), f"desk:{shown['key']}"


@staff_page("GET POST")
def reconciled(request: DeskRequest) -> HttpResponse:
    """Compare a gateway with the books; posted, also settle what the gateway's own record explains."""
    form = PeriodForm(request.POST if request.method == "POST" else request.GET or None)
    context: dict[str, Any] = {"section": SECTION, "form": form, "offered": gateway.offered()}
    status = 200
    if form.is_bound and form.is_valid():
        name = form.cleaned_data["gateway"]
        report = reconcile.compare(name, *_instants(form.cleaned_data["since"], form.cleaned_data["until"]))
        if request.method == "POST":
            left = reconcile.settle(report.differences, SETTLERS)
            context["settled"] = len(report.differences) - len(left)
            report.differences = left
        context |= {"report": report, "can_settle": any(one.charge or one.dispute for one in report.differences)}
    elif form.is_bound:
        status = 400
    return render(request, "tollbook/desk/reconcile.html", context, status=status)


def _instants(since: date, until: date) -> tuple[datetime, datetime]:
    """The days from first to last, in UTC, as instants."""
    return datetime.combine(since, time(), UTC), datetime.combine(until + timedelta(days=1), time(), UTC)


def _found(account: Account, id: UUID) -> Payment:
    found = Payment.objects.filter(account_id=account.id, id=id).first()
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def _name(found: Payment) -> str:
    return f"{formats.money(found.amount, found.currency)} of {formats.day(found.received_at)}"


def _numbers(invoice_ids: list[UUID], account_ids: list[UUID]) -> dict[UUID, str]:
    found = Invoice.objects.filter(account_id__in=account_ids, id__in=invoice_ids)
    return dict(found.values_list("id", "number"))


def _told(choice: Choice, found: Payment) -> str:
    what = {
        RefundSource.CREDIT: "Account credit",
        RefundSource.INVOICE: f"{choice.invoice_number}, which is owed again",
        RefundSource.WALLET: f"The wallet it filled ({choice.type_code}), as far as it is unused",
        RefundSource.GOODWILL: "Our revenue; invoice and wallet stay as they are",
    }[choice.source]
    return f"{what}: up to {formats.money(choice.at_most, found.currency)}"


def _where_to(found: Payment, amount: str) -> str:
    if found.gateway == MANUAL:
        return f"You have sent {amount} by bank transfer; it is booked at once and can't be taken back."
    return f"The gateway returns {amount} to {found.method_label or 'the card'} within days; it can't be taken back."


def _taken_from(choice: Choice, amount: str) -> str:
    return {
        RefundSource.CREDIT: f"The account's credit falls by {amount}.",
        RefundSource.INVOICE: f"{amount} is owed on {choice.invoice_number} again.",
        RefundSource.WALLET: f"The wallet's bought credit falls by {amount}; no refill follows from that by itself.",
        RefundSource.GOODWILL: "Invoice and wallet stay as they are: the customer owes nothing for it.",
    }[choice.source]


def _settled_as(asked: PaymentIntent, number: str, values: dict[str, Any]) -> str:
    amount = formats.money(asked.amount, asked.currency)
    charge = values.get("reference", "").strip()
    return {
        "charged": f"{amount} is received as the charge {charge} and pays {number}; what is not owed becomes credit.",
        "not_charged": f"The gateway is asked once more and ends it; then {number} can be paid again.",
        "given_back": "Nothing is booked for that charge. Make sure that the gateway shows it as refunded.",
        "dealt_with": "Nothing is booked or charged by this; it leaves the list.",
    }[values["verdict"]]


def _schedule_says(is_on: bool, was_on: bool) -> list[str]:
    if not is_on:
        return ["No invoice is charged by itself from the next moment on. What people pay themselves goes on."]
    says = ["Cards are charged without anybody asking, on these days after an invoice's issue, until one try succeeds."]
    if was_on:
        return [*says, "Tries that were made already count."]
    return [*says, "It holds for invoices issued from now on; those that are open already are left alone."]


urls = [
    path("payments/", payments, name="payments"),
    path("payments/disputes/", disputes, name="disputes"),
    path("payments/collection/", collection, name="collection"),
    path("payments/collection/schedule/", schedule, name="collection-schedule"),
    path("payments/reconcile/", reconciled, name="reconcile"),
    path("accounts/<slug:slug>/payments/<uuid:id>/", payment, name="payment"),
    path("accounts/<slug:slug>/payments/<uuid:id>/refund/", give_back, name="payment-refund"),
    path("accounts/<slug:slug>/payments/asked/<uuid:id>/settle/", settle, name="payment-settle"),
    path("accounts/<slug:slug>/invoices/<str:number>/collect/", try_now, name="invoice-collect"),
]
