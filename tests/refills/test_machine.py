"""The refill machine beyond the straight line: backup cards, confirmations, silence, wrong sums, what a person settles."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import override_settings

from tests.payments.gateways import Deaf, Refusing, Silent
from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, other
from tests.together import together
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM, trail
from tollbook.errors import Conflict, Forbidden, Invalid
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.payments import method
from tollbook.payments.gateway import (
    CANCELED,
    ActionRequired,
    ChargeRequest,
    Declined,
    RefundRequest,
    Succeeded,
    Unknown,
    key_of,
)
from tollbook.payments.receive import receive
from tollbook.payments.simulated import Simulated
from tollbook.payments.tables import Payment, SimulatedCharge
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import rows_of
from tollbook.refills import brakes, decide, health, limits, person, run, send, switch
from tollbook.refills.due import pause_after, unfinished
from tollbook.refills.settle import settle
from tollbook.refills.tables import AttemptState, Refill, RefillAttempt
from tollbook.usage.reverse import Reversal, reverse

SOFT = Declined("insufficient_funds", "The card has insufficient funds.", curable_by_other_card=True)


def attempts(shop: Shop) -> list[RefillAttempt]:
    return list(RefillAttempt.objects.filter(account_id=shop.id).order_by("first_sent_at"))


def with_backup(shop: Shop, default: str, backup: str) -> Shop:
    shop.ready("10.00", token=default)
    shop.backup(backup)
    return shop


def test_a_backup_card_is_tried_once_when_the_default_declines(shop: Shop) -> None:
    with_backup(shop, "sim_9995", "sim_4444")
    shop.run()
    refill = shop.refill()
    assert (refill.state, refill.attempt, shop.balance()) == ("succeeded", 2, Decimal(510))
    first, second = attempts(shop)
    assert (first.state, first.code, second.state) == ("declined", "insufficient_funds", "succeeded")
    assert first.idempotency_key != second.idempotency_key
    assert Invoice.objects.get().payment_note.endswith("by Mastercard ending 4444")
    shop.assert_sound()


def test_a_backup_that_declines_too_ends_the_refill(shop: Shop) -> None:
    with_backup(shop, "sim_9995", "sim_0002")
    shop.run(3)
    assert (shop.states(), len(shop.charges())) == ({"declined": 1}, 2)
    assert shop.refill().outcome == "The bank declined the card."


def test_the_same_number_under_another_token_is_no_backup(shop: Shop) -> None:
    shop.ready("10.00")
    default = shop.card("sim_9995", "one-number")
    backup = shop.card("sim_4444", "one-number", expires_year=2045)
    method.make_default(shop.id, default.id, OWNER)
    method.make_backup(shop.id, backup.id, OWNER)
    shop.run()
    assert (shop.states(), len(shop.charges())) == ({"declined": 1}, 1)


def test_a_decline_that_no_other_card_cures_is_not_taken_to_the_backup(shop: Shop) -> None:
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, Declined("amount_too_small", "The amount is too small."), 1)
    assert shop.states() == {"declined": 1}


def test_the_kill_switch_is_read_before_the_backup_too_twilio_2026_03_18(shop: Shop) -> None:
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, SOFT, 1)
    assert shop.states() == {"decided": 1}
    switch.turn(False, "Something is wrong", SUPPORT)
    shop.run()
    assert shop.states() == {"declined": 1}
    assert "insufficient funds. The backup card was not charged: Refills are switched off" in shop.refill().outcome
    assert shop.charges() == []


def test_while_the_default_rests_the_backup_is_charged(shop: Shop) -> None:
    with_backup(shop, "sim_9979", "sim_4444")
    shop.run()
    assert len(shop.charges()) == 2
    shop.use("500.00")
    shop.later(days=3)
    shop.run()
    assert [charge.token for charge in shop.charges()] == ["sim_9979", "sim_4444", "sim_4444"]


def test_a_card_that_was_refused_for_good_is_never_tried_again(shop: Shop) -> None:
    shop.ready("10.00", token="sim_9979")
    for _ in range(40):
        shop.run()
        shop.later(days=2)
    assert (len(shop.charges()), shop.stop().code) == (1, "card_refused")
    with pytest.raises(decide.RefillStopped, match="refused Visa •• 9979 for good"):
        run.ask(shop.account, "outbound", Decimal(100), OWNER)


def test_a_late_decline_of_the_first_attempt_does_not_end_the_second(shop: Shop) -> None:
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, SOFT, 1)
    send.begin(shop.id, refill_id)
    for late in (SOFT, ActionRequired(), Unknown()):
        assert settle(shop.id, refill_id, late, 1) == "charging"
    assert settle(shop.id, refill_id, Succeeded("two", Decimal(500), "USD"), 2) == "succeeded"
    assert shop.balance() == Decimal(510)


def test_two_successes_of_one_refill_are_credited_once_and_shown_to_a_person(shop: Shop) -> None:
    shop.ready("10.00")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, Succeeded("one", Decimal(500), "USD"))
    settle(shop.id, refill_id, Succeeded("two", Decimal(500), "USD"))
    assert (shop.balance(), Payment.objects.count()) == (Decimal(510), 1)
    [waiting] = person.waiting()
    assert waiting.question == "Charged twice: one was credited, two was not."
    with pytest.raises(Invalid, match="credited already"):
        person.resolve(shop.account, refill_id, "charged", "two", "x", SUPPORT)
    person.resolve(shop.account, refill_id, "given_back", "two", "Refunded two", SUPPORT)
    assert person.waiting() == []
    assert shop.states() == {"succeeded": 1}


def test_unknown_is_asked_about_after_4_seconds_30_seconds_5_minutes_and_then_every_5_minutes() -> None:
    asked, at = [], timedelta()
    for asks in range(6):
        at += pause_after(asks, at)
        asked.append(at.total_seconds())
    assert asked == [4, 30, 300, 600, 900, 1200]
    assert pause_after(1000, timedelta(hours=25)) == timedelta(hours=1)


@pytest.fixture(autouse=True)
def silent_gateways_charge_by_default() -> Iterator[None]:
    yield
    Silent.charges = True


@gateway_is("Silent")
def test_after_an_hour_of_silence_a_person_is_asked_and_asking_goes_on(shop: Shop) -> None:
    Silent.charges = True
    shop.ready("50.00")
    shop.run()
    for _ in range(11):
        health.forget()
        shop.later(minutes=5)
        shop.run()
    assert (shop.states(), person.waiting()) == ({"unknown": 1}, [])
    health.forget()
    shop.later(minutes=6)
    shop.run()
    [waiting] = person.waiting()
    assert "does not say whether this was charged" in waiting.question
    with gateway_is():
        health.forget()
        shop.later(minutes=6)
        shop.run()
    assert (shop.states(), person.waiting()) == ({"succeeded": 1}, [])
    shop.assert_sound()


@gateway_is("Silent")
def test_a_person_settles_by_what_the_dashboard_says(shop: Shop) -> None:
    refill = unanswered(shop)
    with pytest.raises(Forbidden):
        person.resolve(shop.account, refill.id, "charged", "ch_1", "Seen", SYSTEM)
    with pytest.raises(Invalid, match="what you saw"):
        person.resolve(shop.account, refill.id, "charged", "ch_1", " ", SUPPORT)
    with pytest.raises(Invalid, match="charge's name"):
        person.resolve(shop.account, refill.id, "charged", "", "Seen", SUPPORT)
    reference = shop.charges()[0].reference
    assert person.resolve(shop.account, refill.id, "charged", reference, "Seen", SUPPORT) == "succeeded"
    assert shop.balance() == Decimal(550)
    assert settle(shop.id, refill.id, Succeeded(reference, Decimal(500), "USD")) == "succeeded"
    assert shop.balance() == Decimal(550)
    with pytest.raises(Conflict):
        person.resolve(shop.account, refill.id, "charged", reference, "Seen", SUPPORT)
    entry = trail(shop.id).filter(action="refill.resolve").get()
    assert (entry.actor_name, entry.reason, entry.after["verdict"]) == (SUPPORT.name, "Seen", "charged")
    shop.assert_sound()


@gateway_is("Silent")
def test_a_person_may_say_that_it_was_not_charged_and_a_late_success_is_honoured(shop: Shop) -> None:
    refill = unanswered(shop, charges=False)
    assert person.resolve(shop.account, refill.id, "not_charged", "", "Not in the list", SUPPORT) == "withdrawn"
    [attempt] = attempts(shop)
    assert attempt.state == AttemptState.NEVER_RECEIVED
    assert settle(shop.id, refill.id, Succeeded("late", Decimal(500), "USD")) == "succeeded"
    assert shop.balance() == Decimal(550)


@gateway_is("Silent")
def test_what_a_person_gave_back_is_never_credited_when_the_gateway_tells_of_it_later(shop: Shop, caplog) -> None:
    refill = unanswered(shop)
    reference = shop.charges()[0].reference
    assert person.resolve(shop.account, refill.id, "given_back", reference, "Refunded", SUPPORT) == "withdrawn"
    late = Succeeded(reference, Decimal(500), "USD")
    for _ in range(2):
        assert settle(shop.id, refill.id, late, 1) == "withdrawn"
    assert (shop.balance(), Payment.objects.count()) == (Decimal(50), 0)
    [waiting] = person.waiting()
    assert waiting.question.startswith(f"{reference} was charged; somebody said that it was given back.")
    assert any(record.levelname == "ERROR" for record in caplog.records)
    with pytest.raises(Invalid, match="by hand"):
        person.resolve(shop.account, refill.id, "charged", reference, "It was not", SUPPORT)
    person.resolve(shop.account, refill.id, "given_back", reference, "Looked again: it is refunded", SUPPORT)
    settle(shop.id, refill.id, late, 1)
    assert (person.waiting(), shop.balance()) == ([], Decimal(50))
    [attempt] = attempts(shop)
    assert (attempt.state, attempt.reference) == (AttemptState.GIVEN_BACK, reference)


def unanswered(shop: Shop, charges: bool = True) -> Refill:
    Silent.charges = charges
    shop.ready("50.00")
    shop.run()
    health.forget()
    shop.later(minutes=61)
    shop.run()
    [waiting] = person.waiting()
    return waiting


def test_a_charge_that_is_not_of_this_refill_cant_be_named(shop: Shop) -> None:
    with gateway_is("Silent"):
        refill = unanswered(shop)
        mine, others = shop.charges()[0], a_charge_of_another(shop)
        failed = a_charge(shop, "sim_9995", key_of("refill", refill.id, 2))
        names = [(others, "of something else"), (failed, "is declined"), ("sim_0", "no charge of this name")]
        for reference, says in names:
            with pytest.raises(Invalid, match=says):
                person.resolve(shop.account, refill.id, "charged", reference, "Seen", SUPPORT)
        back = RefundRequest(shop.id, "back", mine.reference, Decimal(1), "USD")
        Simulated().refund(back)
        with pytest.raises(Invalid, match="given back"):
            person.resolve(shop.account, refill.id, "charged", mine.reference, "Seen", SUPPORT)
    assert (shop.balance(), Payment.objects.count()) == (Decimal(50), 0)


def test_a_charge_that_is_booked_already_cant_be_named_even_while_the_gateway_is_away(shop: Shop) -> None:
    with gateway_is("Silent"):
        refill = unanswered(shop)
    with transaction.atomic():
        receive(shop.id, "simulated", "ch_parked", Decimal(500), "USD", "Visa", OWNER.name)
    with override_settings(GATEWAYS={}), pytest.raises(Invalid, match="books have this charge already"):
        person.resolve(shop.account, refill.id, "charged", "ch_parked", "Seen", SUPPORT)
    assert shop.balance() == Decimal(50)


def test_the_gateway_has_the_last_word_over_a_person(shop: Shop) -> None:
    with gateway_is("Silent"):
        refill = unanswered(shop)
    with pytest.raises(Conflict, match="it was charged"):
        person.resolve(shop.account, refill.id, "not_charged", "", "Not there", SUPPORT)
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(550))
    shop.assert_sound()


def test_what_was_not_charged_cant_have_been_given_back(shop: Shop) -> None:
    with gateway_is("Silent"):
        refill = unanswered(shop, charges=False)
    with pytest.raises(Conflict, match="nothing to give back"):
        person.resolve(shop.account, refill.id, "given_back", "", "Refunded", SUPPORT)
    assert shop.states() == {"unknown": 1}


def in_a_backup(shop: Shop) -> Refill:
    """A refill of whose first attempt a person was asked before it declined; the second is under way."""
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    shop.later(minutes=61)
    settle(shop.id, refill_id, Unknown(), 1)
    [asked] = person.waiting()
    settle(shop.id, refill_id, SOFT, 1)
    send.begin(shop.id, refill_id)
    return asked


def test_a_question_about_the_first_attempt_ends_with_it(shop: Shop) -> None:
    asked = in_a_backup(shop)
    assert (person.waiting(), shop.refill().question) == ([], "")
    with pytest.raises(Conflict):
        person.resolve(shop.account, asked.id, "not_charged", "", "Not there", SUPPORT)
    assert settle(shop.id, asked.id, Succeeded("two", Decimal(500), "USD"), 2) == "succeeded"


def test_an_answer_about_the_first_attempt_does_not_end_the_second(shop: Shop) -> None:
    asked = in_a_backup(shop)
    with pytest.raises(Conflict, match="meanwhile"), transaction.atomic():
        person._close(asked, "not_charged", "", "Not there", SUPPORT)
    assert shop.states() == {"charging": 1}


def test_a_wrong_sum_stays_the_question_when_the_time_is_over(shop: Shop) -> None:
    shop.ready("50.00", rule=other(automatic=False))
    refill_id = run.ask(shop.account, "outbound", Decimal(100), OWNER).id
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, ActionRequired(reference="ch_1"))
    settle(shop.id, refill_id, Succeeded("ch_1", Decimal(5), "USD"))
    shop.later(hours=26)
    settle(shop.id, refill_id, Unknown())
    [asked] = person.waiting()
    assert asked.question.startswith("ch_1: $5.00 was charged instead of $100.00.")
    with pytest.raises(Invalid, match="another sum"):
        person.resolve(shop.account, asked.id, "charged", "ch_1", "Seen", SUPPORT)


def test_a_question_about_money_outlives_what_is_told_later(shop: Shop) -> None:
    """A wrong sum was taken: neither a decline under the same key nor the right sum in another charge gives that back."""
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, Succeeded("ch_wrong", Decimal(5), "USD"), 1)
    assert settle(shop.id, refill_id, SOFT, 1) == "unknown", "money was taken under this key: no backup is charged"
    assert settle(shop.id, refill_id, Succeeded("ch_right", Decimal(500), "USD"), 1) == "succeeded"
    [waits] = person.waiting()
    assert waits.question.startswith("ch_wrong: $5.00 was charged instead of $500.00.")
    person.resolve(shop.account, refill_id, "given_back", "ch_wrong", "Given back there", SUPPORT)
    settle(shop.id, refill_id, Succeeded("ch_wrong", Decimal(5), "USD"), 1)
    assert person.waiting() == [], "answered once"


def test_a_charge_that_cant_be_booked_is_put_before_a_person_and_not_asked_about_on_and_on(shop: Shop) -> None:
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    line = DraftLine("Something else", "", Decimal(1), Decimal(5), Decimal(5), "revenue:other")
    with transaction.atomic():
        issue(shop.account, Draft(InvoiceKind.REFILL, str(refill_id), today_in(shop.account), [line]))
    shop.run()
    refill = shop.refill()
    assert (refill.state, shop.balance(), Payment.objects.count()) == ("charging", Decimal(50), 0)
    reference = shop.charges()[0].reference
    question = f"{reference} was charged, and can't be booked: This has been invoiced already. It is tried again."
    assert [one.question for one in person.waiting()] == [question]
    assert send.attempt_of(refill).reference == reference, "the gateway has told of it: it is never taken for lost"
    shop.later(seconds=30)
    assert shop.run() == 0, "not every few seconds"
    shop.later(minutes=6)
    shop.run()
    assert [one.question for one in person.waiting()] == [question]
    with shop.db.connect("owner") as owner:
        owner.execute("UPDATE invoice SET cause = 'another' WHERE cause = %s", [str(refill_id)])
    shop.later(minutes=6)
    shop.run()
    assert (shop.states(), shop.balance(), person.waiting()) == ({"succeeded": 1}, Decimal(550), [])


def test_what_was_given_back_before_it_could_be_booked_is_never_credited(shop: Shop) -> None:
    """The charge of a refill that had ended is told of late, and can't be booked; staff give the money back there."""
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    settle(shop.id, refill_id, SOFT, 1)
    with pytest.raises(ValueError, match="without a reference"):
        settle(shop.id, refill_id, Succeeded("", Decimal(500), "USD"), 1)
    assert [one.state for one in person.waiting()] == ["declined"]
    person.resolve(shop.account, refill_id, "given_back", "ch_1", "Given back there", SUPPORT)
    settle(shop.id, refill_id, Succeeded("ch_1", Decimal(500), "USD"), 1)
    assert (shop.states(), shop.balance()) == ({"declined": 1}, Decimal(50))
    [asked] = person.waiting()
    assert asked.question.startswith("ch_1 was charged; somebody said that it was given back")


def test_no_backup_is_charged_while_a_captured_charge_waits_to_be_booked(shop: Shop) -> None:
    with_backup(shop, "sim_4242", "sim_4444")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    assert settle(shop.id, refill_id, SOFT, 1) == "decided"
    with pytest.raises(ValueError, match="without a reference"):
        settle(shop.id, refill_id, Succeeded("", Decimal(500), "USD"), 1)
    assert send.begin(shop.id, refill_id) is None
    settle(shop.id, refill_id, Succeeded("ch_1", Decimal(500), "USD"), 1)
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(510))


def test_a_charge_that_is_in_the_books_already_is_never_credited(shop: Shop) -> None:
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    with transaction.atomic():
        receive(shop.id, "simulated", "ch_1", Decimal(500), "USD", "Visa", OWNER.name)
    settle(shop.id, refill_id, Succeeded("ch_1", Decimal(500), "USD"))
    assert (shop.states(), shop.balance()) == ({"charging": 1}, Decimal(50))
    [asked] = person.waiting()
    assert asked.question.startswith("ch_1: the books have it already")


def test_refills_that_wait_to_be_sent_keep_no_other_from_being_asked_about(shop: Shop) -> None:
    shops = [shop, *(Shop(shop.db, f"shop-{number}") for number in range(4))]
    for one in shops:
        one.ready("50.00")
    sent = decide.decide(shop.id, "outbound")
    send.begin(shop.id, sent)
    shop.later(minutes=1)
    waiting = [decide.decide(one.id, "outbound") for one in shops[1:]]
    found = [one.refill_id for one in unfinished(2)]
    assert sent in found and len(set(found) & set(waiting)) == 2


def test_both_questions_of_a_refill_stay_until_they_are_answered(shop: Shop) -> None:
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    for reference in ("ch_a", "ch_b", "ch_a"):
        settle(shop.id, refill_id, Succeeded(reference, Decimal(5), "USD"))
    [asked] = person.waiting()
    assert [line[:5] for line in asked.question.split("\n")] == ["ch_a:", "ch_b:"]
    for reference in ("ch_a", "ch_b"):
        with pytest.raises(Invalid, match="another sum"):
            person.resolve(shop.account, refill_id, "charged", reference, "Seen", SUPPORT)
    with override_settings(GATEWAYS={}):
        person.resolve(shop.account, refill_id, "charged", "ch_right", "Seen", SUPPORT)
    assert shop.states() == {"succeeded": 1}
    [asked] = person.waiting()
    assert asked.question.startswith("ch_a:"), "what was taken besides is not given back by that"


def a_charge(shop: Shop, token: str, key: str) -> str:
    """Have the gateway charge under this key, past the refill machine; its name there."""
    request = ChargeRequest(shop.id, key, token, Decimal(500), "USD")
    Simulated().charge(request)
    return SimulatedCharge.objects.get(idempotency_key=key).reference


def a_charge_of_another(shop: Shop) -> str:
    return a_charge(shop, "sim_4242", key_of("refill", new_id()))


@gateway_is("Overcharging")
def test_a_wrong_sum_waits_for_a_person_and_can_not_be_credited_by_one(shop: Shop) -> None:
    shop.ready("50.00")
    shop.run()
    [waiting] = person.waiting()
    assert "$5.00 was charged instead of $500.00" in waiting.question
    reference = waiting.question.split(":")[0]
    with pytest.raises(Invalid, match="another sum"):
        person.resolve(shop.account, waiting.id, "charged", reference, "Seen", SUPPORT)
    assert person.resolve(shop.account, waiting.id, "given_back", reference, "Refunded", SUPPORT) == "withdrawn"
    assert (shop.balance(), person.waiting()) == (Decimal(50), [])


@gateway_is("Deaf")
def test_a_key_that_the_gateway_may_have_forgotten_is_never_sent_again(shop: Shop) -> None:
    Deaf.heard.clear()
    shop.ready("50.00")
    shop.run()
    sent = len(Deaf.heard)
    shop.later(hours=22, minutes=50)
    shop.run()
    assert len(Deaf.heard) == sent + 1, "within 23 hours it is"
    shop.later(minutes=20)
    refill_id = shop.refill().id
    shop.run()
    assert shop.states() == {"unknown": 1}, "what was sent a moment ago may still arrive"
    shop.later(minutes=55)
    shop.run()
    assert Refill.objects.get(account_id=shop.id, id=refill_id).state == "withdrawn"
    assert len({key for key in Deaf.heard if str(refill_id) in key}) == 1


def test_a_confirmation_is_shown_and_its_expiry_frees_the_wallet(shop: Shop) -> None:
    shop.ready("50.00", token="sim_3184")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    waits = ActionRequired("Confirm.", "https://gateway.example/confirm", "pi_1")
    settle(shop.id, refill_id, waits)
    refill = shop.refill()
    assert (refill.state, refill.confirm_url) == ("action_required", "https://gateway.example/confirm")
    assert refill.confirm_by is not None
    assert attempts(shop)[0].reference == "pi_1"
    shop.later(hours=25)
    assert settle(shop.id, refill_id, waits) == "action_required", "until the gateway has ended it"
    settle(shop.id, refill_id, Declined(CANCELED, "Cancelled."))
    refill = shop.refill()
    assert (refill.state, refill.outcome) == ("declined", "Nobody confirmed the payment in time.")
    assert settle(shop.id, refill_id, Succeeded("pi_1", Decimal(500), "USD")) == "succeeded", "confirmed after all"


def test_a_customer_gives_a_confirmation_up(shop: Shop) -> None:
    shop.ready("50.00", token="sim_3184", rule=other(automatic=False))
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    refill = shop.refill()
    with rows_of(shop.id):
        person.give_up(shop.account, refill.id, OWNER)
    with pytest.raises(Conflict):
        person.give_up(shop.account, refill.id, OWNER)
    shop.run()
    assert shop.refill().outcome == f"{OWNER.name} gave it up."
    assert shop.states() == {"withdrawn": 1}
    shop.card("sim_4242")
    run.ask(shop.account, "outbound", Decimal(100), OWNER)


def test_a_refused_request_is_no_attempt_at_the_card_and_is_repeated_less_and_less(shop: Shop) -> None:
    """Only what reaches the card's network counts for its limits; yet nothing is sent again and again."""
    Refusing.heard.clear()
    with_backup(shop, "sim_4242", "sim_4444")
    with gateway_is("Refusing"):
        shop.run(3)
        assert (len(Refusing.heard), shop.states()) == (1, {"withdrawn": 1})
        assert shop.stop().code == "request_refused"
        [asked] = person.waiting()
        assert asked.question == "The gateway refuses the request itself, so see to the settings: Invalid currency: xyz"
        for _ in range(24 * 6):
            shop.later(minutes=10)
            shop.run()
        assert 4 < len(Refusing.heard) < 10, "after 15 minutes, then twice as late each time"
        assert len(person.waiting()) == 1, "one question, however often it is refused"
    facts = brakes.choose(shop.account, shop.wallet().id, None, Decimal(100), automatic=True)
    assert (facts.card.token, facts.record.failed_today, facts.record.in_flight) == ("sim_4242", 0, 0)
    person.resolve(shop.account, asked.id, "not_charged", "", "The currency is set", SUPPORT)
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    assert [charge.token for charge in shop.charges()] == ["sim_4242"]
    shop.later(minutes=1)
    shop.use("110.00")
    shop.run()
    assert len(shop.charges()) == 2, "it took a request since"


def test_an_account_has_a_limit_over_all_its_wallets(shop: Shop) -> None:
    limits.set_account_limit(shop.account, Decimal("800.00"), "A new customer", SUPPORT)
    shop.ready("50.00")
    shop.run()
    with pytest.raises(decide.RefillStopped, match=r"limit of \$800.00 a month for all wallets; \$500.00 are charged"):
        run.ask(shop.account, "inbound", Decimal(301), OWNER)
    run.ask(shop.account, "inbound", Decimal(300), OWNER)
    shop.use("500.00")
    shop.run()
    assert shop.stop().code == "account_cap"
    limits.set_account_limit(shop.account, None, "Known by now", SUPPORT)
    shop.run()
    assert shop.stop() is None
    shop.assert_sound()


@pytest.mark.parametrize("passed", [{"charges_an_hour": 2}, {"money_an_hour": 120_000}])
def test_the_operator_has_limits_over_all_accounts_new_years_day(shop: Shop, passed: dict[str, int]) -> None:
    usual = {"account_month": 10**9, "charges_an_hour": 10**9, "money_an_hour": 10**9}
    shops = [shop, Shop(shop.db, "contoso"), Shop(shop.db, "fabrikam")]
    for one in shops:
        one.ready("50.00")
    with override_settings(REFILL_LIMITS=usual | passed):
        shop.run(3)
        assert sum(len(one.refills()) for one in shops) == 2
        [stopped] = [one for one in shops if one.stop()]
        assert stopped.stop().code == "operator_limit"
        for one in shops:
            one.later(minutes=61)
        shop.run()
    assert sum(len(one.refills()) for one in shops) == 3


def test_a_correction_of_usage_is_no_adjustment(shop: Shop) -> None:
    """What gives back must not keep a wallet, which use has brought low, from its refill."""
    shop.ready("60.00")
    shop.use("30.00")
    event = shop.events()[-1]
    reverse(shop.id, Reversal(str(new_id()), event.event_id, event.occurred_at, Decimal(1), reason="A test"))
    shop.run()
    assert (shop.states(), shop.stop()) == ({"succeeded": 1}, None)


@gateway_is("Silent")
def test_while_the_gateway_is_silent_wallets_wait_visibly_and_go_on_by_themselves(shop: Shop) -> None:
    Silent.charges = False
    shops = [shop, *(Shop(shop.db, f"shop-{number}") for number in range(5))]
    for one in shops:
        one.ready("50.00")
    with override_settings(REFILLS_AT_ONCE=1):
        shop.run()
    states = [state for one in shops for state in one.states().elements()]
    assert states == ["unknown"] * 3, "after three silences nobody else is sent"
    assert {one.stop().code for one in shops if one.stop()} == {"gateway_away"}
    with gateway_is():
        health.forget()
        for one in shops:
            one.later(minutes=5)
        shop.run(2)
    assert all(one.states() == {"succeeded": 1} for one in shops)


@gateway_is("Silent")
def test_wallets_that_wait_for_a_silent_gateway_are_not_locked_again_and_again(shop: Shop) -> None:
    """Every use wakes the worker: looking at each of them each time would cost those who send usage."""
    Silent.charges = False
    shops = [shop, *(Shop(shop.db, f"shop-{number}") for number in range(7))]
    for one in shops:
        one.ready("50.00")
    said: list[str] = []

    def listen(execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
        said.append(statement)
        return execute(statement, *rest)

    with override_settings(REFILLS_AT_ONCE=1):
        shop.run()
        with connection.execute_wrapper(listen):
            shop.run()
    assert sum(one.stop() is not None for one in shops) == 5
    assert said and not any("FOR UPDATE" in statement or "FOR NO KEY UPDATE" in statement for statement in said)


@gateway_is("Silent")
def test_a_manual_refill_waits_as_it_is_while_the_gateway_is_silent(shop: Shop) -> None:
    shop.card()
    for _ in range(3):
        health.heard("simulated", answered=False)
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    assert shop.states() == {"decided": 1}
    with gateway_is():
        health.forget()
        shop.run()
    assert shop.states() == {"succeeded": 1}


def test_several_refills_are_charged_at_once(shop: Shop) -> None:
    shops = [shop, *(Shop(shop.db, f"shop-{number}") for number in range(7))]
    for one in shops:
        one.ready("50.00")
    with override_settings(REFILLS_AT_ONCE=4):
        shop.run(2)
    assert all(one.states() == {"succeeded": 1} for one in shops)
    shop.assert_sound()


def test_a_card_that_was_removed_is_not_charged_and_the_next_decision_takes_another(shop: Shop) -> None:
    with_backup(shop, "sim_4242", "sim_4444")
    decide.decide(shop.id, "outbound")
    method.remove(shop.id, method.default_of(shop.id).id, OWNER)
    shop.run()
    assert (shop.states(), shop.charges()) == ({"withdrawn": 1}, [])


def test_eight_requests_at_once_without_a_rule_open_one_refill_lago_1962(shop: Shop) -> None:
    """Nothing else keeps them apart there: no rule's row to lock, different requests."""
    shop.card()

    def one() -> None:
        with contextlib.suppress(Conflict):
            run.ask(shop.account, "outbound", Decimal(10), OWNER, str(new_id()))

    together(8, one)
    assert len(shop.refills()) == 1


def test_eight_decisions_at_once_share_the_room_under_a_limit_new_years_day(shop: Shop) -> None:
    shops = [shop, *(Shop(shop.db, f"shop-{number}") for number in range(7))]
    for one in shops:
        one.ready("50.00")
    waiting = iter(shops)
    limits_ = {"account_month": 10**9, "charges_an_hour": 3, "money_an_hour": 10**9}
    with override_settings(REFILL_LIMITS=limits_):
        together(8, lambda: decide.decide(next(waiting).id, "outbound"))
    assert sum(len(one.refills()) for one in shops) == 3


def test_open_refills_count_against_the_accounts_limit(shop: Shop) -> None:
    limits.set_account_limit(shop.account, Decimal("800.00"), "A new customer", SUPPORT)
    shop.ready("50.00")
    decide.decide(shop.id, "outbound")
    with pytest.raises(decide.RefillStopped, match=r"\$500.00 are charged"):
        run.ask(shop.account, "inbound", Decimal(301), OWNER)


def test_a_charge_is_not_asked_about_before_its_time(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408")
    shop.run()
    assert send.claim(shop.id, shop.refill().id) is None
    shop.later(seconds=5)
    assert send.claim(shop.id, shop.refill().id) is not None
    assert send.claim(shop.id, shop.refill().id) is None
