"""Refill rehearsal: the use of the last 30 days replayed against a rule, before it is saved."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from django.utils import timezone

from tollbook.accounts.tables import Account
from tollbook.money.amount import LARGEST, ZERO, whole_multiples_above
from tollbook.money.written import money
from tollbook.refills.brakes import MOST_PER_HOUR
from tollbook.refills.limits import limits_of
from tollbook.usage.tables import UsageSum
from tollbook.wallets.tables import Wallet

DAYS = 30


class Terms(Protocol):
    """The parts of a rule that a rehearsal needs."""

    @property
    def refill_amount(self) -> Decimal: ...

    @property
    def minimum_before_refill(self) -> Decimal: ...

    @property
    def monthly_cap(self) -> Decimal: ...

    @property
    def max_charges_per_day(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """What 30 days would bring: what was used, so many charges, their total, the lowest balance, on how many days a refill
    was due and a limit did not allow it, and whether that happened at all. Amounts in the account's currency."""

    used: Decimal
    charges: int
    total: Decimal
    lowest: Decimal
    stopped_days: int

    @property
    def capped(self) -> bool:
        """Whether a limit would have stopped a refill."""
        return self.stopped_days > 0

    def sentence(self, currency: str) -> str:
        """The effect in words."""
        if self.used == ZERO:
            return "Nothing was used in the last 30 days, so there is no pace to go by."
        if self.charges == 0 and not self.capped:
            return "At last month's pace this would not charge."
        times = "once" if self.charges == 1 else f"{self.charges} times"
        text = f"At last month's pace this would charge {times}, {money(self.total, currency)}"
        return f"{text}; then a cap would stop it, and the credit could run out." if self.capped else f"{text}."


class _Books:
    """What the brakes count, in a replay: charges by local day and month, those of the last hour, whether the velocity
    breaker tripped."""

    def __init__(self, rule: Terms, zone: ZoneInfo, account_month: Decimal) -> None:
        self.rule, self.zone, self.account_month = rule, zone, account_month
        self.of_day: dict[date, int] = {}
        self.of_month: dict[date, Decimal] = {}
        self.lately: list[datetime] = []
        self.is_tripped = False

    def allow(self, at: datetime, amount: Decimal) -> bool:
        """Whether the machine would charge `amount` at that time."""
        day = at.astimezone(self.zone).date()
        self.lately = [charged for charged in self.lately if charged > at - timedelta(hours=1)]
        self.is_tripped = self.is_tripped or len(self.lately) >= MOST_PER_HOUR
        month = self.of_month.get(day.replace(day=1), ZERO) + amount
        fits = month <= min(self.rule.monthly_cap, self.account_month)
        return fits and not self.is_tripped and self.of_day.get(day, 0) < self.rule.max_charges_per_day

    def charge(self, at: datetime, amount: Decimal) -> None:
        day = at.astimezone(self.zone).date()
        month = day.replace(day=1)
        self.of_day[day] = self.of_day.get(day, 0) + 1
        self.of_month[month] = self.of_month.get(month, ZERO) + amount
        self.lately.append(at)


def rehearse(account: Account, wallet: Wallet, rule: Terms) -> Effect:
    """Replay the last 30 days' use, quarter hour by quarter hour, from the present balance, by the rule's caps, the
    account's and the velocity breaker. Reads only.

    A charge that would happen at once is counted too. Days and months are the account's local ones, as in the machine;
    every card is taken to succeed.
    """
    now, zone = timezone.now(), ZoneInfo(account.timezone)
    begin = now - timedelta(days=DAYS)
    sums = UsageSum.objects.filter(account_id=account.id, type_code=wallet.type_code, quarter_at__gte=begin)
    costs = [(begin, ZERO), *_midnights(begin, now, zone), *sums.values_list("quarter_at", "cost")]
    cap = limits_of(account).account_month
    return replay(rule, wallet.paid + wallet.granted, sorted(costs), zone, cap)


def replay(
    rule: Terms,
    balance: Decimal,
    costs: Iterable[tuple[datetime, Decimal]],
    zone: ZoneInfo,
    account_month: Decimal = LARGEST,
) -> Effect:
    """Pure: debit `costs` in order, refill by `rule` whenever the balance is at or below the minimum."""
    used, total, charges, lowest, stopped = ZERO, ZERO, 0, balance, set[date]()
    books = _Books(rule, zone, account_month)
    for at, cost in costs:
        used, balance = used + cost, balance - cost
        lowest = min(lowest, balance)
        if balance > rule.minimum_before_refill:
            continue
        amount = rule.refill_amount * whole_multiples_above(rule.minimum_before_refill - balance, rule.refill_amount)
        if not books.allow(at, amount):
            stopped.add(at.astimezone(zone).date())
            continue
        books.charge(at, amount)
        balance, total, charges = balance + amount, total + amount, charges + 1
    return Effect(used, charges, total, lowest, len(stopped))


def _midnights(begin: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, Decimal]]:
    """The begin of every local day: a wallet that a cap has stopped is looked at again then, used or not."""
    first = begin.astimezone(zone).date() + timedelta(days=1)
    days = (datetime.combine(first + timedelta(days=index), time.min, zone) for index in range(DAYS))
    return [(day, ZERO) for day in days if day <= end]
