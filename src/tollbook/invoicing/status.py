"""The status people see, derived from balance and days and never stored: one table of rules, for Python and for SQL.

Paid         balance is zero, and nothing of it was given up
Written off  balance is zero because some of it was given up
Posted       balance > 0, before its due date
Unpaid       balance > 0, due date reached, still within the grace days (the last of them is `grace_until_on`)
Overdue      balance > 0, grace days over
"""

import operator
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tollbook.money.amount import ZERO


class Status(StrEnum):
    """What an invoice's status can be, the most pressing first: the order when sorted by status."""

    OVERDUE = "overdue"
    UNPAID = "unpaid"
    POSTED = "posted"
    WRITTEN_OFF = "written_off"
    PAID = "paid"

    @property
    def label(self) -> str:
        """The word on the page."""
        return self.value.replace("_", " ").capitalize()


# Every comparison must hold. `today` is the account's local day. The rules exclude one another and leave nothing out,
# because constraints keep balances and write-offs from going below zero and grace days from ending before the due date.
# Zero is asked for by `<=`: under row-level security the planner knows nothing of balances and would take `=` for a rare
# case.
RULES: dict[Status, tuple[tuple[str, str, str], ...]] = {
    Status.OVERDUE: (("balance", ">", "zero"), ("grace_until_on", "<", "today")),
    Status.UNPAID: (("balance", ">", "zero"), ("due_on", "<=", "today"), ("today", "<=", "grace_until_on")),
    Status.POSTED: (("balance", ">", "zero"), ("today", "<", "due_on")),
    Status.WRITTEN_OFF: (("balance", "<=", "zero"), ("written_off", ">", "zero")),
    Status.PAID: (("balance", "<=", "zero"), ("written_off", "<=", "zero")),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
}


OWED = (Status.OVERDUE, Status.UNPAID, Status.POSTED)
"""What has a balance."""


def status_of(balance: Decimal, written_off: Decimal, due_on: date, grace_until_on: date, today: date) -> Status:
    """The status of an invoice on the account's local day `today`; `written_off` is what of it is given up now."""
    amounts = {"balance": balance, "written_off": written_off, "zero": ZERO}
    facts = {**amounts, "due_on": due_on, "grace_until_on": grace_until_on, "today": today}
    for status, rule in RULES.items():
        if all(_COMPARE[sign](facts[left], facts[right]) for left, sign, right in rule):
            return status
    raise AssertionError(f"no status for {facts}")


def condition(statuses: Iterable[Status], today: str = "%(today)s::date") -> str:
    """The same as an SQL condition on an open balance's columns; none: FALSE. `today` is the SQL of that day."""
    return " OR ".join(f"({_rule_in_sql(status, today)})" for status in statuses) or "FALSE"


def _rule_in_sql(status: Status, today: str) -> str:
    in_sql = {"zero": "0", "today": today}
    return " AND ".join(
        f"{in_sql.get(left, left)} {sign} {in_sql.get(right, right)}" for left, sign, right in RULES[status]
    )
