"""Take a usage event back, all of it or a part, by a person with a reason."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.rating.tables import CreditType
from tollbook.usage import statement
from tollbook.usage.event import Fault
from tollbook.usage.record import REJECTED
from tollbook.usage.reverse import Amounts, Reversal, preview
from tollbook.usage.reverse import reverse as take_back
from tollbook.usage.statement import Opened
from tollbook.web import arithmetic, formats
from tollbook.web.desk.accounts import above
from tollbook.web.desk.fields import AmountField, ReasonField
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Once, Review, Sheet, stepped, typed
from tollbook.web.desk.wallets import find


class ReverseForm(Once):
    """How much, and why."""

    reason = ReasonField("The customer sees it beside the amount.")
    field_order = ["quantity", "reason"]

    def __init__(self, unit: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["quantity"] = AmountField(
            label=f"Take back ({unit})", required=False, help_text="Empty: all that is left of the event."
        )
        self.order_fields(self.field_order)


@staff_page("GET POST")
def reverse_event(request: DeskRequest, slug: str, type_code: str) -> HttpResponse:
    """Review what an event would give back, then give it back: once per form."""
    account = accounts.by_slug(slug)
    wallet = find(account, type_code)
    opened = statement.event(account.id, request.GET.get("id", ""))
    if opened.used.type_code != type_code:
        raise NotFound("There is no such event of this type.")

    def review(values: dict[str, Any]) -> Review:
        return _review(account, opened, _previewed(account, opened, values["quantity"]), values["reason"], wallet.balance)

    def act(values: dict[str, Any]) -> HttpResponse:
        asked = Reversal(
            id=f"desk-{values['token']}",
            reverses=opened.used.id,
            occurred_at=max(timezone.now(), opened.used.occurred_at),
            quantity=values["quantity"],
            reason=values["reason"],
            actor=request.actor.name,
        )
        done = take_back(account.id, asked, by=request.actor)
        if done.state == REJECTED and done.code != "event_conflict":
            raise Invalid(done.message, field="quantity")
        if done.state == REJECTED:
            raise Conflict("This form was sent before. Look at the wallet before you begin again.")
        messages.success(request, f"{opened.used.id} gave back {formats.exact_money(done.cost, account.currency)}.")
        return redirect("desk:wallet", slug, type_code)

    place = (reverse("desk:wallet", args=[slug, type_code]), wallet.name)
    sheet = Sheet(f"Reverse {opened.used.id}", "accounts", [*above(account), place], lead=_lead(opened, account.currency))
    unit = str(CreditType.Unit(opened.unit).label)
    return stepped(request, ReverseForm(unit, typed(request)), sheet, review, act)


def _previewed(account: Account, opened: Opened, quantity: Decimal | None) -> Amounts:
    if quantity is not None and quantity <= 0:
        raise Invalid("The quantity to take back is above zero.", field="quantity")
    amounts = preview(account.id, opened.used.id, quantity)
    if isinstance(amounts, Fault):
        raise Invalid(amounts.message, field="quantity")
    return amounts


def _review(account: Account, opened: Opened, amounts: Amounts, reason: str, balance: Decimal) -> Review:
    given = formats.exact_money(-amounts.cost, account.currency)
    back = arithmetic.plain_quantity(-amounts.quantity, opened.unit)
    after = balance - amounts.cost
    return Review(
        f"Reverse {back} of {opened.used.id} of {account.name}",
        [
            f"{given} goes back to the wallet, to the credit it was taken from.",
            "What remains of the event costs what it would have cost by itself.",
            f"Reason, as the customer will read it: “{reason}”",
        ],
        [("Balance", formats.exact_money(balance, account.currency), formats.exact_money(after, account.currency))],
        confirm="Reverse",
        danger=True,
    )


def _lead(opened: Opened, currency: str) -> str:
    used = opened.used
    cost = formats.exact_money(used.cost, currency)
    told = f"{arithmetic.plain_quantity(used.quantity, opened.unit)}{f' to {used.to}' if used.to else ''} cost {cost}."
    return f"{told} A reversal is an event of its own and is never undone; the usage can be sent again under a new id."


urls = [path("accounts/<slug:slug>/wallets/<str:type_code>/reverse/", reverse_event, name="event-reverse")]
"""The event's id is in the query, because it may hold any character."""
