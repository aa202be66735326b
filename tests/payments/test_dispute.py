"""A contested payment: frozen, with the gateway's fee; lost, and owed again; won, and there again. In any order, once."""

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connections

from tests.payments.till import Till
from tests.refills.shop import SUPPORT
from tollbook.audit.books import audit
from tollbook.errors import Conflict
from tollbook.invoicing.tables import Invoice
from tollbook.payments import collect, credit, dispute, refund
from tollbook.payments.gateway import Dispute
from tollbook.payments.refund import Back
from tollbook.payments.tables import Disputed, Payment
from tollbook.payments.transfer import record_transfer


@pytest.fixture
def till(db) -> Till:
    return Till(db)


@pytest.fixture
def invoice(till: Till) -> Invoice:
    return till.invoice()


@pytest.fixture
def told(till: Till, invoice: Invoice) -> Dispute:
    payment = till.payment(invoice, till.card())
    return Dispute(
        "dp_1", payment.charge_reference, Decimal(100), "USD", Decimal(15), "open", datetime(2026, 11, 3, tzinfo=UTC)
    )


def books(till: Till) -> dict[str, Decimal]:
    codes = ("cash:simulated", "disputed:simulated", "fees:simulated", "receivable", "credit", "clearing:simulated")
    return {code: till.book(code) for code in codes if till.book(code)}


def test_an_open_dispute_freezes_its_sum_and_costs_its_fee(till: Till, told: Dispute) -> None:
    case = dispute.take("simulated", told)
    assert case is not None and (case.state, case.amount, case.fee) == ("open", 100, 15)
    assert books(till) == {"cash:simulated": -15, "disputed:simulated": 100, "fees:simulated": 15}
    assert audit([till.account]) == []


@pytest.mark.parametrize("state", ["open", "lost"])
def test_a_dispute_in_another_currency_is_not_booked_and_alarms(till: Till, told: Dispute, state: str, caplog) -> None:
    before = books(till)
    assert dispute.take("simulated", replace(told, currency="EUR", state=state)) is None
    assert (Disputed.objects.count(), books(till)) == (0, before)
    assert "nothing of it is booked" in caplog.text
    dispute.take("simulated", told)
    assert dispute.take("simulated", replace(told, currency="EUR", state=state)) is None
    assert Disputed.objects.get().state == "open"


def test_a_lost_dispute_leaves_its_invoice_owed_again(till: Till, invoice: Invoice, told: Dispute) -> None:
    dispute.take("simulated", told)
    dispute.take("simulated", replace(told, state="lost"))
    assert (till.owed(invoice), Disputed.objects.get().taken) == (100, 100)
    assert books(till) == {"cash:simulated": -15, "fees:simulated": 15, "receivable": 100}
    assert audit([till.account]) == []


def test_a_won_dispute_puts_everything_back_but_the_fee(till: Till, invoice: Invoice, told: Dispute) -> None:
    dispute.take("simulated", told)
    dispute.take("simulated", replace(told, state="won"))
    assert till.owed(invoice) == 0
    assert books(till) == {"cash:simulated": 85, "fees:simulated": 15}
    dispute.take("simulated", replace(told, state="won", fee=Decimal(0)))
    assert books(till) == {"cash:simulated": 100}
    assert audit([till.account]) == []


def test_a_dispute_that_is_first_heard_of_when_it_is_lost_ends_the_same(till: Till, invoice: Invoice, told: Dispute) -> None:
    dispute.take("simulated", replace(told, state="lost"))
    assert (till.owed(invoice), till.book("disputed:simulated")) == (100, 0)
    assert audit([till.account]) == []


def test_lost_and_won_after_all_pays_the_invoice_again(till: Till, invoice: Invoice, told: Dispute) -> None:
    for state in ("open", "lost", "won"):
        dispute.take("simulated", replace(told, state=state))
    assert (till.owed(invoice), credit.of_account(till.id)) == (0, 0)
    assert books(till) == {"cash:simulated": 85, "fees:simulated": 15}
    assert audit([till.account]) == []


@pytest.mark.parametrize("order", list(itertools.permutations(["open", "open", "lost"])))
def test_told_in_any_order_and_often_it_is_booked_once(till: Till, told: Dispute, order: tuple[str, ...]) -> None:
    for state in order:
        dispute.take("simulated", replace(told, state=state))  # the port tells the state of now: an old "open" is a defect
    assert books(till)["fees:simulated"] == 15
    assert Disputed.objects.get().state == "lost"
    assert audit([till.account]) == []


def test_many_at_once_tell_of_it_and_it_is_booked_once(till: Till, told: Dispute) -> None:
    def tell() -> None:
        try:
            dispute.take("simulated", replace(told, state="lost"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (Disputed.objects.count(), till.book("receivable")) == (1, 100)
    assert audit([till.account]) == []


def test_nothing_of_a_disputed_payment_is_given_back_or_used(till: Till, told: Dispute) -> None:
    payment = Payment.objects.get()
    dispute.take("simulated", told)
    with pytest.raises(Conflict, match="disputed"):
        refund.ask(till.account, Back(payment.id, Decimal(1), "goodwill", "Sorry."), SUPPORT)


def test_credit_of_a_disputed_payment_is_frozen_until_it_is_won(till: Till) -> None:
    first = till.invoice()
    till.pay(first, till.card("sim_0408"))
    record_transfer(till.account, first.number, Decimal(70), "SEPA 1", SUPPORT)
    till.later(seconds=5)
    collect.run_due()
    payment = Payment.objects.get(gateway="simulated")
    assert credit.of_payment(till.id, payment.id) == 70
    told = Dispute("dp_1", payment.charge_reference, Decimal(100), "USD", Decimal(0), "open", datetime.now(UTC))
    dispute.take("simulated", told)
    following = till.invoice("30.00")
    collect.run_due()
    assert till.owed(following) == 30
    dispute.take("simulated", replace(told, state="won"))
    assert (till.owed(following), credit.of_account(till.id)) == (0, 40)


def test_nobody_is_charged_by_themselves_while_a_payment_is_disputed(till: Till, told: Dispute) -> None:
    till.collects()
    dispute.take("simulated", told)
    till.invoice("20.00")
    assert collect.run_due() == 0
    dispute.take("simulated", replace(told, state="won"))
    assert collect.run_due() == 1


def test_what_went_back_already_is_our_loss_when_the_whole_is_lost(till: Till, invoice: Invoice, told: Dispute) -> None:
    payment = Payment.objects.get()
    asked = refund.ask(till.account, Back(payment.id, Decimal(30), "invoice", "Sorry."), SUPPORT)
    refund.step(till.id, asked.id)
    dispute.take("simulated", replace(told, state="lost"))
    assert (till.owed(invoice), till.book("loss:disputes"), Disputed.objects.get().taken) == (100, 30, 70)
    assert audit([till.account]) == []


def test_a_dispute_about_a_charge_that_is_not_in_the_books_is_left_alone(till: Till, told: Dispute) -> None:
    assert dispute.take("simulated", replace(told, charge_reference="ch_other")) is None
    assert Disputed.objects.count() == 0


def test_it_is_refreshed_from_the_gateway(till: Till, invoice: Invoice) -> None:
    till.pay(invoice, till.card("sim_1976"))
    payment = Payment.objects.get()
    case = dispute.refresh("simulated", f"dispute_{payment.charge_reference}")
    assert case is not None and (case.state, till.owed(invoice)) == ("lost", 100)
