"""Start a subscription: what is agreed then never changes; change.py records what comes later.

Days are local days of the account. Recurring fees are billed in advance on the first day of each period; lines.py has the
rules.
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
from tollbook.money.period import period_number, period_of
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.subscriptions import component as components
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.plan import A_DAY
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.tables import Component, FeeKind, Subscription

LONGEST_AGO, LONGEST_AHEAD = timedelta(days=3660), timedelta(days=3660)
FINEST_QUANTITY, LARGEST_QUANTITY = Decimal("0.001"), Decimal(10_000_000)
MOST_FREE_PERIODS = 60


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What an account subscribes to. `price` is per one (flat: for all; packages: for each) and period, in the account's
    currency, by default the component's, which it also follows when it `follows`; `name` is what lines print, by default the
    component's; `ends_on` is the last day.

    Its periods count from `anchor_on`, by default from the account's billing day, and have the component's months. The first
    `free_periods` of them cost nothing. `prorated` charges by the day; else each period whole, by what is in force on its
    first day. `at_once` bills on the day it starts what else waits for the next billing day.
    """

    component_code: str
    starts_on: date
    quantity: Decimal = Decimal(1)
    price: Decimal | None = None
    name: str = ""
    ends_on: date | None = None
    anchor_on: date | None = None
    free_periods: int = 0
    follows: bool = False
    prorated: bool = False
    at_once: bool = False


def start(account: Account, new: NewSubscription, actor: Actor, id: UUID | None = None) -> Subscription:
    """Subscribe the account. Own transaction (or a part of the caller's); audited. Locks the account's row, so that a
    billing run either sees it or is older than its record.

    With an `id`, made by the caller before, the subscription starts once however often it is asked for; raises Conflict when
    it was started with other values. A start on a past day is billed for all periods
    since. Raises NotFound for an unknown component; Invalid for one withdrawn, a bad quantity, price or day.
    """
    component = Component.objects.filter(code=new.component_code).first()
    if component is None:
        raise NotFound(f"There is no component “{new.component_code}”.")
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(id=account.id)
        known = id and _started_before(account, id, new)
        if known:
            return known
        check(account, new, component)
        made = drafted(account, new, component, id or new_id())
        made.save(force_insert=True)
        note(account.id, actor, "subscription.start", f"subscription/{component.code}", after=_shown(made))
        wake.tell(account.id)
    return made


def drafted(account: Account, new: NewSubscription, component: Component, id: UUID) -> Subscription:
    """The row that `start` would make, not stored: what a preview of its charges is made of."""
    price = price_of(account, new, component)
    return Subscription(
        account_id=account.id,
        id=id,
        component_code=component.code,
        name=new.name or component.name,
        kind=component.kind,
        quantity=new.quantity,
        model=price.model,
        price=price.amount,
        scheme=prices.scheme_of(price),
        starts_on=new.starts_on,
        ends_on=new.ends_on,
        anchor_on=new.anchor_on,
        months=component.months,
        free_until=_free_until(account, new, component),
        follows=new.follows,
        prorated=new.prorated,
        at_once=new.at_once,
        grant_type_code=component.grant_type_code,
        grant_amount=component.grant_amount,
        created_at=datetime.now(UTC),
        known_on=today_in(account),
    )


def price_of(account: Account, new: NewSubscription, component: Component) -> Price:
    """What it costs: the component's price today, or on the day it starts when that is to come, or the amount agreed."""
    price = components.price_on(component, max(today_in(account), new.starts_on))
    if new.price is None:
        return price
    if price.tiers:
        raise Invalid("A component with tiers is sold at its own price.", field="price")
    return Price(price.model, new.price, (), price.size, price.free_units)


def check(account: Account, new: NewSubscription, component: Component) -> None:
    """Raise Invalid, with the field, for what can't be subscribed to."""
    if not component.is_active:
        raise Invalid(f"“{component.name}” is no longer offered.", field="component")
    prices.check(price_of(account, new, component))
    check_quantity(new.quantity)
    _check_days(account, new)
    if component.kind != FeeKind.RECURRING and new.ends_on:
        raise Invalid(f"A {component.get_kind_display().lower()} is billed once and has no last day.", field="ends_on")
    if new.follows and new.price is not None:
        raise Invalid("What follows the component's price has no price of its own.", field="price")
    if not 0 <= new.free_periods <= MOST_FREE_PERIODS:
        raise Invalid(f"Up to {MOST_FREE_PERIODS} periods can be free.", field="free_periods")
    if new.free_periods and component.kind != FeeKind.RECURRING:
        raise Invalid("Only a recurring fee has periods that can be free.", field="free_periods")


def check_quantity(quantity: Decimal) -> None:
    """Raise Invalid unless this can be a quantity: more than zero, at most 3 places."""
    if not quantity.is_finite() or not 0 < quantity <= LARGEST_QUANTITY or quantity % FINEST_QUANTITY:
        raise Invalid("A quantity is more than zero and has at most 3 decimal places.", field="quantity")


def _started_before(account: Account, id: UUID, new: NewSubscription) -> Subscription | None:
    made = Subscription.objects.filter(account_id=account.id, id=id).first()
    if made is None:
        return None
    if (made.component_code, made.starts_on, made.quantity) != (new.component_code, new.starts_on, new.quantity):
        raise Conflict("This subscription was started before, with other values. Begin again for another one.")
    return made


def _free_until(account: Account, new: NewSubscription, component: Component) -> date | None:
    """The last day of its first free periods; a part of a period at the start counts as one."""
    if not new.free_periods:
        return None
    anchor_on = new.anchor_on or account.anchor_on
    first = period_of(anchor_on, new.starts_on, component.months)
    return period_number(anchor_on, first.index + new.free_periods, component.months).start_on - A_DAY


def _check_days(account: Account, new: NewSubscription) -> None:
    today = today_in(account)
    for field, day in (("starts_on", new.starts_on), ("anchor_on", new.anchor_on)):
        if day and not today - LONGEST_AGO <= day <= today + LONGEST_AHEAD:
            raise Invalid(f"{day:%d %b %Y} is more than ten years away; is the year right?", field=field)
    if new.ends_on and new.ends_on < new.starts_on:
        raise Invalid("The last day can't be before the first.", field="ends_on")


def _shown(row: Subscription) -> dict[str, Any]:
    told = {
        "id": str(row.id),
        "quantity": str(row.quantity),
        "price": prices.told(prices.of(row.model, row.price, row.scheme)),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": row.ends_on and row.ends_on.isoformat(),
    }
    extra = {"anchor_on": row.anchor_on, "free_until": row.free_until}
    return told | {name: day.isoformat() for name, day in extra.items() if day}
