"""Charges of a subscription, as pure arithmetic on its plan: a period's fee, and what a change gives back and adds.

Rules. A period falls due on its first day. It is charged by what was known before that day: whole, or, when prorated,
for the days that count, each stretch of days with its own terms. What is recorded on that day or later leaves that
charge as it is and puts it right beside it: days whose terms differ are given back at the old terms and charged at the
new ones (of a fee that stays the same, only its discount), on the next billing day after both the record and the first
of those days, or at once. A change that is not prorated puts nothing right, neither by itself nor by a later one that does:
of a period that was due before it was recorded, it is no part.

Rounding. The whole period's amount is exact; of it, the days up to and with the k-th of n cost k/n, rounded to the
currency's minor unit, half away from zero, and a stretch costs the difference of two such sums. So stretches that cover
a period sum to the whole to the cent, and what is given back for days is what was charged for them.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from tollbook.money.amount import HUNDRED, to_minor
from tollbook.money.period import Period, billing_day, period_number, period_of
from tollbook.subscriptions.charge import DISCOUNT, ONE_OFF, RECURRING, SETUP, Charge
from tollbook.subscriptions.plan import (
    A_DAY,
    Change,
    Difference,
    Plan,
    Stretch,
    Terms,
    differences,
    in_effect,
    last_day,
    stretches,
)
from tollbook.subscriptions.price import Model, arithmetic, exact, plain
from tollbook.subscriptions.tables import FeeKind

EVERY = {1: "Monthly", 3: "Quarterly", 12: "Yearly"}
LONGEST = 300
NOT_EXACT = "; rounded so that all days of the period sum to the whole"


class Payer(NamedTuple):
    """What of an account its charges depend on."""

    currency: str
    anchor_on: date


class Owed(NamedTuple):
    """A charge, the day it falls due, and the day since which it could be known that it does."""

    bill_on: date
    known_on: date
    charge: Charge


def lines_of(plan: Plan, payer: Payer, until: date, since: date | None = None) -> Iterator[Owed]:
    """Every charge of a plan that falls due by `until`, by period. With `since`, older periods are passed over unless
    something was recorded on that day or later.
    """
    if not plan.recurring:
        yield from _once(plan, payer, until)
        return
    recent = since is not None and plan.known_on < since and all(change.known_on < since for change in plan.changes)
    first = period_of(plan.anchor_on, plan.starts_on, plan.months).index
    if recent and since and since > plan.starts_on:
        first = max(first, period_of(plan.anchor_on, since, plan.months).index - 2)
    last = period_of(plan.anchor_on, until, plan.months).index
    if ends_on := last_day(plan, in_effect(plan.changes)):
        over = max([ends_on, *(change.known_on for change in plan.changes)])
        last = min(last, period_of(plan.anchor_on, over, plan.months).index)
    for index in range(first, last + 1):
        period = period_number(plan.anchor_on, index, plan.months)
        for owed in _of_period(plan, payer, period, until, since if recent else None):
            if owed.bill_on <= until:
                yield owed


def share(whole: Decimal, period: Period, from_on: date, until_on: date, currency: str) -> Decimal:
    """What the days from `from_on` until `until_on` of a period cost of its whole amount (see Rounding)."""
    if from_on == period.start_on and until_on == period.end_on:
        return to_minor(whole, currency)
    days, before = period.days, (from_on - period.start_on).days
    until = (until_on - period.start_on).days + 1
    return to_minor(whole * until / days, currency) - to_minor(whole * before / days, currency)


def falls_due(plan: Plan, payer: Payer, period: Period) -> date | None:
    """The day a period is charged: its first; when the plan begins within it, that day if it is billed at once, else the
    next billing day; None when it is not charged at all, because what begins within a period is not prorated.
    """
    if period.start_on >= plan.starts_on:
        return period.start_on
    if not plan.prorated:
        return None
    return plan.starts_on if plan.at_once else billing_day(payer.anchor_on, plan.starts_on)


def _of_period(plan: Plan, payer: Payer, period: Period, until: date, since: date | None) -> Iterator[Owed]:
    bill_on = falls_due(plan, payer, period)
    if bill_on is None:
        return
    if not plan.changes and _is_plain(plan, period):
        if bill_on > until or (since and bill_on < since):
            return
        yield Owed(bill_on, plan.known_on, _whole(plan, payer, period))
        return
    known = [change for change in plan.changes if change.known_on < bill_on]
    charged = stretches(plan, in_effect(known), period, bill_on)
    known_on = max([plan.known_on, *(change.known_on for change in known)])
    for number, each in enumerate(charged):
        cause = f"fee:{plan.id}:{period.start_on}" + (f":{each.from_on}" if number else "")
        for charge in _lines(plan, payer, period, cause, each.from_on, each.until_on, each.terms, 1):
            yield Owed(bill_on, known_on, charge)
    if plan.prorated:
        yield from _put_right(plan, payer, period, bill_on, charged)


def _put_right(plan: Plan, payer: Payer, period: Period, bill_on: date, charged: Sequence[Stretch]) -> Iterator[Owed]:
    """What each change recorded since the period fell due gives back and adds, in the order of recording."""
    view: Sequence[Stretch] = charged
    counting = [change for change in plan.changes if change.prorated or change.known_on < bill_on]
    for number, change in enumerate(counting):
        if change.known_on < bill_on:
            continue
        after = stretches(plan, in_effect(counting[: number + 1]), period, bill_on)
        for run in differences(view, after, period):
            due = _adjusted_on(payer, change, run.from_on)
            for charge in _adjusted(plan, payer, period, f"change:{change.id}:{period.start_on}:{run.from_on}", run):
                yield Owed(due, change.known_on, charge)
        view = after


def _adjusted(plan: Plan, payer: Payer, period: Period, cause: str, run: Difference) -> Iterator[Charge]:
    """What some days are given back and charged; of a fee that stays the same, only its discount."""
    same = run.before and run.after and run.before[:2] == run.after[:2]
    for terms, sign, end in ((run.before, -1, "back"), (run.after, 1, "fee")):
        if terms:
            lines = _lines(plan, payer, period, f"{cause}:{end}", run.from_on, run.until_on, terms, sign)
            yield from (line for line in lines if not same or line.revenue_code == DISCOUNT)


def _adjusted_on(payer: Payer, change: Change, first_on: date) -> date:
    if change.at_once:
        return max(change.known_on, first_on)
    return billing_day(payer.anchor_on, max(change.known_on + A_DAY, first_on))


def _lines(
    plan: Plan, payer: Payer, period: Period, cause: str, from_on: date, until_on: date, terms: Terms, sign: int
) -> Iterator[Charge]:
    """The fee of some days, or what is given back of it, and its discount."""
    whole, off = terms.whole(), terms.off()
    part = share(whole, period, from_on, until_on, payer.currency)
    detail = _detail(plan, payer, period, from_on, until_on, terms, part)
    name = plan.name if sign > 0 else f"{plan.name}, given back"
    of_days = (from_on, until_on)
    if sign > 0 and of_days == (period.start_on, period.end_on):
        yield _fee(plan, period, cause, detail, terms, part)
    else:
        yield _charge(plan, period, cause, name, detail, (Decimal(sign), part), sign * part, RECURRING, of_days)
    if off:
        less = share(off, period, from_on, until_on, payer.currency)
        said = _discount(terms, payer.currency, _days(period, from_on, until_on))
        name = f"Discount on {plan.name}" if sign > 0 else f"Discount on {plan.name}, taken back"
        yield _charge(plan, period, f"{cause}:off", name, said, (Decimal(-sign), less), -sign * less, DISCOUNT, of_days)


def _charge(
    plan: Plan, period: Period, cause: str, name: str, detail: str, each: tuple[Decimal, Decimal], amount: Decimal,
    code: str, days: tuple[date | None, date | None] = (None, None),
) -> Charge:  # fmt: skip
    """A line of (quantity, price) `each`."""
    return Charge(
        plan.account_id, cause, period, plan.id, name, detail[:LONGEST], *each, amount, code, *days, plan.tax_code
    )


def _fee(plan: Plan, period: Period, cause: str, detail: str, terms: Terms, amount: Decimal) -> Charge:
    """The line of a whole period, with quantity and price as agreed where the two make the amount."""
    price = terms.price
    each = (terms.quantity, price.amount) if price.model == Model.PER_UNIT else (Decimal(1), amount)
    return _charge(plan, period, cause, plan.name, detail, each, amount, RECURRING, (period.start_on, period.end_on))


def _whole(plan: Plan, payer: Payer, period: Period) -> Charge:
    """The line of a period to which nothing happened: most of them, so made without detours."""
    terms = Terms(plan.quantity, plan.price)
    amount = to_minor(terms.whole(), payer.currency)
    detail = _fee_detail(plan.months, terms, payer.currency)
    return _fee(plan, period, f"fee:{plan.id}:{period.start_on}", detail, terms, amount)


def _is_plain(plan: Plan, period: Period) -> bool:
    """Whether the whole period costs what was agreed, day by day."""
    if plan.versions or plan.starts_on > period.start_on or (plan.free_until and plan.free_until >= period.start_on):
        return False
    needed = period.end_on if plan.prorated else period.start_on
    return plan.ends_on is None or plan.ends_on >= needed


def _once(plan: Plan, payer: Payer, until: date) -> Iterator[Owed]:
    """A setup fee or a one-off charge: on its day at once, else on the next billing day, unless it was taken back."""
    ends = in_effect(plan.changes)
    if ends or (plan.ends_on and plan.ends_on < plan.starts_on):
        return
    bill_on = plan.starts_on if plan.at_once else billing_day(payer.anchor_on, plan.starts_on)
    if bill_on > until:
        return
    code, detail = (SETUP, "Setup fee, charged once") if plan.kind == FeeKind.SETUP else (ONE_OFF, "Charged once")
    terms = Terms(plan.quantity, plan.price)
    period = period_of(payer.anchor_on, bill_on)
    cause = f"{plan.kind}:{plan.id}"
    amount = to_minor(terms.whole(), payer.currency)
    each = (plan.quantity, plan.price.amount) if plan.price.model == Model.PER_UNIT else (Decimal(1), amount)
    yield Owed(bill_on, plan.known_on, _charge(plan, period, cause, plan.name, detail, each, amount, code))


def _detail(
    plan: Plan, payer: Payer, period: Period, from_on: date, until_on: date, terms: Terms, part: Decimal
) -> str:
    if from_on == period.start_on and until_on == period.end_on:
        return _fee_detail(plan.months, terms, payer.currency)
    days = (until_on - from_on).days + 1
    said = f"{_days(period, from_on, until_on)} × {_full(terms, payer.currency)}"
    return said if to_minor(terms.whole() * days / period.days, payer.currency) == part else said + NOT_EXACT


@lru_cache(maxsize=4096)
def _fee_detail(months: int, terms: Terms, currency: str) -> str:
    said = f"{EVERY[months]} fee, charged in advance"
    if terms.price.model in (Model.PER_UNIT, Model.FLAT):
        return said
    return f"{said}: {arithmetic(terms.price, terms.quantity, currency)}"


def _full(terms: Terms, currency: str) -> str:
    """What a whole period costs: `€100.00`, or the arithmetic that leads to it."""
    if terms.price.model == Model.FLAT or (terms.price.model == Model.PER_UNIT and terms.quantity == 1):
        return exact(terms.price.amount, currency)
    said = arithmetic(terms.price, terms.quantity, currency)
    return said if terms.price.model == Model.PER_UNIT else f"({said})"


def _days(period: Period, from_on: date, until_on: date) -> str:
    if from_on == period.start_on and until_on == period.end_on:
        return ""
    days = (until_on - from_on).days + 1
    return f"{from_on:%b} {from_on.day} - {until_on:%b} {until_on.day}: {days} of {period.days} days"


def _discount(terms: Terms, currency: str, days: str) -> str:
    said = []
    if terms.percent_off:
        said.append(f"{plain(terms.percent_off)} % of {_full(terms, currency)}")
    if terms.amount_off:
        said.append(exact(terms.amount_off, currency))
    full = " + ".join(said)
    capped = " (at most the fee)" if terms.whole() * terms.percent_off / HUNDRED + terms.amount_off > terms.whole() else ""
    return f"{days} × {full}{capped}" if days else full + capped

