"""Statements and receipts on paper: what the books say, to the cent; kept once nothing can be added."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from pypdf import PdfReader

from tests.cast import NOON, a_rate, funded
from tests.invoicing.papers import issued, line
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.invoicing import kept
from tollbook.invoicing.account_statement import account_statement, account_statement_pdf
from tollbook.invoicing.settle import settle
from tollbook.invoicing.tables import DocumentFile, Invoice
from tollbook.invoicing.usage_statement import usage_statement_pdf
from tollbook.ledger.balance import sums
from tollbook.money.period import period_of
from tollbook.payments.receipt import receipt_pdf
from tollbook.payments.receive import receive
from tollbook.payments.tables import Payment
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import rows_of
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.wallet import open_wallets

A_DAY = timedelta(days=1)


def words(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


def opened_in(account: Account, day: date) -> None:
    account.created_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    account.save()


def kept_of(account: Account) -> list[str]:
    return [one.name for one in DocumentFile.objects.filter(account_id=account.id)]


def paid(account: Account, amount: str) -> Payment:
    with transaction.atomic():
        return receive(account.id, "stripe", f"ch_{new_id()}", Decimal(amount), "USD", "Visa ending 4242", "Tollbook")


def settled(account: Account, payment: Payment, **parts: str) -> None:
    with transaction.atomic():
        for number, amount in parts.items():
            settle(account.id, number_of(account, number).id, payment.id, Decimal(amount))


def number_of(account: Account, number: str) -> Invoice:
    return Invoice.objects.get(account_id=account.id, number=number.replace("_", "-"))


@pytest.fixture
def busy(account: Account) -> Account:
    """Two invoices of 100 and 50, and 60 paid on the first."""
    issued(account, line("100.00"))
    issued(account, line("50.00"))
    settled(account, paid(account, "60.00"), INV_000001="60.00")
    return account


def test_an_account_statement_says_what_the_books_say(busy: Account) -> None:
    today = today_in(busy)
    stated = account_statement(busy, today - A_DAY, today + A_DAY)
    assert (stated.opening, stated.closing) == (0, sums(busy.id)["receivable"])
    assert [(one.kind, one.amount, one.balance) for one in stated.moved] == [
        ("invoice", 100, 100), ("invoice", 50, 150), ("settlement", -60, 90),
    ]  # fmt: skip
    text = words(account_statement_pdf(busy, today - A_DAY, today + A_DAY))
    for said in ("Invoice INV-000001 $100.00 $100.00", "Payment applied INV-000001 $60.00 $90.00", "Closing balance $90.00"):
        assert said in text


def test_what_is_owed_after_one_period_is_owed_before_the_next(busy: Account) -> None:
    today = today_in(busy)
    after = account_statement(busy, today + A_DAY, today + 9 * A_DAY)
    assert (after.opening, after.closing, after.moved) == (90, 90, ())
    assert account_statement(busy, today - 9 * A_DAY, today - A_DAY).closing == 0


def test_the_statement_of_days_that_are_over_is_kept_and_others_are_not(busy: Account) -> None:
    """Its days are the billing period before, in which the account was opened."""
    today = today_in(busy)
    before = period_of(busy.anchor_on, period_of(busy.anchor_on, today).start_on - A_DAY)
    opened_in(busy, before.start_on)
    with rows_of(busy.id):
        over = account_statement_pdf(busy, before.start_on, before.end_on)
    account_statement_pdf(busy, today, today)
    assert kept_of(busy) == [f"{before.start_on}..{before.end_on}"]
    Account.objects.filter(id=busy.id).update(name="Renamed")
    busy.refresh_from_db()
    assert account_statement_pdf(busy, before.start_on, before.end_on) == over


@pytest.mark.parametrize(
    ("first_on", "last_on", "is_kept"),
    [
        (date(2026, 2, 1), date(2026, 2, 28), True),
        (date(2025, 1, 1), date(2025, 12, 31), True),
        (date(2026, 2, 3), date(2026, 3, 2), True),
        (date(2026, 2, 1), date(2026, 2, 27), False),
        (date(2026, 2, 2), date(2026, 3, 1), False),
        (date(2026, 2, 1), date(2026, 3, 31), False),
        (date(2025, 2, 1), date(2026, 1, 31), False),
        (date(2024, 5, 1), date(2024, 5, 31), False),
    ],
)
def test_only_months_years_and_billing_periods_since_the_account_was_opened_are_kept(
    account: Account, first_on: date, last_on: date, is_kept: bool
) -> None:
    opened_in(account, date(2025, 6, 15))
    made = []
    for _ in range(2):
        content = kept.of_days(account, "test", first_on, last_on, lambda: made.append(1) or bytes([len(made)]))
    assert (len(made), content) == ((1, b"\x01") if is_kept else (2, b"\x02"))
    assert kept_of(account) == ([f"{first_on}..{last_on}"] if is_kept else [])


@pytest.mark.parametrize("make", [account_statement_pdf, usage_statement_pdf])
@pytest.mark.parametrize("last_on", [date(2026, 10, 30), date(2028, 1, 1)])
def test_days_out_of_order_or_too_many_are_refused(account: Account, make: Callable, last_on: date) -> None:
    with pytest.raises(Invalid):
        make(account, date(2026, 11, 1), last_on)


def test_a_receipt_says_what_came_and_what_it_was_for(busy: Account) -> None:
    payment = paid(busy, "45.00")
    settled(busy, payment, INV_000001="40.00")
    with rows_of(busy.id):
        first = receipt_pdf(busy.id, payment.id)
    text = words(first)
    for said in ("Receipt", "Visa ending 4242", "INV-000001", "$100.00 $40.00", "Kept as credit $5.00", "Received $45.00"):
        assert said in text
    settled(busy, payment, INV_000002="5.00")
    assert receipt_pdf(busy.id, payment.id) == first


def test_a_receipt_of_nobody_s_payment_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        receipt_pdf(account.id, new_id())


def test_a_usage_statement_sums_each_day_and_kind_and_says_when_more_may_come(account: Account) -> None:
    a_rate("outbound", "1.20")
    open_wallets(account)
    funded(account, "outbound", "100")
    call = Event("one", "outbound", Decimal(61), NOON, to="12125550100", sender="12125550199")
    record(account.id, [call, replace(call, id="two", occurred_at=NOON + A_DAY)])
    text = words(usage_statement_pdf(account, NOON.date(), NOON.date() + A_DAY))
    assert "Usage statement" in text and "Outbound Minutes" in text
    assert "Events 2" in text
    assert "not invoiced again" in text


def test_a_month_without_usage_says_so(account: Account) -> None:
    opened_in(account, date(2026, 1, 20))
    with rows_of(account.id):
        content = usage_statement_pdf(account, date(2026, 1, 1), date(2026, 1, 31))
    assert "Nothing was used in this period." in words(content)
    assert usage_statement_pdf(account, date(2026, 1, 1), date(2026, 1, 31)) == content
