"""Start a subscription, change its quantity from a day on, end it.

Days are local days of the account. A period is billed in advance by what is in force on its first day (fees.py), so
a start or a change in the middle of a period is billed from the next period on, and an end in the middle refunds
nothing. A row is never changed but for its last day: a change ends one row and starts another. What was in force on a
day that may have been billed stays, because it explains the invoice: changes take effect today at the earliest, on a
billing day tomorrow.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.component import check_price
from tollbook.subscriptions.fees import billing_day
from tollbook.subscriptions.tables import Component, FeeKind, Subscription

A_DAY = timedelta(days=1)
LONGEST_AGO, LONGEST_AHEAD = timedelta(days=3660), timedelta(days=3660)
FINEST_QUANTITY, LARGEST_QUANTITY = Decimal("0.001"), Decimal(10_000_000)


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What an account subscribes to. `price` is per one and period (setup fee: per one), in the account's currency,
    by default the component's; `name` is what lines print, by default the component's; `ends_on` is the last day."""

    component_code: str
    starts_on: date
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    name: str = ""
    ends_on: date | None = None


def start(account: Account, new: NewSubscription, actor: Actor, id: UUID | None = None) -> Subscription:
    """Subscribe the account. Own transaction (or a part of the caller's); audited.

    With an `id`, made by the caller before, the subscription starts once however often it is asked for: locks the account's
    row then, and raises Conflict when it was started with other values. A start on a past day is billed for the periods
    that have no invoice yet (invoicing.run), and for those only. Raises NotFound for an unknown component; Invalid for one
    withdrawn, a bad quantity, price or day.
    """
    component = Component.objects.filter(code=new.component_code).first()
    if component is None:
        raise NotFound(f"There is no component “{new.component_code}”.")
    price = component.price if new.price is None else new.price
    with transaction.atomic():
        known = id and _started_before(account, id, new)
        if known:
            return known
        check(account, new, component)
        made = _insert(account, component.code, new.name or component.name, component.kind, new, price, id)
        note(account.id, actor, "subscription.start", _target(made), after=_shown(made))
        wake.tell(account.id)
    return made


def check(account: Account, new: NewSubscription, component: Component) -> None:
    """Raise Invalid, with the field, for what can't be subscribed to."""
    if not component.is_active:
        raise Invalid(f"“{component.name}” is no longer offered.", field="component")
    check_price(component.price if new.price is None else new.price)
    _check_quantity(new.quantity)
    _check_days(account, new)
    if component.kind == FeeKind.SETUP and new.ends_on:
        raise Invalid("A setup fee is billed once and has no last day.", field="ends_on")


def _started_before(account: Account, id: UUID, new: NewSubscription) -> Subscription | None:
    Account.objects.select_for_update(no_key=True).get(id=account.id)
    made = Subscription.objects.filter(account_id=account.id, id=id).first()
    if made is None:
        return None
    if (made.component_code, made.starts_on, made.quantity) != (new.component_code, new.starts_on, new.quantity):
        raise Conflict("This subscription was started before, with other values. Begin again for another one.")
    return made


def change_quantity(
    account: Account, subscription_id: UUID, quantity: Decimal, from_on: date, actor: Actor
) -> Subscription:
    """Another quantity from the day `from_on` on: ends the row the day before and answers the one that follows it.

    The first period that begins on or after `from_on` is billed with it; the running one is not prorated. Own
    transaction; locks the row. Raises Invalid for a past day, a day out of its time or a setup fee.
    """
    _check_quantity(quantity)
    with transaction.atomic():
        old = _locked(account, subscription_id)
        if old.kind == FeeKind.SETUP:
            raise Invalid("A setup fee is billed once; end it and start another one instead.", field="quantity")
        if from_on < (earliest := _earliest_change(account)):
            raise Invalid(f"A change can take effect on {earliest:%d %b %Y} at the earliest.", field="from_on")
        if from_on < old.starts_on or (old.ends_on and from_on > old.ends_on):
            raise Invalid(f"This subscription is in force {_days(old)}; choose a day in that time.", field="from_on")
        following = NewSubscription(old.component_code, from_on, quantity, ends_on=old.ends_on)
        _end_row(old, from_on - A_DAY)
        made = _insert(account, old.component_code, old.name, old.kind, following, old.price)
        before = {"id": str(old.id), "quantity": str(old.quantity)}
        note(account.id, actor, "subscription.change_quantity", _target(old), before=before, after=_shown(made))
        wake.tell(account.id)
    return made


def end(account: Account, subscription_id: UUID, ends_on: date, actor: Actor) -> Subscription:
    """Make `ends_on` its last day (never later than it already is); the day before its start takes it back unbilled.

    A setup fee can only be taken back, and only before its billing day; that is what happens whatever `ends_on` is.
    Own transaction; locks the row; audited. Raises Invalid for too early a day and Conflict when it has ended already.
    """
    with transaction.atomic():
        row = _locked(account, subscription_id)
        if row.ends_on and row.ends_on < max(row.starts_on, today_in(account)):
            raise Conflict(f"It ended on {row.ends_on:%d %b %Y}.")
        last_on = _taken_back(account, row) if row.kind == FeeKind.SETUP else _checked_end(account, row, ends_on)
        before = {"ends_on": row.ends_on and row.ends_on.isoformat()}
        _end_row(row, last_on)
        after = {"id": str(row.id), "ends_on": last_on.isoformat()}
        note(account.id, actor, "subscription.end", _target(row), before=before, after=after)
        wake.tell(account.id)
    return row


def _checked_end(account: Account, row: Subscription, ends_on: date) -> date:
    earliest = max(row.starts_on, _earliest_change(account)) - A_DAY
    if ends_on < earliest:
        raise Invalid(f"The last day can be {earliest:%d %b %Y} at the earliest.", field="ends_on")
    if row.ends_on and ends_on > row.ends_on:
        raise Invalid(f"It ends on {row.ends_on:%d %b %Y} already; start another one to go on.", field="ends_on")
    return ends_on


def _taken_back(account: Account, row: Subscription) -> date:
    if billing_day(account.anchor_on, row.starts_on) <= today_in(account):
        raise Invalid("This setup fee's billing day has come; it can no longer be taken back.", field="ends_on")
    return row.starts_on - A_DAY


def _locked(account: Account, subscription_id: UUID) -> Subscription:
    row = Subscription.objects.select_for_update().filter(account_id=account.id, id=subscription_id).first()
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def _insert(
    account: Account, code: str, name: str, kind: str, new: NewSubscription, price: Decimal, id: UUID | None = None
) -> Subscription:
    return Subscription.objects.create(
        account_id=account.id,
        id=id or new_id(),
        component_code=code,
        name=name,
        kind=kind,
        quantity=new.quantity,
        price=price,
        starts_on=new.starts_on,
        ends_on=new.ends_on,
        created_at=datetime.now(UTC),
    )


def _end_row(row: Subscription, ends_on: date) -> None:
    row.ends_on = ends_on
    row.save(update_fields=["ends_on"])


def _check_quantity(quantity: Decimal) -> None:
    if not quantity.is_finite() or not 0 < quantity <= LARGEST_QUANTITY or quantity % FINEST_QUANTITY:
        raise Invalid("A quantity is more than zero and has at most 3 decimal places.", field="quantity")


def _check_days(account: Account, new: NewSubscription) -> None:
    today = today_in(account)
    if not today - LONGEST_AGO <= new.starts_on <= today + LONGEST_AHEAD:
        raise Invalid(f"{new.starts_on:%d %b %Y} is more than ten years away; is the year right?", field="starts_on")
    if new.ends_on and new.ends_on < new.starts_on:
        raise Invalid("The last day can't be before the first.", field="ends_on")


def _earliest_change(account: Account) -> date:
    today = today_in(account)
    return today + A_DAY if billing_day(account.anchor_on, today) == today else today


def _days(row: Subscription) -> str:
    until = f" until {row.ends_on:%d %b %Y}" if row.ends_on else ""
    return f"from {row.starts_on:%d %b %Y}{until}"


def _target(row: Subscription) -> str:
    return f"subscription/{row.component_code}"


def _shown(row: Subscription) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "quantity": str(row.quantity),
        "price": str(row.price),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": row.ends_on and row.ends_on.isoformat(),
    }
