"""Refill rehearsal: the use of the last 30 days replayed against a rule, before it is saved."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from django.utils import timezone

from tollbook.accounts.tables import Account
from tollbook.money.amount import ZERO, whole_multiples_above
from tollbook.money.written import money
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
    """What 30 days would bring: so many charges, their total, and whether a cap would have stopped one."""

    used: Decimal
    charges: int
    total: Decimal
    capped: bool

    def sentence(self, currency: str) -> str:
        """The effect in words."""
        if self.used == ZERO:
            return "Nothing was used in the last 30 days, so there is no pace to go by."
        if self.charges == 0 and not self.capped:
            return "At last month's pace this would not charge."
        times = "once" if self.charges == 1 else f"{self.charges} times"
        text = f"At last month's pace this would charge {times}, {money(self.total, currency)}"
        return f"{text}; then a cap would stop it, and the credit could run out." if self.capped else f"{text}."


def rehearse(account: Account, wallet: Wallet, rule: Terms) -> Effect:
    """Replay the last 30 days' use, quarter hour by quarter hour, from the present balance. Reads only.

    A charge that would happen at once is counted too. The 30 days count as one month for the cap; a day is a local day
    of the account.
    """
    begin = timezone.now() - timedelta(days=DAYS)
    sums = UsageSum.objects.filter(account_id=account.id, type_code=wallet.type_code, quarter_at__gte=begin)
    costs = [(begin, ZERO), *sums.order_by("quarter_at").values_list("quarter_at", "cost")]
    return replay(rule, wallet.paid + wallet.granted, costs, ZoneInfo(account.timezone))


def replay(rule: Terms, balance: Decimal, costs: Iterable[tuple[datetime, Decimal]], zone: ZoneInfo) -> Effect:
    """Pure: debit `costs` in order, refill by `rule` whenever the balance is at or below the minimum."""
    used, total, charges, capped = ZERO, ZERO, 0, False
    per_day: dict[date, int] = {}
    for at, cost in costs:
        used, balance, day = used + cost, balance - cost, at.astimezone(zone).date()
        if balance > rule.minimum_before_refill:
            continue
        amount = rule.refill_amount * whole_multiples_above(rule.minimum_before_refill - balance, rule.refill_amount)
        if per_day.get(day, 0) >= rule.max_charges_per_day or total + amount > rule.monthly_cap:
            capped = True
            continue
        per_day[day] = per_day.get(day, 0) + 1
        balance, total, charges = balance + amount, total + amount, charges + 1
    return Effect(used, charges, total, capped)
