"""Recurring and setup fees of an account: what the page shows, what a period is billed, the next charge.

Rules. Recurring fees are billed in advance on the account's billing day, the first day of each monthly period counted
from the anchor (money/period.py); a period is billed, whole, with what is in force on its first day. A setup fee is
billed once, on the first billing day on or after its start. A line's total is quantity × price, rounded once to the
currency's minor unit, half away from zero; sums are sums of the rounded lines. All days are local days of the account.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from tollbook.accounts.tables import Account
from tollbook.money.amount import ZERO, to_minor
from tollbook.money.period import Period, period_number, period_of
from tollbook.subscriptions.tables import FeeKind, Subscription

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fee:
    """One line. `price` is for one, up to 6 places; `total` has the minor unit; both in the account's currency."""

    name: str
    quantity: Decimal
    price: Decimal
    total: Decimal
    subscription_id: UUID
    kind: FeeKind
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Fees:
    """An account's subscriptions as of a day. `upcoming` holds recurring fees that begin later.

    `period` is the billing period that contains the day. `next_charge_on` is the next billing day after it on which
    anything is charged, None when nothing is to come.
    """

    currency: str
    recurring: Sequence[Fee]
    upcoming: Sequence[Fee]
    setup: Sequence[Fee]
    recurring_total: Decimal
    setup_total: Decimal
    period: Period
    next_charge_on: date | None
    next_charge_amount: Decimal


def fees(account: Account, today: date) -> Fees:
    """What the Subscriptions page shows on the account's local day `today`. Reads only; the portal's role may."""
    rows = of_account(account)
    recurring = [row for row in rows if row.kind == FeeKind.RECURRING]
    setup = [row for row in rows if row.kind == FeeKind.SETUP]
    now = [row for row in recurring if in_force(row, today)]
    next_on, charged = _next_charge(account, rows, today)
    return Fees(
        currency=account.currency,
        recurring=now,
        upcoming=[row for row in recurring if row.starts_on > today],
        setup=setup,
        recurring_total=sum_of(now),
        setup_total=sum_of(setup),
        period=period_of(account.anchor_on, today),
        next_charge_on=next_on,
        next_charge_amount=sum_of(charged),
    )


def of_account(account: Account) -> list[Fee]:
    """All fees that ever were or will be in force, by name; those taken back before they began are left out."""
    rows = Subscription.objects.filter(account_id=account.id).order_by("name", "starts_on", "id")
    return [_fee(row, account.currency) for row in rows if row.ends_on is None or row.ends_on >= row.starts_on]


def in_force(fee: Fee, day: date) -> bool:
    """Whether a recurring fee counts on this day; a period is billed with what is in force on its first."""
    return fee.starts_on <= day and (fee.ends_on is None or day <= fee.ends_on)


def billing_day(anchor_on: date, day: date) -> date:
    """The first billing day on or after `day`."""
    period = period_of(anchor_on, day)
    return day if period.start_on == day else period_number(anchor_on, period.index + 1).start_on


def line_total(quantity: Decimal, price: Decimal, currency: str) -> Decimal:
    """Quantity × price, rounded once to the currency's minor unit: the amount of a line, on the page and on paper."""
    return to_minor(quantity * price, currency)


def sum_of(lines: Iterable[Fee]) -> Decimal:
    """The sum of the lines' totals as printed, so that it always adds up."""
    return sum((line.total for line in lines), ZERO)


def _next_charge(account: Account, rows: Sequence[Fee], today: date) -> tuple[date | None, list[Fee]]:
    """The next billing day after `today` with anything on it: tomorrow's, or the first one of a row that begins later."""
    tomorrow = today + A_DAY
    for day in sorted({billing_day(account.anchor_on, max(tomorrow, row.starts_on)) for row in rows}):
        charged = [row for row in rows if _charged_on(account, row, day)]
        if charged:
            return day, charged
    return None, []


def _charged_on(account: Account, fee: Fee, day: date) -> bool:
    if fee.kind == FeeKind.SETUP:
        return billing_day(account.anchor_on, fee.starts_on) == day
    return in_force(fee, day)


def _fee(row: Subscription, currency: str) -> Fee:
    return Fee(
        name=row.name,
        quantity=row.quantity,
        price=row.price,
        total=line_total(row.quantity, row.price, currency),
        subscription_id=row.id,
        kind=FeeKind(row.kind),
        starts_on=row.starts_on,
        ends_on=row.ends_on,
    )
