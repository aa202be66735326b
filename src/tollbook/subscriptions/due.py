"""What is to be billed: every charge of many accounts up to a day, in one statement, as pure arithmetic on what is recorded.

The same records give the same charges whenever and however often they are computed: a charge's cause is stable, and what
is recorded later adds charges but changes none. So whoever bills keeps the causes it has billed, and needs nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.tables import Account
from tollbook.money.period import Period, period_number, period_of
from tollbook.subscriptions.charge import RECURRING, SETUP, Charge, Due
from tollbook.subscriptions.fees import billing_day, line_total
from tollbook.subscriptions.tables import FeeKind, Subscription


def charges(
    accounts: Sequence[Account], days: Mapping[UUID, date], since: Mapping[UUID, date] | None = None
) -> dict[UUID, list[Due]]:
    """All that falls due by each account's local day `days[account.id]`, oldest billing day first. Reads only, no locks.

    One statement for all accounts. An account without anything due is missing. With `since`, what was known and due before
    that day of the account is left out: pass the day of its last complete billing run, and what a run may have missed is
    here, with what was recorded on that day or later however long ago it fell due.
    """
    of_account: dict[UUID, list[Subscription]] = {}
    for row in Subscription.objects.filter(account_id__in=list(days)).order_by("account_id", "kind", "name", "id"):
        of_account.setdefault(row.account_id, []).append(row)
    found = {}
    for account in accounts:
        rows = of_account.get(account.id)
        if rows and (due := _of_account(account, rows, days[account.id], (since or {}).get(account.id))):
            found[account.id] = due
    return found


def cause_of(bill_on: date) -> str:
    """Names a billing day as the cause of its invoice: `period:2026-11-03`."""
    return f"period:{bill_on.isoformat()}"


def _of_account(account: Account, rows: Sequence[Subscription], day: date, since: date | None) -> list[Due]:
    zone = ZoneInfo(account.timezone)
    grouped: dict[date, list[Charge]] = {}
    for row in rows:
        known_on = row.created_at.astimezone(zone).date()
        earliest = None if since is None or known_on >= since else since
        for charge in _of_row(account, row, day):
            if earliest is None or charge.period.start_on >= earliest:
                grouped.setdefault(charge.period.start_on, []).append(charge)
    periods = {bill_on: period_of(account.anchor_on, bill_on) for bill_on in grouped}
    return [
        Due(account.id, bill_on, periods[bill_on], cause_of(bill_on), grouped[bill_on]) for bill_on in sorted(grouped)
    ]


def _of_row(account: Account, row: Subscription, day: date) -> Iterable[Charge]:
    if row.ends_on and row.ends_on < row.starts_on:
        return
    first = period_of(account.anchor_on, billing_day(account.anchor_on, row.starts_on))
    if row.kind == FeeKind.SETUP:
        if first.start_on <= day:
            yield _setup(account, row, first)
        return
    last_on = min(day, row.ends_on or day)
    for index in range(first.index, period_of(account.anchor_on, last_on).index + 1):
        yield _recurring(account, row, period_number(account.anchor_on, index))


def _setup(account: Account, row: Subscription, period: Period) -> Charge:
    return _charge(account, row, period, f"setup:{row.id}", "Setup fee, charged once", SETUP)


def _recurring(account: Account, row: Subscription, period: Period) -> Charge:
    cause = f"fee:{row.id}:{period.start_on.isoformat()}"
    return _charge(account, row, period, cause, "Monthly fee, charged in advance", RECURRING)


def _charge(account: Account, row: Subscription, period: Period, cause: str, detail: str, revenue_code: str) -> Charge:
    served = revenue_code == RECURRING
    return Charge(
        account_id=account.id,
        cause=cause,
        period=period,
        subscription_id=row.id,
        description=row.name,
        detail=detail,
        quantity=row.quantity,
        unit_price=row.price,
        amount=line_total(row.quantity, row.price, account.currency),
        revenue_code=revenue_code,
        service_from=period.start_on if served else None,
        service_until=period.end_on if served else None,
    )
