"""What is to be billed: every charge of many accounts up to a day, in a few statements, as pure arithmetic on what is
recorded.

The same records give the same charges whenever and however often they are computed: a charge's cause is stable, and what
is recorded later adds charges but changes none (lines.py says how). So whoever bills keeps the causes it has billed, and
needs nothing else.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from tollbook.accounts.tables import Account
from tollbook.money.amount import ZERO
from tollbook.money.period import Period, period_number, period_of
from tollbook.money.written import money
from tollbook.subscriptions.charge import MINIMUM, Charge, Due
from tollbook.subscriptions.lines import Owed, Payer, lines_of, share
from tollbook.subscriptions.plan import A_DAY
from tollbook.subscriptions.record import Book, Minimum, read


def charges(
    accounts: Sequence[Account], days: Mapping[UUID, date], since: Mapping[UUID, date] | None = None
) -> dict[UUID, list[Due]]:
    """All that falls due by each account's local day `days[account.id]`, oldest first. Reads only, no locks.

    At most four statements for all accounts. An account without anything due is missing. With `since`, what was known and
    due before that day of the account is left out: pass the day of its last complete billing run (or the `bill_on` of the
    first charge that was left waiting), and what a run may have missed is here, with what was recorded on that day or later
    however long ago it fell due.
    """
    books = read(accounts)
    found = {}
    for account in accounts:
        if book := books.get(account.id):
            due = of_book(account, book, days[account.id], (since or {}).get(account.id))
            if due:
                found[account.id] = due
    return found


def of_book(account: Account, book: Book, day: date, since: date | None = None) -> list[Due]:
    """What of one account's book falls due by `day`, as `charges` answers it."""
    payer = Payer(account.currency, account.anchor_on)
    over_since = _over_since(account, book, since)
    owed = [each for plan in book.plans for each in lines_of(plan, payer, day, over_since if book.minimums else since)]
    owed += [each for minimum in book.minimums for each in _true_ups(account, minimum, owed, day, over_since)]
    grouped: dict[date, list[Charge]] = {}
    for each in owed:
        if since is None or each.bill_on >= since or each.known_on >= since:
            grouped.setdefault(each.bill_on, []).append(each.charge)
    return [
        Due(account.id, bill_on, period_of(account.anchor_on, bill_on), cause_of(bill_on), grouped[bill_on])
        for bill_on in sorted(grouped)
    ]


def billable(
    groups: Iterable[Due], billed: Container[str], comes_to: Callable[[Sequence[Charge]], Decimal] | None = None
) -> tuple[list[Due], list[Charge]]:
    """What of an account's groups is to be invoiced now, and what has to wait: charges whose cause is in `billed` are left
    out, and lines that sum to less than zero ride on the next group, until the sum is zero or more. `comes_to` says what
    lines sum to; without it, as printed, before tax.
    """
    ready: list[Due] = []
    waiting: list[Charge] = []
    for group in groups:
        waiting += [charge for charge in group.charges if charge.cause not in billed]
        if waiting and (comes_to or total)(waiting) >= 0:
            ready.append(group._replace(charges=waiting))
            waiting = []
    return ready, waiting


def total(lines: Iterable[Charge]) -> Decimal:
    """What charges sum to, as printed."""
    return sum((line.amount for line in lines), ZERO)


def cause_of(bill_on: date) -> str:
    """Names a day on which something falls due as the cause of its invoice: `period:2026-11-03`."""
    return f"period:{bill_on.isoformat()}"


def _over_since(account: Account, book: Book, since: date | None) -> date | None:
    """The first day of the oldest period that is over since that day, None for all: what a commitment lacks can only be told
    from everything that fell due in its period.
    """
    if since is None or any(minimum.known_on >= since for minimum in book.minimums):
        return None
    return period_of(account.anchor_on, since - A_DAY).start_on


def _true_ups(
    account: Account, minimum: Minimum, owed: Sequence[Owed], day: date, over_since: date | None
) -> Iterable[Owed]:
    """What is missing of the least that was agreed, charged when a period is over, for what fell due within it."""
    first = period_of(account.anchor_on, max(minimum.starts_on, over_since or minimum.starts_on)).index
    last = period_of(account.anchor_on, min(day, minimum.ends_on or day)).index
    for index in range(first, last + 1):
        period = period_number(account.anchor_on, index)
        bill_on = period.end_on + A_DAY
        missing = _missing(account, minimum, period, owed)
        if bill_on <= day and missing.amount > 0:
            yield Owed(bill_on, minimum.known_on, missing)


def _missing(account: Account, minimum: Minimum, period: Period, owed: Sequence[Owed]) -> Charge:
    from_on = max(period.start_on, minimum.starts_on)
    until_on = min(period.end_on, minimum.ends_on or period.end_on)
    least = share(minimum.amount, period, from_on, until_on, account.currency)
    paid = total(each.charge for each in owed if from_on <= each.bill_on <= until_on)
    days = "" if (from_on, until_on) == (period.start_on, period.end_on) else _some(period, from_on, until_on)
    detail = f"At least {money(least, account.currency)}{days}, less {money(paid, account.currency)} charged since"
    return Charge(
        account.id, f"minimum:{minimum.id}:{period.start_on}", period, None, "Minimum commitment",
        f"{detail} {from_on:%b} {from_on.day}", Decimal(1), least - paid, least - paid, MINIMUM,
    )  # fmt: skip


def _some(period: Period, from_on: date, until_on: date) -> str:
    return f" for {(until_on - from_on).days + 1} of {period.days} days"
