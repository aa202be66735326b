"""What an account subscribes to, as pages show it: recurring and setup fees as of a day, the period, the next charge.

A line's total is what a whole period costs, rounded once to the currency's minor unit, half away from zero; sums are sums
of the rounded lines. All days are local days of the account. What is charged, and when, is said by lines.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.money.amount import ZERO, to_minor
from tollbook.money.period import Period, period_of
from tollbook.money.written import money
from tollbook.rating.tables import CreditType
from tollbook.subscriptions import plan as plans
from tollbook.subscriptions.charge import Due
from tollbook.subscriptions.due import total as sum_of_lines
from tollbook.subscriptions.plan import Plan, Terms
from tollbook.subscriptions.preview import Adjust, next_due
from tollbook.subscriptions.price import Model, arithmetic, plain
from tollbook.subscriptions.record import Book, read
from tollbook.subscriptions.tables import ChangeKind, FeeKind


@dataclass(frozen=True, slots=True)
class Fee:
    """One line. `price` is for one (flat: for all, packages: for each), up to 6 places; `total` is a whole period's, after
    discount, and has the minor unit; both in the account's currency. `said` is the arithmetic where quantity × price is
    not the total.
    """

    name: str
    quantity: Decimal
    price: Decimal
    total: Decimal
    subscription_id: UUID
    kind: FeeKind
    starts_on: date
    ends_on: date | None
    months: int = 1
    said: str = ""
    paused: bool = False
    free_until: date | None = None
    discount: str = ""
    next_on: date | None = None
    """The day its next period begins."""
    included: str = ""
    """The credit that it includes each month: `$10.00 of SMS Credit`."""


@dataclass(frozen=True, slots=True)
class Fees:
    """An account's subscriptions as of a day. `upcoming` holds recurring fees that begin later.

    `recurring_total` is that of the monthly fees, `totals` has a sum for each interval (months, sum). `period` is the
    billing period that contains the day. `next_due` is the next invoice in full, None when nothing is to come.
    """

    currency: str
    recurring: Sequence[Fee]
    upcoming: Sequence[Fee]
    setup: Sequence[Fee]
    recurring_total: Decimal
    totals: Sequence[tuple[int, Decimal]]
    setup_total: Decimal
    period: Period
    next_due: Due | None

    @property
    def next_charge_on(self) -> date | None:
        """The day of the next invoice."""
        return self.next_due and self.next_due.bill_on

    @property
    def next_charge_amount(self) -> Decimal:
        """What the next invoice comes to, before tax."""
        return sum_of_lines(self.next_due.charges) if self.next_due else ZERO


def fees(account: Account, today: date, adjust: Adjust = list) -> Fees:
    """What the Subscriptions page shows on the account's local day `today`; `adjust` as in preview.py. Reads only; the
    portal's role may.
    """
    book = read([account]).get(account.id, Book((), ()))
    codes = {plan.grant_type_code for plan in book.plans if plan.grant_amount}
    names = dict(CreditType.objects.filter(code__in=codes).values_list("code", "name")) if codes else {}
    rows = [fee for plan in book.plans if (fee := fee_of(plan, account.currency, today, names))]
    recurring = [row for row in rows if row.kind == FeeKind.RECURRING]
    setup = [row for row in rows if row.kind != FeeKind.RECURRING]
    now = [row for row in recurring if in_force(row, today)]
    return Fees(
        currency=account.currency,
        recurring=now,
        upcoming=[row for row in recurring if row.starts_on > today],
        setup=setup,
        recurring_total=_of_interval(now, 1),
        totals=[(each, _of_interval(now, each)) for each in sorted({row.months for row in now})],
        setup_total=sum_of(setup),
        period=period_of(account.anchor_on, today),
        next_due=next_due(account, today, book, adjust),
    )


def of_account(account: Account, today: date | None = None) -> list[Fee]:
    """All fees that ever were or will be in force, by name, as of `today`, by default the account's; those taken back before
    they began are left out.
    """
    today = today or today_in(account)
    book = read([account]).get(account.id, Book((), ()))
    return [fee for plan in book.plans if (fee := fee_of(plan, account.currency, today))]


def fee_of(plan: Plan, currency: str, today: date, names: Mapping[str, str] | None = None) -> Fee | None:
    """A subscription as of a day (of its first, when it begins later; of its last, when it is over); None when it was taken
    back before it began. `names` are those of credit types.
    """
    changes = plans.in_effect(plan.changes)
    last = plans.last_day(plan, changes)
    if last and last < plan.starts_on:
        return None
    day = max(plan.starts_on, min(today, last or today))
    terms = plans.agreed_on(plan, changes, day)
    plain_price = terms.price.model == Model.PER_UNIT
    return Fee(
        name=plan.name,
        quantity=terms.quantity,
        price=terms.price.amount,
        total=to_minor(terms.whole(), currency) - to_minor(terms.off(), currency),
        subscription_id=plan.id,
        kind=FeeKind(plan.kind),
        starts_on=plan.starts_on,
        ends_on=last,
        months=plan.months,
        said="" if plain_price else arithmetic(terms.price, terms.quantity, currency),
        paused=plans.is_paused(changes, day),
        free_until=plan.free_until if plan.free_until and plan.free_until >= today else None,
        discount=_discount(terms, changes, day, currency),
        next_on=_next_on(plan, today, last),
        included=_included(plan, terms, currency, names or {}),
    )


def in_force(fee: Fee, day: date) -> bool:
    """Whether a recurring fee counts on this day."""
    return fee.starts_on <= day and (fee.ends_on is None or day <= fee.ends_on)


def line_total(quantity: Decimal, price: Decimal, currency: str) -> Decimal:
    """Quantity × price, rounded once to the currency's minor unit: the amount of a line, on the page and on paper."""
    return to_minor(quantity * price, currency)


def sum_of(lines: Iterable[Fee]) -> Decimal:
    """The sum of the lines' totals as printed, so that it always adds up."""
    return sum((line.total for line in lines), ZERO)


def _of_interval(rows: Iterable[Fee], months: int) -> Decimal:
    return sum_of(row for row in rows if row.months == months)


def _next_on(plan: Plan, today: date, last: date | None) -> date | None:
    if not plan.recurring:
        return None
    following = period_of(plan.anchor_on, today, plan.months).end_on + plans.A_DAY
    coming = max(following, plan.starts_on)
    return None if last and last < coming else coming


def _included(plan: Plan, terms: Terms, currency: str, names: Mapping[str, str]) -> str:
    if not plan.grant_amount:
        return ""
    of = names.get(plan.grant_type_code, plan.grant_type_code)
    return f"{money(plan.grant_amount * terms.quantity, currency)} of {of}"


def _discount(terms: Terms, changes: Sequence[plans.Change], day: date, currency: str) -> str:
    """`10 % off until Dec 2, 2026`."""
    if not terms.percent_off and not terms.amount_off:
        return ""
    least = f"{plain(terms.percent_off)} % off" if terms.percent_off else f"{money(terms.amount_off, currency)} off"
    given = [each for each in changes if each.kind == ChangeKind.DISCOUNT and plans.covers(each, day)]
    until = given[-1].until_on
    return f"{least} until {until:%b} {until.day}, {until.year}" if until else least
