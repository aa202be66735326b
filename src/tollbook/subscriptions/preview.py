"""What the next invoice will be, at any moment, and what a change would make of it. Reads only; the portal's role may.

Computed by the same arithmetic as the invoice itself (due.py), as if nothing else were recorded until then. What is due by
today counts as billed, except what comes to less than zero and waits. Who knows what is billed and credited passes an
`adjust` (invoicing.run.as_billed) that leaves such lines out; without it, nothing was credited.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tollbook.accounts.tables import Account
from tollbook.subscriptions.charge import Charge, Due
from tollbook.subscriptions.due import billable, of_book, total
from tollbook.subscriptions.plan import Change, Plan
from tollbook.subscriptions.record import Book, read

HORIZONS = (timedelta(days=32), timedelta(days=400), timedelta(days=4100))
Adjust = Callable[[Sequence[Due]], Sequence[Due]]
LOOK_BACK = timedelta(days=400)
"""How long ago credits can have been recorded that still wait for an invoice to ride on."""


class Effect(NamedTuple):
    """What a change adds to what will be billed: its own lines and the days they fall due, and what the next invoice is
    without and with it.
    """

    lines: Sequence[tuple[date, Charge]]
    before: Due | None
    after: Due | None

    @property
    def amount(self) -> Decimal:
        """The sum of its own lines: below zero for what is given back."""
        return total(line for _, line in self.lines)


def next_due(account: Account, today: date, book: Book | None = None, adjust: Adjust = list) -> Due | None:
    """The next invoice after `today`, None when nothing is to come. Credits that wait ride on it, as they will."""
    book = book or read([account]).get(account.id)
    if book is None:
        return None
    for horizon in HORIZONS:
        groups = adjust(of_book(account, book, today + horizon, today - LOOK_BACK))
        _, waiting = billable([group for group in groups if group.bill_on <= today], ())
        coming = [group for group in groups if group.bill_on > today]
        if coming and waiting:
            coming[0] = coming[0]._replace(charges=[*waiting, *coming[0].charges])
        ready, _ = billable(coming, ())
        if ready:
            return ready[0]
    return None


def of_start(account: Account, plan: Plan, today: date, adjust: Adjust = list) -> Effect:
    """What a subscription would add that is not started yet (record.drafted), up to the first invoice that bears it."""
    book = read([account]).get(account.id, Book((), ()))
    return _effect(account, book, book._replace(plans=[*book.plans, plan]), today, adjust)


def of_change(account: Account, plan: Plan, change: Change, today: date, adjust: Adjust = list) -> Effect:
    """What a change would add that is not recorded yet (change.as_change), up to the next invoice that bears it."""
    book = read([account]).get(account.id, Book((), ()))
    changed = msgspec.structs.replace(plan, changes=[*plan.changes, change])
    others = [changed if each.id == plan.id else each for each in book.plans]
    return _effect(account, book, book._replace(plans=others), today, adjust)


def _effect(account: Account, book: Book, changed: Book, today: date, adjust: Adjust) -> Effect:
    """The lines that only the changed book has and that put right what is billed already, and both next invoices."""
    before, after = next_due(account, today, book, adjust), next_due(account, today, changed, adjust)
    horizon = max([today + HORIZONS[0], *(due.bill_on for due in (before, after) if due)])
    known = {line.cause for _, line in _lines(account, book, horizon, list)}
    new = [(day, line) for day, line in _lines(account, changed, horizon, adjust) if line.cause not in known]
    return Effect(new, before, after)


def _lines(account: Account, book: Book, until: date, adjust: Adjust) -> list[tuple[date, Charge]]:
    return [(group.bill_on, line) for group in adjust(of_book(account, book, until)) for line in group.charges]

