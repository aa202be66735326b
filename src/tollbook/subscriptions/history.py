"""What was recorded about an account's subscriptions, as sentences, newest first. Reads only; the portal's role may."""

from datetime import date
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.tables import Account
from tollbook.money.written import money
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.price import exact, plain
from tollbook.subscriptions.tables import ChangeKind, Subscription, SubscriptionChange


class Entry(NamedTuple):
    """One record: `says` what, counting from `from_on`. `coming` while it lies ahead and was not taken back; then
    `change_id` is what would take it back.
    """

    recorded_on: date
    name: str
    says: str
    from_on: date
    coming: bool
    taken_back: bool
    subscription_id: UUID
    change_id: UUID | None
    by: str


def entries(account: Account, today: date) -> list[Entry]:
    """Starts and changes of all the account's subscriptions, newest first; `today` is the account's."""
    rows = {row.id: row for row in Subscription.objects.filter(account_id=account.id)}
    changes = list(SubscriptionChange.objects.filter(account_id=account.id).order_by("recorded_at", "id"))
    gone = {change.withdraws for change in changes if change.withdraws}
    zone, named = ZoneInfo(account.timezone), {change.id: change for change in changes}
    found = [
        (change.recorded_at, _changed(account, rows[change.subscription_id], change, named, change.id in gone, today, zone))
        for change in changes
    ]
    found += [(row.created_at, _started(account, row, today, zone)) for row in rows.values()]
    return [entry for _, entry in sorted(found, key=lambda each: each[0], reverse=True)]


def told(change: SubscriptionChange, currency: str) -> str:
    """What a change makes of its subscription: `Quantity 7`, `10 % off until Dec 2, 2026`, `Last day Nov 30, 2026`."""
    until = f" until {_day(change.until_on)}" if change.until_on else ""
    if change.kind == ChangeKind.QUANTITY and change.quantity is not None:
        return f"Quantity {plain(change.quantity)}"
    if change.kind == ChangeKind.PRICE and change.price is not None:
        price = prices.of(change.model, change.price, change.scheme)
        return f"Price {prices.told(price) if price.tiers else exact(change.price, currency)}"
    if change.kind == ChangeKind.DISCOUNT:
        off = f"{plain(change.percent)} %" if change.percent else money(change.amount, currency) if change.amount else ""
        return f"{off} off{until}" if off else f"No discount{until}"
    if change.kind == ChangeKind.END:
        return f"Last day {_day(change.until_on)}" if change.until_on else "Goes on without an end"
    return ChangeKind(change.kind).label + ("d" if change.kind != ChangeKind.WITHDRAW else "") + until


def _started(account: Account, row: Subscription, today: date, zone: ZoneInfo) -> Entry:
    count = "" if row.quantity == 1 else f" with {plain(row.quantity)}"
    until = f", until {_day(row.ends_on)}" if row.ends_on else ""
    says = f"Started{count}{until}"
    return Entry(
        row.created_at.astimezone(zone).date(), row.name, says, row.starts_on, row.starts_on > today, False, row.id, None, ""
    )


def _changed(
    account: Account, row: Subscription, change: SubscriptionChange, named: dict[UUID, SubscriptionChange], gone: bool,
    today: date, zone: ZoneInfo,
) -> Entry:  # fmt: skip
    says = told(change, account.currency)
    if change.withdraws:
        says = f"Taken back: {told(named[change.withdraws], account.currency)}"
    coming = change.from_on > today and not gone and change.kind != ChangeKind.WITHDRAW
    by = change.recorded_by
    return Entry(
        change.recorded_at.astimezone(zone).date(), row.name, says, change.from_on, coming, gone, row.id, change.id, by
    )


def _day(day: date | None) -> str:
    return f"{day:%b} {day.day}, {day.year}" if day else ""
