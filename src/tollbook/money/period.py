"""Billing periods: the k-th period is computed from the anchor, never from the previous period.

So an anchor on the 31st gives 31 Jan, 28 Feb, 31 Mar (and not 28 Mar for ever). Days are local dates of the account;
clocks and daylight saving have no part in this.
"""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start_on` to `end_on`, both included. `index` counts from 0 at the anchor."""

    index: int
    start_on: date
    end_on: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end_on - self.start_on).days + 1


@lru_cache(maxsize=65536)
def add_months(anchor_on: date, months: int) -> date:
    """The day `months` after `anchor_on`, on the anchor's day of the month or the month's last day when it is shorter."""
    years, month0 = divmod(anchor_on.month - 1 + months, 12)
    year, month = anchor_on.year + years, month0 + 1
    return date(year, month, min(anchor_on.day, calendar.monthrange(year, month)[1]))


@lru_cache(maxsize=65536)
def period_number(anchor_on: date, index: int, months: int = 1) -> Period:
    """The period `index` of so many months (0 begins on the anchor day)."""
    following = add_months(anchor_on, (index + 1) * months)
    return Period(index, add_months(anchor_on, index * months), following - timedelta(days=1))


@lru_cache(maxsize=65536)
def period_of(anchor_on: date, day: date, months: int = 1) -> Period:
    """The period of so many months that contains `day` (which may lie before the anchor)."""
    passed = (day.year - anchor_on.year) * 12 + day.month - anchor_on.month
    if add_months(anchor_on, passed) > day:
        passed -= 1
    return period_number(anchor_on, passed // months, months)


def billing_day(anchor_on: date, day: date) -> date:
    """The first day of a monthly period on or after `day`."""
    period = period_of(anchor_on, day)
    return day if period.start_on == day else period_number(anchor_on, period.index + 1).start_on
