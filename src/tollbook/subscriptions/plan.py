"""A subscription as it is recorded, and what it amounts to on each day of a period. Pure arithmetic: no database, no clock.

What was agreed at the start never changes; each change is recorded beside it, with the day it is known from and the day it
counts from. So "what was known on the day a period fell due" can always be told again, and with it every charge. Where two
changes speak of the same day, the one that counts from the later day wins, then the one recorded later; of several ends
or discounts for a day, the one recorded last. A pause that has run out speaks of no day after it.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from tollbook.money.amount import HUNDRED, ZERO
from tollbook.money.period import Period, period_of
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.tables import ChangeKind, FeeKind

A_DAY = timedelta(days=1)


class Change(msgspec.Struct, frozen=True, gc=False):
    """What was recorded on the account's local day `known_on` to count from `from_on` on (until `until_on`, if it has
    an end).

    `prorated` says whether periods that were due already are put right by the day; `at_once` whether that is billed at once
    instead of on the next billing day. An end has its last day in `until_on`, None for going on; `withdraws` names a change
    that is taken back.
    """

    id: UUID
    kind: str
    known_on: date
    from_on: date
    until_on: date | None = None
    quantity: Decimal | None = None
    price: Price | None = None
    percent: Decimal | None = None
    amount: Decimal | None = None
    prorated: bool = True
    at_once: bool = False
    withdraws: UUID | None = None


class Version(NamedTuple):
    """A component's price from a day on, known since a day of the account: what followers pay for periods that begin on it
    or later.
    """

    valid_from: date
    known_on: date
    price: Price


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A subscription as agreed at its start, and all that was recorded since. `versions` is empty unless it follows its
    component's price; `months` is how long a period is, counted from `anchor_on`.
    """

    account_id: UUID
    id: UUID
    name: str
    kind: str
    quantity: Decimal
    price: Price
    starts_on: date
    ends_on: date | None
    known_on: date
    anchor_on: date
    months: int = 1
    free_until: date | None = None
    prorated: bool = False
    at_once: bool = False
    tax_code: str = ""
    versions: Sequence[Version] = ()
    changes: Sequence[Change] = ()
    grant_type_code: str = ""
    grant_amount: Decimal = ZERO
    """Credit of this type that one of it includes each month (empty and zero: none)."""

    @property
    def recurring(self) -> bool:
        """Whether it is charged every period, not once."""
        return self.kind == FeeKind.RECURRING


class Terms(NamedTuple):
    """What is paid for on a day. Equal terms cost the same."""

    quantity: Decimal
    price: Price
    percent_off: Decimal = ZERO
    amount_off: Decimal = ZERO

    def whole(self) -> Decimal:
        """For a whole period, before discount and rounding."""
        return self.price.whole(self.quantity)

    def off(self) -> Decimal:
        """The discount on a whole period before rounding, at most all of it."""
        if not self.percent_off and not self.amount_off:
            return ZERO
        whole = self.whole()
        return min(whole, whole * self.percent_off / HUNDRED + self.amount_off)


class Stretch(NamedTuple):
    """Days of a period, both included, with the same terms."""

    from_on: date
    until_on: date
    terms: Terms


class Difference(NamedTuple):
    """Days on which a change makes other terms out of what was charged; None is nothing to pay."""

    from_on: date
    until_on: date
    before: Terms | None
    after: Terms | None


def in_effect(changes: Sequence[Change]) -> Sequence[Change]:
    """Without those that later ones take back, and without the taking back."""
    gone = {change.withdraws for change in changes if change.withdraws}
    if not gone:
        return changes
    return [change for change in changes if change.id not in gone and not change.withdraws]


def last_day(plan: Plan, changes: Sequence[Change]) -> date | None:
    """The day it ends with, None while it goes on."""
    ends = [change for change in changes if change.kind == ChangeKind.END]
    return ends[-1].until_on if ends else plan.ends_on


def terms_on(plan: Plan, changes: Sequence[Change], day: date, known: date | None = None) -> Terms | None:
    """What is paid for on `day`, None when nothing: not begun, over, paused or free.

    `changes` are those in effect; `known` leaves out prices of the component recorded on that day or later.
    """
    last = last_day(plan, changes)
    if day < plan.starts_on or (last and day > last) or (plan.free_until and day <= plan.free_until):
        return None
    return None if is_paused(changes, day) else agreed_on(plan, changes, day, known)


def agreed_on(plan: Plan, changes: Sequence[Change], day: date, known: date | None = None) -> Terms:
    """Quantity, price and discount of a day, whether it is paid for or not."""
    quantity, price = plan.quantity, _offered(plan, day, known)
    percent, amount = ZERO, ZERO
    for change in sorted(changes, key=_counts_from):
        if change.from_on > day:
            break
        quantity = change.quantity if change.quantity is not None else quantity
        price = change.price or price
    for change in changes:
        if change.kind == ChangeKind.DISCOUNT and covers(change, day):
            percent, amount = change.percent or ZERO, change.amount or ZERO
    return Terms(quantity, price, percent, amount)


def is_paused(changes: Sequence[Change], day: date) -> bool:
    """Whether it rests on that day."""
    paused = False
    for change in sorted(changes, key=_counts_from):
        if change.kind in (ChangeKind.PAUSE, ChangeKind.RESUME) and covers(change, day):
            paused = change.kind == ChangeKind.PAUSE
    return paused


def stretches(plan: Plan, changes: Sequence[Change], period: Period, known: date | None = None) -> list[Stretch]:
    """What of a period is paid for, first day first; `changes` are those in effect.

    A plan that is not prorated is charged for the whole period by the terms of its first day. A price that follows its
    component is that of the period's first day.
    """
    if not plan.prorated:
        terms = terms_on(plan, changes, period.start_on, known)
        return [Stretch(period.start_on, period.end_on, terms)] if terms else []
    found: list[Stretch] = []
    for from_on, until_on in _between(_breaks(plan, changes), period):
        terms = terms_on(plan, changes, from_on, known)
        if terms is None:
            continue
        if found and found[-1].terms == terms and found[-1].until_on == from_on - A_DAY:
            from_on = found.pop().from_on
        found.append(Stretch(from_on, until_on, terms))
    return found


def differences(before: Sequence[Stretch], after: Sequence[Stretch], period: Period) -> list[Difference]:
    """Where two views of a period differ, first day first, in runs as long as possible."""
    breaks = {day for each in (*before, *after) for day in (each.from_on, each.until_on + A_DAY)}
    found: list[Difference] = []
    for from_on, until_on in _between(breaks, period):
        old, new = _at(before, from_on), _at(after, from_on)
        if old == new:
            continue
        if found and found[-1][2:] == (old, new) and found[-1].until_on == from_on - A_DAY:
            from_on = found.pop().from_on
        found.append(Difference(from_on, until_on, old, new))
    return found


def _offered(plan: Plan, day: date, known: date | None) -> Price:
    """The price agreed, or the component's on the first day of the period."""
    if not plan.versions:
        return plan.price
    first = max(plan.starts_on, period_of(plan.anchor_on, day, plan.months).start_on)
    price = plan.price
    for version in plan.versions:
        if version.valid_from <= first and (known is None or version.known_on < known):
            price = version.price
    return price


def _breaks(plan: Plan, changes: Sequence[Change]) -> set[date]:
    """Days on which terms may begin to differ from the day before."""
    days = {plan.starts_on}
    ends = [plan.ends_on, plan.free_until, *(change.until_on for change in changes)]
    days.update(day + A_DAY for day in ends if day)
    days.update(change.from_on for change in changes)
    return days


def _between(breaks: set[date], period: Period) -> list[tuple[date, date]]:
    inside = sorted(day for day in breaks if period.start_on < day <= period.end_on)
    starts = [period.start_on, *inside]
    return list(zip(starts, [day - A_DAY for day in inside] + [period.end_on], strict=True))


def _at(view: Sequence[Stretch], day: date) -> Terms | None:
    return next((each.terms for each in view if each.from_on <= day <= each.until_on), None)


def covers(change: Change, day: date) -> bool:
    """Whether a change that has an end counts on that day."""
    return change.from_on <= day and (change.until_on is None or day <= change.until_on)


def _counts_from(change: Change) -> date:
    return change.from_on
