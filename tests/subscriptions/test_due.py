"""What is to be billed: every charge up to a day, with causes that never change."""

from datetime import date, timedelta
from decimal import Decimal

from tollbook.accounts.account import NewAccount, change, open_account, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.subscriptions.change import change_quantity
from tollbook.subscriptions.charge import Due
from tollbook.subscriptions.commitment import agree
from tollbook.subscriptions.component import Terms, offer
from tollbook.subscriptions.due import charges
from tollbook.subscriptions.record import read
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind


def due(account: Account, day: date, since: date | None = None) -> list[Due]:
    return charges([account], {account.id: day}, since and {account.id: since}).get(account.id, [])


def test_each_period_has_its_charge_once(account: Account) -> None:
    row = start(account, NewSubscription("seats", date(2026, 1, 31), Decimal(3)), SYSTEM)
    found = due(account, date(2026, 4, 29))
    assert [(group.cause, group.charges[0].cause) for group in found] == [
        (f"period:2026-{day}", f"fee:{row.id}:2026-{day}") for day in ("01-31", "02-28", "03-31")
    ]
    [line] = found[1].charges
    assert (line.amount, line.service_from, line.service_until) == (
        Decimal("74.99"),
        date(2026, 2, 28),
        date(2026, 3, 30),
    )


def test_a_setup_fee_falls_due_once(account: Account) -> None:
    start(account, NewSubscription("onboarding", date(2026, 2, 3)), SYSTEM)
    assert due(account, date(2026, 2, 27)) == []
    [group] = due(account, date(2026, 9, 1))
    assert (group.bill_on, group.charges[0].amount) == (date(2026, 2, 28), 300)


def test_since_leaves_out_what_an_earlier_run_has_seen_but_not_what_was_recorded_late(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 1, 31)), SYSTEM)
    tomorrow = today_in(account) + timedelta(days=1)
    assert due(account, tomorrow, since=tomorrow) == []
    assert due(account, tomorrow, since=today_in(account)) == due(account, tomorrow)


def test_many_accounts_come_together_and_each_with_its_own_day(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 15)), SYSTEM)
    idle = open_account(NewAccount("idle", "Idle", date(2026, 1, 15)), SYSTEM)
    for one in (account, other):
        start(one, NewSubscription("seats", date(2026, 1, 1)), SYSTEM)
    days = {account.id: date(2026, 1, 31), other.id: date(2026, 2, 20), idle.id: date(2026, 2, 20)}
    found = charges([account, other, idle], days)
    assert [group.bill_on for group in found[account.id]] == [date(2026, 1, 31)]
    assert [group.bill_on for group in found[other.id]] == [date(2026, 1, 15), date(2026, 2, 15)]
    assert idle.id not in found


def test_an_account_that_moves_to_another_time_zone_is_charged_as_before(account: Account) -> None:
    """Between the two, it is never the same day."""
    account = change(account.id, {"timezone": "Pacific/Kiritimati"}, SYSTEM)
    today = today_in(account)
    row = start(account, NewSubscription("seats", today - timedelta(days=40), prorated=True), SYSTEM)
    change_quantity(account, row.id, Decimal(3), today, SYSTEM)
    agree(account, Decimal(500), today, SYSTEM)
    [until, before] = [today + timedelta(days=70), read([account])]
    found = due(account, until, since=today)
    moved = change(account.id, {"timezone": "Etc/GMT+12"}, SYSTEM)
    assert read([moved]) == before and due(moved, until, since=today) == found


def test_a_one_off_charge_is_billed_on_its_day_or_with_the_next_invoice(account: Account) -> None:
    offer("visit", "Visit of an engineer", FeeKind.ONE_OFF, Decimal(180), SYSTEM)
    for at_once in (True, False):
        start(account, NewSubscription("visit", date(2026, 2, 10), Decimal(2), at_once=at_once), SYSTEM)
    groups = due(account, date(2026, 9, 1))
    found = [(group.bill_on, line.revenue_code, line.amount) for group in groups for line in group.charges]
    assert found == [(date(2026, 2, 10), "revenue:one_off", 360), (date(2026, 2, 28), "revenue:one_off", 360)]


def test_a_tax_category_and_service_days_come_with_every_line(account: Account) -> None:
    offer("line", "Line", FeeKind.RECURRING, Decimal(10), SYSTEM, Terms(tax_code="telecom"))
    start(account, NewSubscription("line", date(2026, 2, 10), prorated=True), SYSTEM)
    [stub, whole] = [line for group in due(account, date(2026, 2, 28)) for line in group.charges]
    assert (stub.tax_code, stub.service_from, stub.service_until) == ("telecom", date(2026, 2, 10), date(2026, 2, 27))
    assert (stub.amount, stub.detail) == (Decimal("6.43"), "Feb 10 - Feb 27: 18 of 28 days × $10.00")
    assert (whole.service_from, whole.amount) == (date(2026, 2, 28), 10)
