"""An invoice is paid by card once, however it is asked for, and whatever becomes of the answer."""

import threading
from decimal import Decimal

import pytest
from django.db import connections

from tests.payments.gateways import Overcharging
from tests.payments.overlap import overlapping
from tests.payments.till import Till
from tests.refills.shop import OWNER, SUPPORT, gateway_is
from tollbook.errors import Conflict, Invalid, Refused
from tollbook.payments import attempts, collect, credit, dunning, intent
from tollbook.payments import method as methods
from tollbook.payments.captured import settle
from tollbook.payments.gateway import Declined, NewMethod
from tollbook.payments.intent import BalanceMoved, PaymentUnderWay
from tollbook.payments.tables import Payment, PaymentIntent, PaymentMethod, SimulatedCharge
from tollbook.payments.transfer import record_transfer


@pytest.fixture
def till(db) -> Till:
    return Till(db)


def test_an_invoice_is_paid_by_card_and_stands_in_the_books(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    paid = till.pay(invoice, card)
    assert (paid.state, till.owed(invoice)) == ("succeeded", 0)
    payment = Payment.objects.get()
    assert (payment.id, payment.amount, payment.method_label) == (paid.payment_id, 100, "Visa •• 4242")
    assert (till.book("cash:simulated"), till.book("clearing:simulated"), till.book("receivable")) == (100, 0, 0)
    till.assert_sound()


def test_a_part_may_be_paid_and_then_the_rest(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    till.pay(invoice, card, "40.00")
    assert till.owed(invoice) == 60
    till.pay(invoice, card)
    assert till.owed(invoice) == 0
    till.assert_sound()


@pytest.mark.parametrize("amount", ["0", "-1", "100.01", "1.001", "NaN"])
def test_an_amount_that_cant_be_paid_is_refused(till: Till, amount: str) -> None:
    invoice, card = till.invoice(), till.card()
    with pytest.raises(Invalid):
        till.ask(invoice, card, amount)
    assert PaymentIntent.objects.count() == 0


def test_a_double_click_charges_once(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    first = till.ask(invoice, card, request_key="portal:1")
    again = till.ask(invoice, card, request_key="portal:1")
    assert first.id == again.id
    collect.step(till.id, first.id)
    assert till.ask(invoice, card, "100.00", seen=Decimal(100), request_key="portal:1").id == first.id
    assert till.charged() == 100


def test_a_second_tab_is_told_that_a_payment_is_under_way(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    first = till.ask(invoice, card, "50.00", request_key="portal:1")
    with pytest.raises(PaymentUnderWay) as refusal:
        till.ask(invoice, card, "50.00", request_key="portal:2")
    assert refusal.value.details["payment"] == str(first.id)


def test_a_second_device_that_saw_the_old_balance_charges_nothing(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    seen = till.owed(invoice)
    till.pay(invoice, card, "50.00")
    with pytest.raises(BalanceMoved):
        till.ask(invoice, card, "50.00", seen=seen)
    assert till.charged() == 50


def test_many_devices_at_once_charge_once(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    refused: list[Refused] = []
    barrier = threading.Barrier(8)

    def device(key: str) -> None:
        barrier.wait()
        try:
            asked = till.ask(invoice, card, "60.00", seen=Decimal(100), request_key=key)
            collect.step(till.id, asked.id)
        except Refused as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=device, args=(f"portal:{n // 2}",)) for n in range(8)]  # each clicked twice
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    collect.run_due()
    assert till.charged() == 60
    assert SimulatedCharge.objects.count() == 1
    assert till.owed(invoice) == 40
    assert all(isinstance(error, (PaymentUnderWay, BalanceMoved)) for error in refused)
    till.assert_sound()


def test_a_device_that_pays_while_another_is_about_to_ask_leaves_one_charge(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    refused: list[Refused] = []

    def device() -> None:
        try:
            till.pay(invoice, card, "60.00", seen=Decimal(100))
        except Refused as error:
            refused.append(error)

    overlapping('INSERT INTO "payment_intent"', device, device)
    collect.run_due()
    assert (till.charged(), till.owed(invoice), len(refused)) == (60, 40, 1)
    till.assert_sound()


def test_a_declined_card_pays_nothing_and_says_why(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_9995")
    declined = till.pay(invoice, card)
    assert (declined.state, declined.outcome) == ("declined", "The card has insufficient funds.")
    assert till.owed(invoice) == 100
    till.assert_sound()


def test_a_card_is_tried_four_times_a_day_and_no_more(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_9995")
    for _ in range(4):
        till.pay(invoice, card)
    with pytest.raises(Conflict, match="4 times within 24 hours"):
        till.ask(invoice, card)
    till.later(hours=25)
    assert till.pay(invoice, card).state == "declined"


def test_a_hard_decline_is_never_tried_again(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_9979")
    till.pay(invoice, card)
    till.later(days=3)
    with pytest.raises(Conflict, match="must not be tried again"):
        till.ask(invoice, card)


def test_a_hard_decline_outlives_time_soft_declines_and_successes_of_others(till: Till) -> None:
    till.collects(0, 40)
    card, invoice = till.card("sim_9979"), till.invoice()
    collect.run_due()
    key = intent.key_of(till.intents()[0])
    attempts.failed(till.id, key, is_hard=False)
    attempts.excused(till.id, key)
    assert till.pay(till.invoice(), till.card("sim_4444")).state == "succeeded"
    methods.make_default(till.id, card.id, OWNER)
    till.later(days=45)
    collect.run_due()
    assert (len(till.intents()), till.owed(invoice)) == (2, 100)
    assert attempts.record(card).is_hard
    assert dunning.chased(10)[0].why == "The bank said that the card must not be tried again."


def test_a_hard_decline_ends_when_the_bank_renews_the_card_or_another_comes(till: Till) -> None:
    card = till.card("sim_9979")
    till.pay(till.invoice(), card)
    assert methods.refresh(till.id, NewMethod("simulated", card.token, card.brand, "1111", 1, 2041))
    assert not attempts.record(methods.find(till.id, card.id)).is_hard
    till.pay(till.invoice(), methods.find(till.id, card.id))
    assert attempts.record(methods.find(till.id, card.id)).is_hard
    assert not attempts.record(till.card("sim_4242")).is_hard


def test_a_charge_that_waited_and_was_then_refused_for_good_is_refused_for_good(till: Till) -> None:
    card = till.card("sim_3184")
    asked = till.pay(till.invoice(), card)
    attempts.failed(till.id, intent.key_of(asked), is_hard=False)
    settle(till.id, asked.id, 1, Declined("stolen_card", "The bank declined the card.", hard=True))
    assert attempts.record(card).is_hard


def test_a_lost_answer_is_asked_for_and_credited_once(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_0408")
    assert till.pay(invoice, card).state == "unknown"
    assert till.owed(invoice) == 100
    collect.run_due()
    assert till.states() == {"unknown": 1}, "it is not asked at once"
    till.later(seconds=5)
    collect.run_due()
    assert (till.states(), till.owed(invoice)) == ({"succeeded": 1}, 0)
    assert till.charged() == 100
    till.assert_sound()


def test_a_charge_that_never_arrived_is_sent_again_under_the_same_key(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    with gateway_is("Deaf"):
        assert till.pay(invoice, card).state == "unknown"
    till.later(seconds=5)
    collect.run_due()
    assert (till.charged(), till.owed(invoice)) == (100, 0)
    assert SimulatedCharge.objects.get().idempotency_key.endswith(f"invoice:{till.intents()[0].id}:1")


def test_a_charge_that_never_arrived_is_withdrawn_once_its_key_is_forgotten(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    with gateway_is("Forgetful"):
        till.pay(invoice, card)
        till.later(hours=25)
        collect.run_due()
    assert (till.states(), till.charged(), till.owed(invoice)) == ({"withdrawn": 1}, 0, 100)


def test_an_answer_that_comes_from_everywhere_is_settled_once(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_0408")
    asked = till.pay(invoice, card)
    threads = [threading.Thread(target=lambda: _told(till, asked)) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (Payment.objects.count(), till.owed(invoice)) == (1, 0)
    till.assert_sound()


def _told(till: Till, asked: PaymentIntent) -> None:
    try:
        for _ in range(3):
            assert collect.settle_by(till.id, asked.id) == "succeeded"
    finally:
        connections.close_all()


def test_an_early_message_about_a_charge_not_sent_yet_changes_nothing(till: Till) -> None:
    asked = till.ask(till.invoice(), till.card())
    assert collect.settle_by(till.id, asked.id) == "decided"
    assert collect.settle_by(till.id, till.id) is None


@pytest.mark.parametrize("says", ["5.00", "100.00 EUR"])
def test_a_wrong_sum_is_not_booked(till: Till, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    amount, _, currency = says.partition(" ")
    monkeypatch.setattr(Overcharging, "says", {"amount": Decimal(amount), "currency": currency or "USD"})
    invoice, card = till.invoice(), till.card()
    with gateway_is("Overcharging"):
        paid = till.pay(invoice, card)
        till.later(hours=2)
        collect.run_due()
    assert paid.state == "unknown" and "Support has to look" in paid.outcome
    assert (Payment.objects.count(), till.owed(invoice)) == (0, 100)


def test_what_was_paid_otherwise_meanwhile_becomes_credit(till: Till) -> None:
    invoice, card = till.invoice(), till.card("sim_0408")
    till.pay(invoice, card)
    record_transfer(till.account, invoice.number, Decimal(70), "SEPA 1", SUPPORT)
    till.later(seconds=5)
    collect.run_due()
    assert (till.owed(invoice), credit.of_account(till.id), till.book("credit")) == (0, 70, -70)
    next_one = till.invoice("30.00")
    collect.run_due()
    assert (till.owed(next_one), credit.of_account(till.id)) == (0, 40)
    till.assert_sound()


def test_a_payment_is_withdrawn_when_less_is_owed_by_the_time(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    asked = till.ask(invoice, card)
    record_transfer(till.account, invoice.number, Decimal(70), "SEPA 1", SUPPORT)
    collect.run_due()
    assert intent.find(till.id, asked.id).state == "withdrawn"
    assert till.charged() == 0


def test_a_removed_card_is_not_charged(till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    asked = till.ask(invoice, card)
    methods.remove(till.id, card.id, OWNER)
    collect.run_due()
    assert intent.find(till.id, asked.id).state == "withdrawn"


def test_a_hosted_page_pays_once(till: Till) -> None:
    invoice = till.invoice()
    asked = till.ask(invoice, None, request_key="portal:1")
    address = collect.open_page(till.id, asked.id, "/back/")
    assert collect.open_page(till.id, asked.id, "/back/") == address == "/back/"
    assert collect.settle_by(till.id, asked.id) == "succeeded"
    assert (till.owed(invoice), till.charged()) == (0, 100)
    assert Payment.objects.get().method_label == "Payment page"
    till.assert_sound()


def test_a_page_that_was_never_opened_is_given_up(till: Till) -> None:
    till.ask(till.invoice(), None)
    collect.run_due()
    assert till.states() == {"decided": 1}
    till.later(minutes=6)
    collect.run_due()
    assert till.states() == {"withdrawn": 1}


def test_the_schedule_tries_on_its_days_and_then_asks_a_person(till: Till) -> None:
    till.collects(0, 3, 5, 7)
    till.card("sim_9995")
    invoice = till.invoice()
    tried = []
    for day in range(10):
        collect.run_due()
        collect.run_due()
        if len(till.intents()) > len(tried):
            tried.append(day)
        till.later(days=1)
    assert tried == [0, 3, 5, 7]
    [waiting] = dunning.chased(10)
    assert (waiting.number, waiting.tries, waiting.why) == (invoice.number, 4, "Every try of the schedule failed.")


def test_tries_that_come_late_keep_their_distance(till: Till) -> None:
    till.collects(0, 3, 5, 7)
    till.card("sim_9995")
    till.invoice()
    till.later(days=6)
    for _ in range(3):
        collect.run_due()
    assert len(till.intents()) == 1
    till.later(days=3)
    for _ in range(3):
        collect.run_due()
    assert len(till.intents()) == 2


def test_a_good_card_pays_at_issue_without_anybody(till: Till) -> None:
    till.collects()
    till.card()
    invoice = till.invoice()
    assert collect.run_due() == 1
    assert till.owed(invoice) == 0
    assert dunning.chased(10) == []
    till.assert_sound()


def test_nothing_is_collected_by_itself_unless_somebody_switched_it_on(till: Till) -> None:
    till.card()
    before = till.invoice()
    assert collect.run_due() == 0
    till.collects()
    assert collect.run_due() == 0, "what was issued before is left alone"
    invoice = till.invoice()
    dunning.choose(till.account, False, OWNER)
    assert collect.run_due() == 0, "the account pays by itself"
    dunning.choose(till.account, True, OWNER)
    collect.run_due()
    assert (till.owed(before), till.owed(invoice)) == (100, 0)


def test_switched_off_between_decision_and_charge_nothing_is_charged(till: Till) -> None:
    till.collects()
    card, invoice = till.card(), till.invoice()
    asked = till.ask(invoice, card, automatic=True)
    dunning.set_schedule(False, (0,), "Stop.", SUPPORT)
    collect.step(till.id, asked.id)
    assert (till.states(), till.charged()) == ({"withdrawn": 1}, 0)


@pytest.mark.parametrize("days", [(), (3, 1), (0, 0), (-1,), (0, 91), tuple(range(9))])
def test_a_schedule_that_cant_be_kept_is_refused(db, days: tuple[int, ...]) -> None:
    with pytest.raises(Invalid):
        dunning.set_schedule(True, days, "For a test.", SUPPORT)


def test_a_worker_with_an_old_list_tries_nothing_again(till: Till) -> None:
    till.collects()
    till.card("sim_9995")
    till.invoice()
    [due] = dunning.due(10)
    assert [collect.collect(due), collect.collect(due)] == [True, True]
    assert (till.states(), SimulatedCharge.objects.count()) == ({"declined": 1}, 1)


def test_workers_at_once_try_an_invoice_once(till: Till) -> None:
    till.collects()
    till.card("sim_9995")
    till.invoice()
    due = dunning.due(10)

    def worker() -> None:
        try:
            for one in due:
                collect.collect(one)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert till.states() == {"declined": 1}


def test_the_backup_card_is_tried_once_when_another_card_can_cure_it(till: Till) -> None:
    till.collects()
    backup, _ = till.card("sim_4444"), till.card("sim_9995")
    PaymentMethod.objects.filter(account_id=till.id, id=backup.id).update(is_backup=True)
    invoice = till.invoice()
    collect.run_due()
    [asked] = till.intents()
    assert (asked.state, asked.attempt, asked.method_id) == ("succeeded", 2, backup.id)
    assert till.owed(invoice) == 0
    till.assert_sound()


def test_a_late_no_to_the_first_try_does_not_end_the_second(till: Till) -> None:
    till.collects()
    backup, card = till.card("sim_4444"), till.card("sim_9995")
    PaymentMethod.objects.filter(account_id=till.id, id=backup.id).update(is_backup=True)
    asked = till.pay(till.invoice(), card, automatic=True)
    assert (asked.state, asked.attempt) == ("decided", 2)
    assert settle(till.id, asked.id, 1, Declined("card_declined", "No.")) == "decided"
