"""Killed at any statement, run again: charged once and booked once, given back once and booked once."""

from decimal import Decimal

import pytest
from django.db import connection

from tests.databases import Database
from tests.payments.till import Till
from tests.refills.shop import SUPPORT
from tests.refills.test_crashes import KillAt, Killed
from tollbook.payments import collect, refund
from tollbook.payments.refund import Back
from tollbook.payments.tables import Payment, Refund, SimulatedCharge

pytestmark = pytest.mark.faults


def killed_at(number: int, before: bool) -> bool:
    """Whether the worker's round was killed at that statement; False when it has fewer."""
    try:
        with connection.execute_wrapper(KillAt(number, before)):
            collect.run_due()
            refund.run_due()
    except Killed:
        return True
    finally:
        connection.close()
    return False


def finish(till: Till) -> None:
    for _ in range(5):
        till.later(minutes=2)
        collect.run_due()
        refund.run_due()


@pytest.mark.parametrize(
    ("token", "before", "stride"), [("sim_4242", True, 2), ("sim_4242", False, 3), ("sim_0408", False, 5)]
)
def test_a_worker_that_dies_at_any_statement_leaves_a_payment_that_the_next_one_finishes(
    db: Database, token: str, before: bool, stride: int
) -> None:
    number = 1
    while True:
        db.empty()
        till = Till(db)
        invoice = till.invoice()
        till.ask(invoice, till.card(token))
        if not killed_at(number, before):
            break
        finish(till)
        assert (till.charged(), till.owed(invoice), SimulatedCharge.objects.count()) == (100, 0, 1), number
        till.assert_sound()
        number += stride
    assert number > 20


@pytest.mark.parametrize(("source", "before"), [("invoice", True), ("goodwill", False)])
def test_a_worker_that_dies_at_any_statement_gives_back_once(db: Database, source: str, before: bool) -> None:
    number = 1
    while True:
        db.empty()
        till = Till(db)
        till.payment(till.invoice(), till.card())
        payment = Payment.objects.get()
        refund.ask(till.account, Back(payment.id, Decimal(40), source, "Sorry."), SUPPORT)
        if not killed_at(number, before):
            break
        finish(till)
        assert (till.given_back(), Refund.objects.get().state) == (40, "succeeded"), number
        till.assert_sound()
        number += 2
    assert number > 10
