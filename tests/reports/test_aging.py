"""The aging report: what was open at the end of a day, by how long it had been due, agrees with the books."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.payments.till import Till
from tests.refills.shop import SUPPORT, gateway_is
from tollbook.corrections.correct import Wanted, correct, give_up
from tollbook.invoicing.tables import Invoice
from tollbook.payments import refund
from tollbook.payments.refund import Back
from tollbook.payments.transfer import record_transfer
from tollbook.reports.aging import BUCKETS, aging

TODAY = datetime.now(UTC).date()


@pytest.fixture
def till(db) -> Iterator[Till]:
    with gateway_is():
        yield Till(db)


def owing(till: Till, amount: str, days_past: int) -> Invoice:
    """An invoice that is due so many days before today (terms are 14 days)."""
    with till.db.connect("owner"):
        return till.invoice(amount, days_ago=days_past + till.account.terms_days)


def test_each_invoice_is_in_the_bucket_of_its_days(till: Till) -> None:
    local = (datetime.now(UTC).date() - TODAY).days
    for number, days_past in enumerate([-5, 0, 1, 30, 31, 60, 61, 90, 91, 400]):
        owing(till, f"{2**number}.00", days_past - local)
    [owed] = aging(TODAY).totals()
    assert dict(zip(BUCKETS, owed.buckets, strict=True)) == {
        "Not due": 1 + 2,
        "1-30 days": 4 + 8,
        "31-60 days": 16 + 32,
        "61-90 days": 64 + 128,
        "Over 90 days": 256 + 512,
    }
    assert owed.total == 1023 and aging(TODAY).differences == []


def test_what_was_settled_later_was_open_then(till: Till) -> None:
    invoice = owing(till, "100.00", 3)
    record_transfer(till.account, invoice.number, Decimal(70), "SEPA 1", SUPPORT)
    with till.db.connect("owner") as owner:
        owner.execute("UPDATE invoice SET issued_at = issued_at - interval '2 days'")
        owner.execute("UPDATE transfer SET posted_at = posted_at - interval '2 days' WHERE kind = 'invoice'")
    yesterday, today = aging(TODAY - timedelta(days=1)), aging(TODAY)
    assert [one.amount for one in yesterday.invoices] == [100] and yesterday.invoices[0].days_past == 2
    assert [one.amount for one in today.invoices] == [30]
    assert yesterday.differences == today.differences == []
    assert aging(TODAY - timedelta(days=3)).invoices == []


def test_what_was_credited_or_written_off_later_was_open_then(till: Till) -> None:
    invoice = owing(till, "100.00", 3)
    correct(till.account, invoice.number, Wanted("Billed too much", {1: Decimal(30)}), SUPPORT)
    assert [one.amount for one in aging(TODAY).invoices] == [70]
    give_up(till.account, invoice.number, "Insolvent", SUPPORT)
    with till.db.connect("owner") as owner:
        owner.execute("UPDATE invoice SET issued_at = issued_at - interval '2 days'")
        owner.execute("UPDATE transfer SET posted_at = posted_at - interval '2 days' WHERE kind = 'invoice'")
    yesterday, today = aging(TODAY - timedelta(days=1)), aging(TODAY)
    assert [one.amount for one in yesterday.invoices] == [100] and today.invoices == []
    assert yesterday.differences == today.differences == []


def test_money_that_goes_back_is_owed_again_and_credit_is_told_apart(till: Till) -> None:
    invoice = owing(till, "100.00", 3)
    record_transfer(till.account, invoice.number, Decimal(130), "SEPA 1", SUPPORT)
    [payment] = refund.Payment.objects.filter(account_id=till.id)
    assert aging(TODAY).invoices == [] and aging(TODAY).credit == {"USD": 30}
    refund.ask(till.account, Back(payment.id, Decimal(40), "invoice", "Sorry.", "wire 9"), SUPPORT)
    assert [one.amount for one in aging(TODAY).invoices] == [40]
    assert aging(TODAY).differences == []


def test_accounts_and_currencies_are_apart(till: Till) -> None:
    other = Till(till.db, "contoso")
    owing(till, "10.00", 1)
    owing(other, "5.00", 40)
    report = aging(TODAY)
    assert [(one.slug, one.total) for one in report.accounts()] == [("contoso", 5), ("northwind", 10)]
    assert [one.total for one in aging(TODAY, other.id).totals()] == [5]
    assert aging(date(2020, 1, 1)).totals() == []


def test_what_a_hand_in_the_tables_did_is_named(till: Till) -> None:
    owing(till, "10.00", 1)
    with till.db.connect("owner") as owner:
        owner.execute("UPDATE open_balance SET balance = 9")
    assert aging(TODAY).differences == ["USD: open invoices sum to 9.000000; the books say 10.000000 is owed"]
