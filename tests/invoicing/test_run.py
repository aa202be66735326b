"""The month's invoices: each period once, with the right lines, whoever runs it and however often."""

import threading
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connections

from tests.databases import Database
from tollbook.accounts.account import NewAccount, change, open_account, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.invoicing.run import CATCH_UP, Report, bill
from tollbook.invoicing.tables import Invoice, InvoiceLine
from tollbook.ledger.balance import sums
from tollbook.money.period import add_months
from tollbook.subscriptions.change import change_quantity
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.fees import fees
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind

A_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def components(account: Account) -> None:
    """Seats at 20 a month and onboarding at 300."""
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal(20), SYSTEM)
    offer("onboarding", "Onboarding", FeeKind.SETUP, Decimal(300), SYSTEM)


def subscribe(account: Account, code: str, starts_on: date, quantity: int = 1, ends_on: date | None = None) -> None:
    start(account, NewSubscription(code, starts_on, Decimal(quantity), ends_on=ends_on), SYSTEM)


def periods(account: Account) -> list[tuple[date, Decimal]]:
    found = Invoice.objects.filter(account_id=account.id).order_by("sequence")
    return list(found.values_list("period_start_on", "total"))


def test_a_period_is_invoiced_on_its_first_day(account: Account) -> None:
    subscribe(account, "seats", date(2026, 8, 20), 3)
    assert bill(date(2026, 9, 2)).issued == []
    report = bill(date(2026, 9, 3))
    assert (report.issued, report.totals) == (["INV-000001"], {"USD": 60})
    [invoice] = Invoice.objects.all()
    assert (invoice.period_start_on, invoice.period_end_on) == (date(2026, 9, 3), date(2026, 10, 2))
    assert (invoice.issued_on, invoice.cause) == (date(2026, 9, 3), "period:2026-09-03")
    assert sums(account.id) == {"receivable": 60, "deferred:recurring": -60}


def test_a_second_run_issues_nothing(account: Account) -> None:
    subscribe(account, "seats", date(2026, 9, 3))
    assert [len(bill(date(2026, 9, day)).issued) for day in (3, 3, 4, 30)] == [1, 0, 0, 0]


def test_the_31st_comes_back_after_february() -> None:
    """polar #10664."""
    account = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 31)), SYSTEM)
    subscribe(account, "seats", date(2026, 1, 31))
    for day in (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 30), date(2026, 3, 31)):
        bill(day)
    assert [day for day, _ in periods(account)] == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland", "America/New_York"])
def test_daylight_saving_neither_moves_nor_doubles_a_period(zone: str) -> None:
    """killbill #743: daylight saving moved the billing day. Billed daily around both changes of the clocks."""
    account = open_account(NewAccount("contoso", "Contoso", date(2025, 10, 26), timezone=zone), SYSTEM)
    subscribe(account, "seats", date(2026, 3, 1))
    days = [date(2026, 3, 20) + n * A_DAY for n in range(225)]
    for day in [day for day in days if 24 <= day.day <= 30]:
        bill(day)
    assert [day for day, _ in periods(account)] == [date(2026, month, 26) for month in range(3, 11)]


def test_missed_periods_are_caught_up_oldest_first_with_todays_terms(account: Account) -> None:
    subscribe(account, "seats", date(2026, 5, 3), 2, ends_on=date(2026, 7, 31))
    subscribe(account, "seats", date(2026, 8, 1), 5)
    bill(date(2026, 9, 10))
    assert periods(account) == [(date(2026, month, 3), 40 if month < 8 else 100) for month in range(5, 10)]
    assert set(Invoice.objects.values_list("due_on", flat=True)) == {date(2026, 9, 24)}


def test_catching_up_is_bounded_and_says_what_it_left() -> None:
    """killbill #445: an invoicing loop never ended."""
    account = open_account(NewAccount("contoso", "Contoso", date(2020, 1, 3)), SYSTEM)
    subscribe(account, "seats", date(2020, 1, 3))
    report = bill(date(2026, 9, 10))
    assert len(report.issued) == CATCH_UP
    assert report.too_old == {"contoso": 81 - CATCH_UP}
    assert any("older than 12 months" in sentence for sentence in report.sentences())
    assert bill(date(2026, 9, 10)).issued == []


def test_a_setup_fee_is_on_the_first_invoice_and_on_no_other(account: Account) -> None:
    subscribe(account, "seats", date(2026, 7, 1))
    subscribe(account, "onboarding", date(2026, 7, 15))
    for month in (7, 8, 9):
        bill(date(2026, month, 3))
    assert [total for _, total in periods(account)] == [20, 320, 20]
    assert sums(account.id)["revenue:setup"] == -300


def test_a_setup_fee_added_late_has_an_invoice_of_its_own(account: Account) -> None:
    subscribe(account, "seats", date(2026, 7, 1))
    bill(date(2026, 7, 3))
    subscribe(account, "onboarding", date(2026, 7, 1))
    bill(date(2026, 7, 20))
    bill(date(2026, 8, 3))
    assert [total for _, total in periods(account)] == [20, 300, 20]
    assert Invoice.objects.get(total=300).cause == "period:2026-07-03#2"


def test_what_was_recorded_late_under_the_rules_of_before_is_not_billed_after_the_upgrade(
    account: Account, db: Database
) -> None:
    """They left out what had begun before a period's invoice and was recorded after it."""
    subscribe(account, "seats", date(2026, 7, 3))
    bill(date(2026, 9, 3))
    subscribe(account, "seats", date(2026, 7, 3), 5)
    with db.connect("owner") as owner:
        owner.execute(import_module("tollbook.migrations.0035_billed_before").FILL)
    bill(date(2026, 10, 3))
    assert periods(account) == [(date(2026, month, 3), 20 if month < 10 else 120) for month in range(7, 11)]


def test_a_setup_fee_alone_is_invoiced(account: Account) -> None:
    subscribe(account, "onboarding", date(2026, 7, 1))
    for month in (7, 8):
        bill(date(2026, month, 3))
    assert [total for _, total in periods(account)] == [300]


def test_a_change_in_mid_period_is_billed_from_the_next_period(account: Account) -> None:
    today = today_in(account)
    account.anchor_on = add_months(today, -6) - 10 * A_DAY
    account.save()
    this = fees(account, today).period
    row = start(account, NewSubscription("seats", this.start_on, Decimal(2)), SYSTEM)
    bill()
    change_quantity(account, row.id, Decimal(5), today, SYSTEM)
    bill()
    assert [total for _, total in periods(account)] == [40]
    shown = fees(account, today)
    assert (shown.recurring_total, shown.next_charge_amount) == (100, 100)


def test_the_next_charge_on_the_page_is_the_next_invoice(account: Account) -> None:
    subscribe(account, "seats", date(2026, 7, 10), 3)
    subscribe(account, "onboarding", date(2026, 7, 20))
    promised = fees(account, date(2026, 7, 25))
    bill(promised.next_charge_on)
    assert periods(account) == [(promised.next_charge_on, promised.next_charge_amount)]


def test_a_free_period_has_an_invoice_of_zero_and_an_empty_one_has_none(account: Account) -> None:
    start(account, NewSubscription("seats", date(2026, 7, 3), price=Decimal(0), ends_on=date(2026, 8, 2)), SYSTEM)
    bill(date(2026, 8, 20))
    assert periods(account) == [(date(2026, 7, 3), 0)]


def test_lines_sum_to_the_total_though_each_is_rounded(account: Account) -> None:
    """Autumn #3407, lago #4642."""
    for _ in range(3):
        start(account, NewSubscription("seats", date(2026, 7, 3), price=Decimal("0.335")), SYSTEM)
    bill(date(2026, 7, 3))
    lines = InvoiceLine.objects.filter(account_id=account.id)
    assert sum(lines.values_list("amount", flat=True)) == periods(account)[0][1] == Decimal("1.02")


def test_an_inactive_account_is_not_billed(account: Account) -> None:
    subscribe(account, "seats", date(2026, 7, 3))
    account.is_active = False
    account.save()
    assert bill(date(2026, 7, 3)).issued == []


def test_the_future_is_not_billed(account: Account) -> None:
    with pytest.raises(Invalid, match="still to come"):
        bill(today_in(account) + 3 * A_DAY)


def test_each_account_is_billed_on_its_own_day() -> None:
    """At any moment it is a later day in Kiritimati than in Pago Pago: they are 25 hours apart."""
    east, west = (
        open_account(NewAccount(slug, slug, date(2026, 1, 3), timezone=zone), SYSTEM)
        for slug, zone in (("east", "Pacific/Kiritimati"), ("west", "Pacific/Pago_Pago"))
    )
    for whose in (east, west):
        whose.anchor_on = today_in(east)
        whose.save()
        subscribe(whose, "seats", today_in(east))
    bill()
    assert (len(periods(east)), len(periods(west))) == (1, 0)


def test_one_accounts_failure_keeps_no_other_from_its_invoices(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    subscribe(other, "seats", date(2026, 7, 3))
    unbookable = NewSubscription("seats", date(2026, 7, 3), Decimal(10_000_000), price=Decimal(10**13))
    start(account, unbookable, SYSTEM)
    report = bill(date(2026, 7, 3))
    assert (report.issued, list(report.failed)) == (["INV-000001"], ["northwind"])
    assert "northwind: not finished" in report.sentences()[-1]


def test_progress_tells_how_far_the_run_is(account: Account) -> None:
    open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    seen: list[tuple[int, int]] = []
    bill(date(2026, 7, 3), lambda done, count: seen.append((done, count)), part_size=1)
    assert seen == [(1, 2), (2, 2)]


def test_a_run_that_is_asked_to_stop_leaves_the_rest_to_the_next(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    for whose in (account, other):
        subscribe(whose, "seats", date(2026, 7, 3))
    stop = threading.Event()
    first = bill(date(2026, 7, 3), lambda done, count: stop.set(), stop, part_size=1)
    assert (first.accounts, first.issued) == (1, ["INV-000001"])
    assert bill(date(2026, 7, 3)).issued == ["INV-000002"]


def test_what_is_recorded_before_an_account_moves_east_is_billed_after(account: Account) -> None:
    """Its day is over in the new time zone before the last run began there."""
    account = change(account.id, {"timezone": "Etc/GMT+12"}, SYSTEM)
    bill()
    offer("visit", "Visit", FeeKind.ONE_OFF, Decimal(180), SYSTEM)
    start(account, NewSubscription("visit", today_in(account), at_once=True), SYSTEM)
    change(account.id, {"timezone": "Pacific/Kiritimati"}, SYSTEM)
    assert bill().totals == {"USD": 180}


def test_runs_side_by_side_invoice_each_period_once(account: Account) -> None:
    others = [open_account(NewAccount(f"other-{n}", "Other", date(2026, 1, 3)), SYSTEM) for n in range(4)]
    for whose in (account, *others):
        subscribe(whose, "seats", date(2026, 4, 3))
        subscribe(whose, "onboarding", date(2026, 5, 1))
    reports: list[Report] = []

    def run() -> None:
        reports.append(bill(date(2026, 9, 3), part_size=2))
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(not report.failed for report in reports)
    assert sum(len(report.issued) for report in reports) == 5 * 6
    for whose in (account, *others):
        assert periods(whose) == [(date(2026, month, 3), 320 if month == 5 else 20) for month in range(4, 10)]
    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, 31))
