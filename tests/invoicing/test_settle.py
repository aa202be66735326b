"""A payment is applied once, and never to more than is owed or paid."""

import threading
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.invoicing.papers import issued, line, payment
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound, Refused
from tollbook.invoicing import settle as settling
from tollbook.invoicing.settle import Overpaid, SettledOtherwise
from tollbook.invoicing.tables import Invoice, OpenBalance, Settlement
from tollbook.ledger.balance import sums
from tollbook.postgres.ids import new_id


def settle(account: Account, invoice: Invoice, payment_id: UUID, amount: str) -> Decimal:
    with transaction.atomic():
        return settling.settle(account.id, invoice.id, payment_id, Decimal(amount))


def balance(invoice: Invoice) -> Decimal:
    return OpenBalance.objects.get(account_id=invoice.account_id, invoice_id=invoice.id).balance


def test_a_settlement_lowers_the_balance_and_is_in_the_books(account: Account) -> None:
    invoice, paid = issued(account, line("100.00")), payment(account, "100.00")
    assert settle(account, invoice, paid.id, "60.00") == 40
    assert balance(invoice) == 40
    assert sums(account.id) == {"clearing:simulated": 60, "receivable": 40, "revenue:recurring": -100}


def test_a_repeated_settlement_changes_nothing(account: Account) -> None:
    invoice, paid = issued(account, line("100.00")), payment(account, "60.00")
    assert [settle(account, invoice, paid.id, "60.00") for _ in range(3)] == [40, 40, 40]
    assert Settlement.objects.count() == 1


def test_the_same_payment_with_another_amount_is_refused(account: Account) -> None:
    invoice, paid = issued(account, line("100.00")), payment(account, "60.00")
    settle(account, invoice, paid.id, "30.00")
    with pytest.raises(SettledOtherwise):
        settle(account, invoice, paid.id, "20.00")
    assert balance(invoice) == 70


def test_more_than_is_owed_is_refused_with_what_is_owed(account: Account) -> None:
    invoice, paid = issued(account, line("10.00")), payment(account, "99.00")
    with pytest.raises(Overpaid, match="10.00.* is owed on INV-000001") as refusal:
        settle(account, invoice, paid.id, "10.01")
    assert Decimal(refusal.value.details["owed"]) == 10
    assert balance(invoice) == 10


def test_a_payment_pays_no_more_than_it_is(account: Account) -> None:
    one, other, paid = issued(account), issued(account), payment(account, "15.00")
    settle(account, one, paid.id, "10.00")
    with pytest.raises(Overpaid, match="5.00.* is left"):
        settle(account, other, paid.id, "10.00")
    assert settle(account, other, paid.id, "5.00") == 5


@pytest.mark.parametrize("amount", ["0", "-1.00", "0.001", "NaN"])
def test_an_amount_that_is_no_payment_is_refused(account: Account, amount: str) -> None:
    invoice, paid = issued(account), payment(account, "10.00")
    with pytest.raises(Invalid):
        settle(account, invoice, paid.id, amount)


def test_another_currency_is_refused(account: Account) -> None:
    with pytest.raises(Invalid, match="USD"):
        settle(account, issued(account), payment(account, "10.00", "EUR").id, "10.00")


def test_another_accounts_payment_or_invoice_is_not_found(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", account.anchor_on), SYSTEM)
    invoice, paid = issued(account), payment(account, "10.00")
    for who, what, whose in (
        (other, invoice, paid.id),
        (account, invoice, new_id()),
        (account, issued(other), paid.id),
    ):
        with pytest.raises(NotFound):
            settle(who, what, whose, "10.00")


def test_payments_at_once_never_take_a_balance_below_zero(account: Account) -> None:
    invoices = [issued(account, line("50.00")) for _ in range(2)]
    payments = [payment(account, "30.00") for _ in range(4)]
    refused: list[Refused] = []

    def pay(paid_id: UUID) -> None:
        for invoice in (*invoices, *invoices):
            try:
                settle(account, invoice, paid_id, "20.00")
            except Refused as error:
                refused.append(error)
        connections.close_all()

    threads = [threading.Thread(target=pay, args=(one.id,)) for one in payments]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [balance(invoice) for invoice in invoices] == [10, 10] or sum(map(balance, invoices)) == 20
    assert Settlement.objects.count() == 4
    assert sums(account.id)["receivable"] == sum(map(balance, invoices)) == 20
    for one in payments:
        assert sum(Settlement.objects.filter(payment_id=one.id).values_list("amount", flat=True)) <= one.amount


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 1500)), max_size=15))
def test_settlements_follow_a_plain_model(account: Account, attempts: list[tuple[int, int, int]]) -> None:
    invoices = [issued(account, line("10.00")) for _ in range(3)]
    payments = [payment(account, "12.00") for _ in range(3)]
    owed, left, known = [1000] * 3, [1200] * 3, {}
    for i, p, cents in attempts:
        fits = known.get((i, p)) == cents or (i, p) not in known and cents <= owed[i] and cents <= left[p]
        try:
            answer = settle(account, invoices[i], payments[p].id, str(Decimal(cents) / 100))
            assert fits
        except Refused:
            assert not fits
            continue
        if (i, p) not in known:
            owed[i], left[p], known[i, p] = owed[i] - cents, left[p] - cents, cents
        assert answer * 100 == owed[i]
    assert [balance(invoice) * 100 for invoice in invoices] == owed
