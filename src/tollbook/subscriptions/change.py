"""Change a subscription from a day on: quantity, price, discount; pause and resume; end it, or let it go on after all.

A change is recorded once and never altered; one that has not begun can be taken back, which is a record too. Changes count
from today at the earliest, because what is past explains invoices. A prorated subscription puts the running period right by
the day, unless the change says otherwise; another one is billed by the change from its next period on. Each verb is one
transaction, locks the account's row, is audited, and with an `id` made by the caller before is done once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.money.amount import HUNDRED, MICRO
from tollbook.money.period import billing_day, period_of
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.subscriptions import plan as plans
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.plan import A_DAY, Change, Plan
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.record import plan_of
from tollbook.subscriptions.subscribe import LONGEST_AHEAD, check_quantity
from tollbook.subscriptions.tables import ChangeKind, FeeKind, Subscription, SubscriptionChange

ACTIONS = {
    ChangeKind.QUANTITY: "subscription.change_quantity",
    ChangeKind.PRICE: "subscription.change_price",
    ChangeKind.DISCOUNT: "subscription.discount",
    ChangeKind.PAUSE: "subscription.pause",
    ChangeKind.RESUME: "subscription.resume",
    ChangeKind.END: "subscription.end",
    ChangeKind.WITHDRAW: "subscription.take_back",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change to be made: its facts by kind, see plan.Change. `prorated` None is as the subscription is; an end without a
    last day (`until_on`) lets it go on.
    """

    kind: ChangeKind
    from_on: date
    until_on: date | None = None
    quantity: Decimal | None = None
    price: Price | None = None
    percent: Decimal | None = None
    amount: Decimal | None = None
    prorated: bool | None = None
    at_once: bool = False
    withdraws: UUID | None = None


def change_quantity(
    account: Account, subscription_id: UUID, quantity: Decimal, from_on: date, actor: Actor
) -> SubscriptionChange:
    """Another quantity from the day `from_on` on, prorated as the subscription is. Raises Invalid as `make`."""
    return make(account, subscription_id, Wanted(ChangeKind.QUANTITY, from_on, quantity=quantity), actor)


def end(
    account: Account, subscription_id: UUID, ends_on: date, actor: Actor, prorated: bool = False
) -> SubscriptionChange:
    """Make `ends_on` its last day; the day before its start takes it back unbilled. When `prorated`, days that were billed
    beyond it are given back.

    A setup fee or one-off charge can only be taken back, and only before its day; that is what happens whatever
    `ends_on` is. Raises Invalid for too early a day and Conflict when it has ended already.
    """
    wanted = Wanted(ChangeKind.END, ends_on + A_DAY, until_on=ends_on, prorated=prorated)
    return make(account, subscription_id, wanted, actor)


def take_back(account: Account, subscription_id: UUID, change_id: UUID, actor: Actor) -> SubscriptionChange:
    """Undo a change that has not begun. Raises Conflict when it has, or was taken back before."""
    wanted = Wanted(ChangeKind.WITHDRAW, today_in(account), withdraws=change_id)
    return make(account, subscription_id, wanted, actor)


def make(
    account: Account, subscription_id: UUID, wanted: Wanted, actor: Actor, id: UUID | None = None
) -> SubscriptionChange:
    """Record a change. Own transaction; locks the account's row; audited. Answers the record, the known one for a known
    `id`.

    Raises NotFound, Invalid with the field for what makes no sense on that day, and Conflict when it has ended or when the
    known `id` was another change.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(id=account.id)
        row = Subscription.objects.filter(account_id=account.id, id=subscription_id).first()
        if row is None:
            raise NotFound("There is no such subscription.")
        known = id and _made_before(account, id, subscription_id, wanted)
        if known:
            return known
        plan = plan_of(account, subscription_id)
        checked = check(account, plan, wanted)
        made = _drafted(account, subscription_id, checked, actor, id or new_id())
        made.save(force_insert=True)
        before = _before(plan, checked)
        note(
            account.id, actor, ACTIONS[checked.kind], f"subscription/{row.component_code}",
            before=before, after=_shown(made),
        )  # fmt: skip
        wake.tell(account.id)
    return made


def as_change(account: Account, plan: Plan, wanted: Wanted) -> Change:
    """The change that `make` would record today, not stored: what a preview of its money effects is made of."""
    checked = check(account, plan, wanted)
    return Change(
        new_id(), checked.kind, today_in(account), checked.from_on, checked.until_on, checked.quantity, checked.price,
        checked.percent, checked.amount, bool(checked.prorated), checked.at_once, checked.withdraws,
    )  # fmt: skip


def check(account: Account, plan: Plan, wanted: Wanted) -> Wanted:
    """The change as it would be recorded. Raises Invalid, with the field, or Conflict, as `make`."""
    today, effective = today_in(account), plans.in_effect(plan.changes)
    last = plans.last_day(plan, effective)
    if wanted.kind == ChangeKind.WITHDRAW:
        return _checked_withdrawal(plan, wanted, today)
    if not plan.recurring:
        return _checked_recall(account, plan, wanted, effective, today)
    if last and last < max(plan.starts_on, today):
        raise Conflict(f"It ended on {last:%d %b %Y}.")
    if wanted.kind == ChangeKind.END:
        return _prorated(_checked_end(plan, wanted, last, today), plan)
    _check_days(plan, wanted, last, today)
    _check_values(wanted, plans.is_paused(effective, wanted.from_on))
    return _prorated(wanted, plan)


def earliest_change(plan: Plan, today: date) -> date:
    """The first day a change can count from: today, but tomorrow on a day that may have billed the whole period."""
    begins = period_of(plan.anchor_on, today, plan.months).start_on == today
    return today + A_DAY if begins and not plan.prorated else today


def _prorated(wanted: Wanted, plan: Plan) -> Wanted:
    by_the_day = plan.prorated if wanted.prorated is None else wanted.prorated and plan.prorated
    return _with(wanted, prorated=by_the_day)


def _checked_end(plan: Plan, wanted: Wanted, last: date | None, today: date) -> Wanted:
    until_on = wanted.until_on
    if until_on is None:
        if last is None:
            raise Conflict("It has no last day.")
        return _with(wanted, from_on=max(today, plan.starts_on))
    first_without = max(plan.starts_on, earliest_change(plan, today))
    if until_on + A_DAY < first_without:
        earliest = first_without - A_DAY
        raise Invalid(f"Its last day can be {earliest:%d %b %Y} at the earliest.", field="ends_on")
    if until_on == last:
        raise Invalid(f"Its last day is {last:%d %b %Y} already.", field="ends_on")
    if until_on > today + LONGEST_AHEAD:
        raise Invalid("That is more than ten years away; is the year right?", field="ends_on")
    return _with(wanted, from_on=until_on + A_DAY)


def _checked_recall(
    account: Account, plan: Plan, wanted: Wanted, effective: Sequence[Change], today: date
) -> Wanted:
    """A charge that is made once can only be taken back whole, before its day."""
    what = FeeKind(plan.kind).label
    if wanted.kind != ChangeKind.END:
        raise Invalid(f"A {what.lower()} is billed once; end it and start another one instead.", field="quantity")
    if effective or (plan.ends_on and plan.ends_on < plan.starts_on):
        raise Conflict("It was taken back before.")
    due_on = billed_on(account, plan)
    if due_on <= today:
        raise Invalid(f"Its billing day, {due_on:%d %b %Y}, has come.", field="ends_on")
    return _with(wanted, from_on=plan.starts_on, until_on=plan.starts_on - A_DAY, prorated=False)


def billed_on(account: Account, plan: Plan) -> date:
    """The day a setup fee or one-off charge falls due."""
    return plan.starts_on if plan.at_once else billing_day(account.anchor_on, plan.starts_on)


def _checked_withdrawal(plan: Plan, wanted: Wanted, today: date) -> Wanted:
    found = next((change for change in plan.changes if change.id == wanted.withdraws), None)
    if found is None or found.kind == ChangeKind.WITHDRAW:
        raise NotFound("There is no such change.")
    if found not in plans.in_effect(plan.changes):
        raise Conflict("It was taken back before.")
    if found.from_on <= today:
        raise Conflict(f"It counts since {found.from_on:%d %b %Y}; change it again instead.")
    return _with(wanted, from_on=found.from_on, prorated=plan.prorated)


def _check_days(plan: Plan, wanted: Wanted, last: date | None, today: date) -> None:
    earliest = max(plan.starts_on, earliest_change(plan, today))
    if wanted.from_on < earliest_change(plan, today):
        raise Invalid(f"A change can take effect on {earliest:%d %b %Y} at the earliest.", field="from_on")
    if wanted.from_on < plan.starts_on or (last and wanted.from_on > last):
        until = f" until {last:%d %b %Y}" if last else ""
        said = f"from {plan.starts_on:%d %b %Y}{until}"
        raise Invalid(f"This subscription is in force {said}; choose a day in that time.", field="from_on")
    if wanted.from_on > today + LONGEST_AHEAD:
        raise Invalid("That is more than ten years away; is the year right?", field="from_on")
    if wanted.until_on and wanted.until_on < wanted.from_on:
        raise Invalid("The last day can't be before the first.", field="until_on")


def _check_values(wanted: Wanted, paused: bool) -> None:
    if wanted.kind == ChangeKind.QUANTITY:
        check_quantity(wanted.quantity or Decimal(0))
    if wanted.kind == ChangeKind.PRICE and wanted.price:
        prices.check(wanted.price)
    if wanted.kind == ChangeKind.RESUME and not paused:
        raise Invalid("It is not paused on that day.", field="from_on")
    if wanted.kind == ChangeKind.PAUSE and paused:
        raise Invalid("It is paused on that day already.", field="from_on")
    if wanted.kind == ChangeKind.DISCOUNT:
        _check_discount(wanted)


def _check_discount(wanted: Wanted) -> None:
    percent, amount = wanted.percent or Decimal(0), wanted.amount or Decimal(0)
    if not 0 <= percent <= HUNDRED or percent.quantize(Decimal("0.0001")) != percent:
        raise Invalid("A discount is from 0 to 100 per cent, with at most 4 decimal places.", field="percent")
    if amount < 0 or amount.quantize(MICRO) != amount:
        raise Invalid("A discount is zero or more and has at most 6 decimal places.", field="amount")
    if percent and amount:
        raise Invalid("A discount is a percentage or an amount, not both.", field="amount")


def _made_before(account: Account, id: UUID, subscription_id: UUID, wanted: Wanted) -> SubscriptionChange | None:
    made = SubscriptionChange.objects.filter(account_id=account.id, id=id).first()
    if made and (made.subscription_id, made.kind) != (subscription_id, wanted.kind):
        raise Conflict("This change was made before, with other values. Begin again for another one.")
    return made


def _drafted(account: Account, subscription_id: UUID, wanted: Wanted, actor: Actor, id: UUID) -> SubscriptionChange:
    price = wanted.price
    return SubscriptionChange(
        account_id=account.id,
        id=id,
        subscription_id=subscription_id,
        kind=wanted.kind,
        from_on=wanted.from_on,
        until_on=wanted.until_on,
        quantity=wanted.quantity,
        model=price.model if price else "",
        price=price and price.amount,
        scheme=prices.scheme_of(price) if price else {},
        percent=wanted.percent,
        amount=wanted.amount,
        prorated=bool(wanted.prorated),
        at_once=wanted.at_once,
        withdraws=wanted.withdraws,
        recorded_at=datetime.now(UTC),
        known_on=today_in(account),
        recorded_by=actor.name,
    )


def _with(wanted: Wanted, **values: Any) -> Wanted:
    return Wanted(**{name: getattr(wanted, name) for name in Wanted.__slots__} | values)


def _before(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    effective = plans.in_effect(plan.changes)
    if wanted.kind == ChangeKind.END:
        last = plans.last_day(plan, effective)
        return {"ends_on": last and last.isoformat()}
    terms = plans.agreed_on(plan, effective, wanted.from_on)
    told = {
        ChangeKind.QUANTITY: {"quantity": str(terms.quantity)},
        ChangeKind.PRICE: {"price": prices.told(terms.price)},
        ChangeKind.DISCOUNT: {"percent": str(terms.percent_off), "amount": str(terms.amount_off)},
    }
    return {"subscription": str(plan.id), **told.get(wanted.kind, {})}


def _shown(made: SubscriptionChange) -> dict[str, Any]:
    told: dict[str, Any] = {"change": str(made.id), "from_on": made.from_on.isoformat()}
    if made.kind == ChangeKind.END:
        told["ends_on"] = made.until_on and made.until_on.isoformat()
    elif made.until_on:
        told["until_on"] = made.until_on.isoformat()
    if made.price is not None:
        told["price"] = prices.told(prices.of(made.model, made.price, made.scheme))
    for name in ("quantity", "percent", "amount", "withdraws"):
        if getattr(made, name) is not None:
            told[name] = str(getattr(made, name))
    return told
