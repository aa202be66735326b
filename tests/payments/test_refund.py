"""Money goes back once, never more than was captured, and stands in the books at every moment."""

import threading
from decimal import Decimal

import pytest
from django.db import connections

from tests.payments.overlap import overlapping
from tests.payments.till import Till
from tests.refills.shop import OWNER, SUPPORT, gateway_is
from tollbook.audit.books import audit
from tollbook.errors import Conflict, Invalid
from tollbook.payments import collect, credit, dunning, intent, refund
from tollbook.payments.gateway import Declined, Refunded
from tollbook.payments.refund import Back
from tollbook.payments.tables import Payment, Refund
from tollbook.payments.transfer import record_transfer
from tollbook.postgres.ids import new_id
from tollbook.refills import decide, run
from tollbook.wallets.tables import Wallet


@pytest.fixture
def till(db) -> Till:
    return Till(db)


def back(payment: Payment, amount: str, source: str = "invoice", reference: str = "") -> Back:
    return Back(payment.id, Decimal(amount), source, "Double booking.", reference)


def give(till: Till, payment: Payment, amount: str, source: str = "invoice", **more: str) -> Refund:
    asked = refund.ask(till.account, back(payment, amount, source, **more), SUPPORT)
    refund.step(till.id, asked.id)
    return refund.find(till.id, asked.id)


def test_a_refund_of_an_invoice_leaves_it_owed_again(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    payment = till.payment(invoice, card)
    given = give(till, payment, "100.00")
    assert (given.state, till.owed(invoice), till.given_back()) == ("succeeded", 100, 100)
    assert (till.book("cash:simulated"), till.book("clearing:simulated"), till.book("receivable")) == (0, 0, 100)
    till.assert_sound()


def test_parts_go_back_until_nothing_is_left(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    give(till, payment, "30.00")
    give(till, payment, "30.00", "goodwill")
    assert refund.refundable(payment) == 40
    with pytest.raises(Invalid, match=r"\$40.00 of this payment is left"):
        give(till, payment, "40.01", "goodwill")
    give(till, payment, "40.00", "goodwill")
    assert (refund.refundable(payment), till.given_back()) == (0, 100)
    assert till.book("revenue:refund") == 70
    till.assert_sound()


def test_credit_goes_back_and_is_gone_meanwhile(till: Till) -> None:
    record_transfer(till.account, till.invoice().number, Decimal(150), "SEPA 1", SUPPORT)
    payment = Payment.objects.get()
    with pytest.raises(Invalid, match="bank's reference"):
        give(till, payment, "20.00", "credit")
    given = give(till, payment, "20.00", "credit", reference="SEPA  77")
    assert (given.state, given.reference, credit.of_account(till.id)) == ("succeeded", "SEPA 77", 30)
    assert till.book("cash:manual") == 130
    with pytest.raises(Invalid, match=r"At most \$30.00"):
        give(till, payment, "30.01", "credit", reference="SEPA 78")
    till.assert_sound()


def test_a_refund_under_way_stands_in_clearing_and_cant_be_spent(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    asked = refund.ask(till.account, back(payment, "60.00"), SUPPORT)
    assert till.book("clearing:simulated") == -60
    assert audit([till.account]) == []
    refund.run_due()
    assert refund.find(till.id, asked.id).state == "succeeded"
    assert till.book("clearing:simulated") == 0


@pytest.mark.parametrize(("source", "owed"), [("invoice", 0), ("goodwill", 0)])
def test_what_the_gateway_refuses_returns_to_where_it_was(till: Till, source: str, owed: int) -> None:
    invoice = till.invoice()
    payment = till.payment(invoice, till.card())
    asked = refund.ask(till.account, back(payment, "60.00", source), SUPPORT)
    assert refund.settle(till.id, asked.id, Declined("no", "The gateway refuses.")) == "declined"
    assert (till.owed(invoice), refund.refundable(payment), credit.of_account(till.id)) == (owed, 100, 0)
    assert (till.book("revenue:refund"), till.book("clearing:simulated")) == (0, 0)
    till.assert_sound()


@pytest.mark.parametrize(("source", "owed"), [("invoice", 0), ("goodwill", 0)])
def test_a_refund_that_fails_after_it_was_accepted_returns_and_is_told(
    till: Till, source: str, owed: int, caplog: pytest.LogCaptureFixture
) -> None:
    invoice = till.invoice()
    payment = till.payment(invoice, till.card())
    given = give(till, payment, "60.00", source)
    assert given.state == "succeeded"
    for _ in range(2):
        assert refund.settle(till.id, given.id, Declined("expired_or_canceled_card", "The bank refused it.")) == "declined"
    assert (till.owed(invoice), refund.refundable(payment), credit.of_account(till.id)) == (owed, 100, 0)
    assert (till.book("cash:simulated"), till.book("clearing:simulated"), till.book("revenue:refund")) == (100, 0, 0)
    assert "did not get it" in refund.find(till.id, given.id).outcome
    assert "failed after it was accepted" in caplog.text
    assert audit([till.account]) == []


def test_a_refund_that_was_given_back_is_not_undone_because_nobody_knew_of_it_before(till: Till) -> None:
    given = give(till, till.payment(till.invoice(), till.card()), "60.00")
    assert refund.settle(till.id, given.id, Declined(refund.NEVER_RECEIVED, "Too late.")) == "succeeded"
    till.assert_sound()


def test_the_same_refund_asked_for_twice_is_one(till: Till) -> None:
    payment, id = till.payment(till.invoice(), till.card()), new_id()
    asked = [refund.ask(till.account, back(payment, "60.00"), SUPPORT, id) for _ in range(2)]
    assert asked[0].id == asked[1].id == id
    with pytest.raises(Conflict, match="other values"):
        refund.ask(till.account, back(payment, "10.00"), SUPPORT, id)
    assert Refund.objects.count() == 1


def test_many_people_at_once_give_back_no_more_than_was_captured(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    barrier = threading.Barrier(6)

    def person(n: int) -> None:
        barrier.wait()
        try:
            give(till, payment, "40.00", "goodwill" if n % 2 else "invoice")
        except Invalid:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=person, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert till.given_back() == 80
    till.assert_sound()


def test_a_refund_while_another_is_about_to_be_written_finds_what_is_left(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    refused: list[Invalid] = []

    def person() -> None:
        try:
            give(till, payment, "60.00", "goodwill")
        except Invalid as error:
            refused.append(error)

    overlapping('INSERT INTO "refund"', person, person)
    assert (Refund.objects.count(), till.given_back(), len(refused)) == (1, 60, 1)
    till.assert_sound()


def test_an_answer_that_was_lost_is_asked_for(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    with gateway_is("Mute"):
        given = give(till, payment, "60.00")
    assert given.state == "unknown"
    refund.run_due()
    assert refund.find(till.id, given.id).state == "unknown", "it is not asked at once"
    till.later(seconds=5)
    refund.run_due()
    assert refund.find(till.id, given.id).state == "succeeded"
    assert till.given_back() == 60
    till.assert_sound()


def test_a_refund_that_never_arrived_is_sent_again_under_its_key(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    with gateway_is("Deaf"):
        given = give(till, payment, "60.00")
    till.later(seconds=5)
    refund.run_due()
    assert refund.find(till.id, given.id).state == "succeeded"
    assert till.given_back() == 60


def test_an_answer_with_another_sum_is_not_booked(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    asked = refund.ask(till.account, back(payment, "60.00"), SUPPORT)
    assert refund.settle(till.id, asked.id, Refunded("re_1", Decimal(5), "USD")) == "unknown"
    assert "A person has to look" in refund.find(till.id, asked.id).outcome
    assert till.book("cash:simulated") == 100


def test_a_refills_refund_comes_out_of_the_wallet_as_far_as_it_is_unused(till: Till) -> None:
    till.card()
    decide.ask(till.account, "outbound", Decimal(50), OWNER)
    run.run_due()
    payment = Payment.objects.get()
    assert {choice.source: choice.at_most for choice in refund.choices(payment)} == {"wallet": 50, "goodwill": 50}
    given = give(till, payment, "20.00", "wallet")
    assert (given.state, Wallet.objects.get(account_id=till.id, type_code="outbound").paid) == ("succeeded", 30)
    with pytest.raises(Invalid):
        give(till, payment, "30.01", "wallet")
    asked = refund.ask(till.account, back(payment, "30.00", "wallet"), SUPPORT)
    refund.settle(till.id, asked.id, Declined("no", "The gateway refuses."))
    assert Wallet.objects.get(account_id=till.id, type_code="outbound").paid == 30
    refund.settle(till.id, given.id, Declined("no", "The bank refused it."))
    assert Wallet.objects.get(account_id=till.id, type_code="outbound").paid == 50
    assert audit([till.account]) == []


@pytest.mark.parametrize(
    ("amount", "source", "reason"),
    [("0", "invoice", "x"), ("1.001", "invoice", "x"), ("1", "invoice", " "), ("1", "wallet", "x"), ("1", "credit", "x")],
)
def test_a_refund_that_makes_no_sense_is_refused(till: Till, amount: str, source: str, reason: str) -> None:
    payment = till.payment(till.invoice(), till.card())
    with pytest.raises(Invalid):
        refund.ask(till.account, Back(payment.id, Decimal(amount), source, reason), SUPPORT)
    assert Refund.objects.count() == 0


def test_money_that_was_given_back_is_never_collected_by_itself_but_left_to_a_person(till: Till) -> None:
    till.collects(0)
    invoice = till.invoice()
    payment = till.payment(invoice, till.card())
    give(till, payment, "60.00")
    assert till.owed(invoice) == 60
    assert collect.run_due() == 0
    till.later(days=3)
    assert (collect.run_due(), till.charged()) == (0, 100)
    [waiting] = dunning.chased(10)
    assert (waiting.number, waiting.next_on) == (invoice.number, None)
    assert "given back" in waiting.why


def test_a_charge_by_itself_that_was_decided_before_money_went_back_is_withdrawn(till: Till) -> None:
    till.collects(0)
    invoice, card = till.invoice(), till.card()
    payment = till.payment(invoice, card, "60.00")
    decided = till.ask(invoice, card, automatic=True)
    give(till, payment, "60.00")
    collect.step(till.id, decided.id)
    assert (intent.find(till.id, decided.id).state, till.charged()) == ("withdrawn", 60)
