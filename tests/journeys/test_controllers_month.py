"""A controller's month: subscribe, upgrade, run, pay, credit, dispute, close, report; every figure is recomputed here."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.test import Client

from tests.cast import funded
from tests.payments.till import Till
from tests.people import person
from tests.refills.shop import SUPPORT, gateway_is
from tests.web.desk.conftest import words
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Level
from tollbook.audit.books import audit
from tollbook.corrections.correct import Wanted as Credit
from tollbook.corrections.correct import correct
from tollbook.invoicing.deferral import recognise_due
from tollbook.invoicing.run import bill
from tollbook.invoicing.tables import Invoice, TaxRule
from tollbook.ledger.balance import sums
from tollbook.money.period import add_months, period_of
from tollbook.payments import credit, dispute
from tollbook.payments.gateway import Dispute
from tollbook.payments.transfer import record_transfer
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.change import Wanted, make
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind

CENT = Decimal("0.01")
VAT = Decimal("0.19")
GONE = 10
"""Days of the running period that are over."""


@pytest.fixture
def till(db) -> Iterator[Till]:
    """A customer in Germany, billed ten days ago."""
    with gateway_is():
        till = Till(db)
        account = till.account
        account.country = account.tax_country = "DE"
        account.anchor_on = add_months(today_in(account) - timedelta(days=GONE), -12)
        account.save()
        TaxRule.objects.create(
            id=new_id(), country="DE", valid_from=date(2020, 1, 1), tax_rate=VAT * 100, label="VAT", created_by="finance",
            created_at=datetime.now(UTC),
        )  # fmt: skip
        yield till


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def test_a_month_is_billed_paid_corrected_disputed_closed_and_reported(till: Till, client: Client, static_files) -> None:
    account, today = till.account, today_in(till.account)
    period = period_of(account.anchor_on, today)
    assert period.start_on == today - timedelta(days=GONE)

    # Ten seats from the billing day on. The run makes the invoice, once.
    offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("30.00"), SUPPORT)
    seats = start(account, NewSubscription("seat", period.start_on, Decimal(10), prorated=True), SUPPORT)
    assert [len(bill().issued) for _ in range(2)] == [1, 0]
    first = Invoice.objects.get(account_id=till.id)
    assert (first.subtotal, first.tax) == (300, 57)

    # Five more from today on, billed at once for the days that are left.
    make(account, seats.id, Wanted(ChangeKind.QUANTITY, today, quantity=Decimal(15), at_once=True), SUPPORT)
    assert len(bill().issued) == 1
    second = Invoice.objects.exclude(id=first.id).get()
    share = Decimal(period.days - GONE) / period.days
    upgrade = second.subtotal
    assert abs(upgrade - cents(150 * share)) <= CENT and second.tax == cents(upgrade * VAT)

    # The first is paid by card; the second by a transfer of $20 too much, which is kept as credit.
    paid = till.payment(first, till.card())
    record_transfer(account, second.number, second.total + 20, "SEPA 7", SUPPORT)
    assert credit.of_account(till.id) == 20

    # Two seats were never used: credited with their tax, and what had been paid of them is credit now.
    note = correct(account, first.number, Credit("Two seats were never used", {1: Decimal(60)}), SUPPORT).note
    assert (note.subtotal, note.tax) == (60, Decimal("11.40"))
    assert credit.of_account(till.id) == Decimal("91.40")

    # The cardholder disputes the payment and wins: credit of that payment goes first, the rest is owed again.
    lost = Dispute("dp_1", paid.charge_reference, paid.amount, "USD", Decimal(15), "lost", datetime.now(UTC))
    dispute.take("simulated", lost)
    credit.use_everywhere()
    owed = till.owed(first) + till.owed(second)

    # The month is closed: every day so far is earned, and the books are proven.
    funded(account, "sms", "25.00")
    recognise_due()
    assert audit() == []
    books = sums(till.id)
    assert books["receivable"] == owed == first.total - note.total - 20
    net = first.subtotal + upgrade - note.subtotal
    earned = -sum(books.get(code, Decimal(0)) for code in ("revenue:recurring", "deferred:recurring"))
    assert earned == net
    days_over = (datetime.now(UTC).date() - period.start_on).days + 1
    assert -books["revenue:recurring"] <= cents(300 * Decimal(days_over) / period.days) + cents(upgrade * share)

    # The controller reads it at the desk: nothing disagrees with the books, and the journal balances.
    client.force_login(person(None, "finance", Level.STAFF))
    utc = datetime.now(UTC).date().isoformat()
    asked = {"since": utc, "until": utc}
    for page in ("credit", "revenue", "aging", "journal"):
        response = client.get(f"/desk/reports/{page}/", asked if page != "aging" else {})
        assert response.status_code == 200 and "disagree" not in words(response)
    [day] = rows(client, "revenue", **asked)
    assert Decimal(day["closing"]) == -books["deferred:recurring"]
    assert Decimal(day["deferred"]) == first.subtotal + upgrade
    assert sum(Decimal(row["open"]) for row in rows(client, "aging")) == owed
    lines = rows(client, "journal", layout="days", **asked)
    assert sum(Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in lines) == 0
    named = {row["account"]: Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0) for row in lines}
    assert named["Customer receivables"] == owed
    assert named["Sales tax payable"] == -(first.tax + second.tax - note.tax)
    assert named["Deferred revenue - prepaid credit"] == -25


def rows(client: Client, report: str, **asked: str) -> list[dict[str, str]]:
    """A report's file as a spreadsheet reads it."""
    response = client.get(f"/desk/reports/{report}.csv", asked)
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
