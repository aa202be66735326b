"""A bank transfer is received and applied to its invoice, once."""

from decimal import Decimal

import pytest
from django.db import transaction

from tests.cast import an_account
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.audit.books import audit
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing.history import find
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import Invoice, Settlement
from tollbook.ledger.balance import sums
from tollbook.payments import credit
from tollbook.payments.tables import Payment
from tollbook.payments.transfer import record_transfer


@pytest.fixture
def account(db) -> Account:
    return an_account()


def an_invoice(account: Account, amount: str = "100", cause: str = "period:2026-11-01") -> Invoice:
    line = DraftLine("Agent seat", "", Decimal(1), Decimal(amount), Decimal(amount), "revenue:recurring")
    with transaction.atomic():
        return issue(account, Draft("recurring", cause, today_in(account), [line]))


def test_a_transfer_pays_an_invoice_in_the_books_and_in_the_trail(account: Account) -> None:
    invoice = an_invoice(account)
    payment = record_transfer(account, invoice.number, Decimal(40), " SEPA  8812 ", SYSTEM)
    assert (payment.gateway, payment.charge_reference, payment.method_label) == ("manual", "SEPA 8812", "Bank transfer")
    assert find(account.id, invoice.number).balance == 60
    record_transfer(account, invoice.number, Decimal(60), "SEPA 9000", SYSTEM)
    assert find(account.id, invoice.number).status == "paid"
    books = sums(account.id)
    assert (books["cash:manual"], books["clearing:manual"], books["receivable"]) == (100, 0, 0)
    line = AuditEntry.objects.filter(account_id=account.id, action="payment.record").order_by("at").first()
    assert line.target == f"invoice/{invoice.number}"
    assert (Decimal(line.before["balance"]), Decimal(line.after["balance"])) == (100, 60)
    assert audit([account]) == []


def test_the_same_reference_again_changes_nothing(account: Account) -> None:
    invoice = an_invoice(account)
    first = record_transfer(account, invoice.number, Decimal(100), "SEPA 1", SYSTEM)
    again = record_transfer(account, invoice.number, Decimal(100), "SEPA  1", SYSTEM)
    assert first.id == again.id
    assert Settlement.objects.count() == Payment.objects.count() == 1


@pytest.mark.parametrize("amount", ["0", "-1", "9999999.00", "1.001", "NaN"])
def test_an_amount_that_cant_be_paid_is_refused(account: Account, amount: str) -> None:
    invoice = an_invoice(account)
    with pytest.raises(Invalid) as refusal:
        record_transfer(account, invoice.number, Decimal(amount), "SEPA 1", SYSTEM)
    assert refusal.value.details["field"] == "amount"
    assert Payment.objects.count() == 0


def test_a_reference_names_one_invoice_and_one_amount(account: Account) -> None:
    one, other = an_invoice(account), an_invoice(account, cause="period:2026-12-01")
    record_transfer(account, one.number, Decimal(40), "SEPA 1", SYSTEM)
    for number, amount in ((one.number, 50), (other.number, 40)):
        with pytest.raises(Conflict, match="add the invoice's number to the reference"):
            record_transfer(account, number, Decimal(amount), "SEPA 1", SYSTEM)
    assert Payment.objects.count() == 1


def test_an_invoice_of_another_account_is_not_found(account: Account) -> None:
    invoice = an_invoice(account)
    with pytest.raises(NotFound):
        record_transfer(an_account("contoso"), invoice.number, Decimal(1), "SEPA 1", SYSTEM)


def test_what_is_more_than_was_owed_becomes_credit_and_pays_the_next_invoice(account: Account) -> None:
    invoice = an_invoice(account)
    record_transfer(account, invoice.number, Decimal(130), "SEPA 1", SYSTEM)
    assert record_transfer(account, invoice.number, Decimal(130), "SEPA 1", SYSTEM).amount == 130
    assert (find(account.id, invoice.number).balance, credit.of_account(account.id)) == (0, 30)
    assert sums(account.id)["credit"] == -30
    following = an_invoice(account, "20", cause="period:2026-12-01")
    credit.use_everywhere()
    assert (find(account.id, following.number).balance, credit.of_account(account.id)) == (0, 10)
    assert audit([account]) == []


def test_a_paid_invoice_takes_no_further_transfer(account: Account) -> None:
    invoice = an_invoice(account)
    record_transfer(account, invoice.number, Decimal(100), "SEPA 1", SYSTEM)
    with pytest.raises(Conflict, match="is paid"):
        record_transfer(account, invoice.number, Decimal(1), "SEPA 2", SYSTEM)


@pytest.mark.parametrize("reference", ["", "  ", "x" * 121])
def test_a_reference_is_needed(account: Account, reference: str) -> None:
    with pytest.raises(Invalid):
        record_transfer(account, an_invoice(account).number, Decimal(1), reference, SYSTEM)
