"""One refill, from due to paid; what each incident elsewhere taught (the names are in the tests)."""

import contextlib
import threading
from decimal import Decimal

import pytest
from django.db import connection, connections, transaction

from tests.payments.gateways import Deaf
from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, other
from tests.together import together
from tollbook.errors import Conflict, Invalid
from tollbook.invoicing.tables import Invoice, OpenBalance
from tollbook.payments import attempts, gateway, method
from tollbook.payments.gateway import ActionRequired, Declined, Succeeded, Unknown
from tollbook.payments.tables import Payment
from tollbook.postgres.scope import rows_of
from tollbook.refills import decide, history, run, send, stops, switch
from tollbook.refills.due import due_wallets
from tollbook.refills.settle import settle
from tollbook.refills.tables import RefillRule
from tollbook.wallets.credit import adjust


def test_a_wallet_at_its_minimum_is_refilled_invoiced_and_paid_in_one_go(shop: Shop) -> None:
    shop.ready("50.00")
    assert shop.run() == 1
    refill = shop.refill()
    assert (refill.state, refill.amount, shop.balance()) == ("succeeded", Decimal(500), Decimal(550))
    invoice = Invoice.objects.get(account_id=shop.id, id=refill.invoice_id)
    assert (invoice.kind, invoice.total) == ("refill", Decimal(500))
    assert invoice.payment_note.startswith("Paid ") and invoice.payment_note.endswith("by Visa ending 4242")
    assert OpenBalance.objects.get(account_id=shop.id, invoice_id=invoice.id).balance == 0
    payment = Payment.objects.get(account_id=shop.id)
    assert (payment.amount, payment.charge_reference) == (Decimal(500), refill.charge_reference)
    shop.assert_sound()


def test_a_wallet_above_its_minimum_is_left_alone(shop: Shop) -> None:
    shop.ready("50.01")
    assert shop.run() == 0
    assert shop.refills() == []


def test_a_rule_that_is_not_automatic_charges_nothing(shop: Shop) -> None:
    shop.ready("10.00", rule=other(automatic=False))
    assert shop.run() == 0


def test_an_open_refill_counts_so_no_second_one_is_made_lago_1962(shop: Shop) -> None:
    shop.ready("50.00", token="sim_3184")
    shop.run(5)
    shop.use("40.00")
    shop.later(minutes=5)
    shop.run(5)
    assert shop.states() == {"action_required": 1}
    assert len(shop.charges()) == 1


def test_one_charge_closes_a_gap_of_several_refill_amounts_lago_api_6177_and_plivo(shop: Shop) -> None:
    shop.ready("1.00", rule=other(refill_amount="10.00", minimum_before_refill="40.00"))
    shop.use("6.00")
    shop.run()
    assert shop.refill().amount == Decimal("50.00")
    assert [charge.amount for charge in shop.charges()] == [Decimal(50)]
    assert shop.balance() == Decimal(45)


def test_a_balance_exactly_lifted_to_the_minimum_is_not_enough(shop: Shop) -> None:
    shop.ready("40.00", rule=other(refill_amount="10.00", minimum_before_refill="50.00"))
    shop.run()
    assert shop.refill().amount == Decimal("20.00")


def test_the_history_says_why_what_and_with_which_result(shop: Shop) -> None:
    shop.ready("49.20")
    shop.run()
    [row] = history.of_wallet(shop.id, shop.wallet().id)
    assert row.reason == "The balance of $49.20 was at or below the minimum of $50.00."
    assert (row.trigger_balance, row.result, row.attempts) == (Decimal("49.20"), "Succeeded", 1)
    assert (row.card, row.invoice_number) == ("Visa •• 4242", Invoice.objects.get().number)
    assert history.of_wallet(shop.id, shop.wallet().id, before=row.id) == []


def test_a_declined_card_is_told_and_nothing_is_credited(shop: Shop) -> None:
    shop.ready("10.00", token="sim_9995")
    shop.run()
    refill = shop.refill()
    assert (refill.state, refill.outcome) == ("declined", "The card has insufficient funds.")
    assert shop.balance() == Decimal(10)
    assert (Payment.objects.count(), Invoice.objects.count()) == (0, 0)
    shop.assert_sound()


def test_a_failure_keeps_its_claim_and_the_card_rests_akash_3660_and_3756(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    for _ in range(30):
        shop.run()
        shop.later(minutes=9)
    assert len(shop.charges()) == 4
    assert shop.stop().code == "card_failures"
    for _ in range(39):
        shop.run()
        shop.later(hours=18)
    assert len(shop.charges()) == 8


def test_the_pause_doubles_with_each_failure(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    shop.run(3)
    assert (shop.states(), shop.stop().code) == ({"declined": 1}, "cooling_down")
    shop.later(minutes=15)
    shop.run(3)
    assert shop.states() == {"declined": 2}
    shop.later(minutes=29)
    shop.run(3)
    assert shop.states() == {"declined": 2}
    shop.later(minutes=1)
    shop.run(3)
    assert shop.states() == {"declined": 3}


def test_another_card_need_not_wait_for_the_first_ones_pause(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    shop.run(2)
    shop.card("sim_4444")
    shop.run()
    assert shop.states() == {"declined": 1, "succeeded": 1}
    assert shop.stop() is None


def test_a_card_removed_and_added_again_keeps_its_record(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    for _ in range(4):
        shop.run()
        shop.later(hours=2)
    method.remove(shop.id, method.default_of(shop.id).id, OWNER)
    shop.card("sim_0002")
    shop.run(2)
    assert len(shop.charges()) == 4


def test_a_number_keeps_its_record_under_another_token(shop: Shop) -> None:
    """Whoever saves the same card again gets no further tries for it."""
    shop.credit("20.00")
    shop.use("1.00")
    shop.card("sim_0002", "one-number")
    shop.rule()
    for _ in range(3):
        shop.run()
        shop.later(hours=2)
    method.remove(shop.id, method.default_of(shop.id).id, OWNER)
    shop.card("sim_9995", "one-number")
    for _ in range(3):
        shop.run()
        shop.later(hours=2)
    assert (len(shop.charges()), shop.stop().code) == (4, "card_failures")


def test_a_number_that_was_refused_for_good_is_not_tried_under_another_token_until_it_is_renewed(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    shop.card("sim_9979", "one-number")
    shop.rule()
    shop.run()
    method.remove(shop.id, method.default_of(shop.id).id, OWNER)
    again = shop.card("sim_4242", "one-number")
    shop.later(hours=2)
    shop.run(2)
    assert (len(shop.charges()), shop.stop().code) == (1, "card_refused")
    method.remove(shop.id, again.id, OWNER)
    shop.card("sim_4444", "one-number", expires_year=2045)
    shop.run()
    assert shop.states() == {"declined": 1, "succeeded": 1}


def test_a_card_that_its_bank_renewed_is_tried_again(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    card = shop.card("sim_9979")
    shop.rule()
    shop.run()
    shop.later(hours=2)
    shop.run()
    assert (len(shop.charges()), shop.stop().code) == (1, "card_refused")
    renewed = method.NewMethod("simulated", card.token, card.brand, card.last4, 12, 2045)
    assert method.refresh(shop.id, renewed)
    shop.run()
    assert len(shop.charges()) == 2


def test_tries_for_invoices_without_an_answer_count_for_as_long_as_there_is_none(shop: Shop) -> None:
    card = method.default_of(shop.ready("50.00").id)
    for number in range(4):
        attempts.begin(card, f"invoice:{number}")
    shop.later(minutes=10)
    shop.run()
    assert (shop.charges(), shop.stop().code) == ([], "card_busy")
    attempts.excused(shop.id, "invoice:0")
    shop.run()
    assert shop.states() == {"succeeded": 1}


def test_a_lost_answer_is_resolved_by_asking_never_by_charging_again(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408")
    shop.run()
    assert shop.states() == {"unknown": 1}
    shop.run(3)
    assert shop.states() == {"unknown": 1}
    shop.later(seconds=5)
    shop.run()
    assert shop.states() == {"succeeded": 1}
    assert len(shop.charges()) == 1
    shop.assert_sound()


@gateway_is("Failing")
def test_a_gateway_that_fails_unforeseen_is_asked_later(shop: Shop) -> None:
    shop.ready("50.00")
    shop.run()
    assert shop.states() == {"unknown": 1}
    shop.later(seconds=5)
    shop.run()
    assert shop.states() == {"succeeded": 1}
    shop.assert_sound()


@gateway_is("Deaf")
def test_a_charge_that_never_arrived_is_sent_again_under_the_same_key(shop: Shop) -> None:
    Deaf.heard.clear()
    shop.ready("50.00")
    shop.run()
    for _ in range(3):
        shop.later(minutes=16)
        shop.run()
    assert len(Deaf.heard) > 1
    assert set(Deaf.heard) == {gateway.key_of("refill", shop.refill().id)}


@gateway_is("Deaf")
def test_a_charge_that_never_arrived_is_not_sent_again_once_the_rule_is_off(shop: Shop) -> None:
    Deaf.heard.clear()
    shop.ready("50.00")
    shop.run()
    shop.rule(other(automatic=False))
    for _ in range(3):
        shop.later(minutes=16)
        shop.run()
        assert shop.states() == {"unknown": 1}
    shop.later(minutes=16)
    shop.run()
    assert shop.states() == {"withdrawn": 1}
    assert len(Deaf.heard) == 1


def test_a_success_that_comes_after_all_is_honoured(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0002")
    shop.run()
    refill = shop.refill()
    assert settle(shop.id, refill.id, Succeeded("late", Decimal(500), "USD")) == "succeeded"
    assert shop.balance() == Decimal(550)
    assert settle(shop.id, refill.id, Declined("card_declined", "No.")) == "succeeded"
    assert settle(shop.id, refill.id, Unknown()) == "succeeded"
    assert settle(shop.id, refill.id, ActionRequired()) == "succeeded"


def test_an_answer_brought_eight_times_at_once_credits_once_akash_3449_and_autogpt_10672(shop: Shop) -> None:
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    charge = send.begin(shop.id, refill_id)
    answer = gateway.charge(charge.gateway, charge.request)
    together(8, lambda: settle(shop.id, refill_id, answer))
    assert shop.balance() == Decimal(550)
    assert (Payment.objects.count(), Invoice.objects.count()) == (1, 1)
    shop.assert_sound()


def test_the_intent_is_committed_before_the_gateway_hears_of_it_statamic_cargo_and_polar_10728(shop: Shop) -> None:
    """A webhook that comes before the charge's own answer finds the refill."""
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    charge = send.begin(shop.id, refill_id)
    with shop.db.connect() as other_process:
        state = other_process.execute("SELECT state FROM refill WHERE id = %s", [refill_id]).fetchone()
    assert state == ("charging",)
    answer = gateway.charge(charge.gateway, charge.request)
    assert settle(shop.id, refill_id, answer) == "succeeded"
    assert settle(shop.id, refill_id, answer) == "succeeded"
    assert shop.balance() == Decimal(550)


@gateway_is("Overcharging")
def test_a_wrong_sum_in_the_answer_credits_nothing_and_alarms(shop: Shop, caplog) -> None:
    shop.ready("50.00")
    shop.run()
    for _ in range(3):
        shop.later(minutes=16)
        shop.run()
    refill = shop.refill()
    assert refill.state == "unknown"
    assert "$5.00 instead of $500.00" in refill.outcome
    assert shop.balance() == Decimal(50)
    assert any(record.levelname == "ERROR" for record in caplog.records)
    assert settle(shop.id, refill.id, Succeeded("x", Decimal(500), "EUR")) == "unknown"
    assert shop.balance() == Decimal(50)


def test_an_adjustment_never_triggers_a_refill_twilio_2026_03_18(shop: Shop) -> None:
    shop.ready("400.00")
    shop.later(days=90)
    adjust(shop.id, "outbound", Decimal(-380), "paid", "A wrong correction", SUPPORT)
    shop.run(3)
    assert (shop.refills(), shop.stop().code) == ([], "adjusted")
    assert "adjusted by hand" in history.stop_of(shop.id, shop.wallet().id).reason
    shop.use("0.01")
    shop.run()
    assert shop.states() == {"succeeded": 1}
    assert shop.stop() is None


def test_a_grant_does_not_trigger_one_either_and_a_person_may(shop: Shop) -> None:
    shop.ready("20.00", rule=other(automatic=False))
    shop.rule()
    adjust(shop.id, "outbound", Decimal(5), "granted", "Goodwill", SUPPORT)
    shop.run(2)
    assert shop.stop().code == "adjusted"
    run.ask(shop.account, "outbound", Decimal("25.00"), OWNER)
    shop.run()
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(50))


def test_a_rule_set_after_the_adjustment_is_a_persons_word(shop: Shop) -> None:
    shop.credit("20.00")
    shop.card()
    shop.rule()
    shop.run()
    assert shop.states() == {"succeeded": 1}


def test_the_kill_switch_stops_decisions_and_is_visible_twilio_2026_03_18(shop: Shop) -> None:
    shop.ready("10.00")
    switch.turn(False, "Balances are being checked", SUPPORT)
    shop.run(3)
    assert shop.refills() == []
    assert (shop.stop().code, shop.stop().until_at) == ("switched_off", None)
    with pytest.raises(decide.RefillStopped, match="Balances are being checked"):
        run.ask(shop.account, "outbound", Decimal(100), OWNER)
    switch.turn(True, "Checked", SUPPORT)
    shop.run()
    assert (shop.states(), shop.stop()) == ({"succeeded": 1}, None)


def test_the_kill_switch_is_read_again_when_money_would_move_twilio_2026_03_18(shop: Shop) -> None:
    shop.ready("10.00")
    refill_id = decide.decide(shop.id, "outbound")
    switch.turn(False, "Something is wrong", SUPPORT)
    assert run.step(shop.id, refill_id) is False
    assert shop.states() == {"withdrawn": 1}
    assert shop.charges() == []
    assert shop.refill().outcome == "Refills are switched off for everybody: Something is wrong"


@pytest.mark.parametrize(
    ("meanwhile", "outcome"),
    [
        (lambda shop: shop.rule(other(automatic=False)), "switched off before"),
        (lambda shop: shop.rule(other(refill_amount="200.00")), "rule was changed before"),
        (lambda shop: shop.credit("100.00"), "filled otherwise before"),
        (lambda shop: method.remove(shop.id, method.default_of(shop.id).id, OWNER), "card was removed"),
    ],
)
def test_a_decision_that_does_not_hold_any_more_is_withdrawn_before_the_charge(shop: Shop, meanwhile, outcome) -> None:
    shop.ready("10.00")
    refill_id = decide.decide(shop.id, "outbound")
    meanwhile(shop)
    run.step(shop.id, refill_id)
    assert shop.refill().state == "withdrawn"
    assert outcome in shop.refill().outcome
    assert shop.charges() == []


def test_five_automatic_refills_in_an_hour_trip_the_breaker_new_years_day(shop: Shop) -> None:
    shop.ready("50.00", rule=other(max_charges_per_day=50, monthly_cap="1000000.00"))
    for _ in range(12):
        shop.run()
        shop.use("500.00")
    assert shop.states() == {"succeeded": 5}
    assert shop.stop().code == "velocity"
    shop.use("1.00")
    assert shop.balance() < 0, "service goes on"


def test_only_a_person_releases_the_breaker_time_does_not_new_years_day(shop: Shop) -> None:
    shop.ready("50.00", rule=other(max_charges_per_day=50, monthly_cap="1000000.00"))
    for _ in range(7):
        shop.run()
        shop.use("500.00")
    shop.later(hours=30)
    shop.run(3)
    assert shop.states() == {"succeeded": 5}
    assert shop.stop().code == "velocity"
    stops.release(shop.account, "outbound", OWNER)
    shop.run()
    assert shop.states() == {"succeeded": 6}
    assert shop.stop() is None


def test_nothing_turns_a_rule_on_again_codex_31987(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    shop.run()
    shop.rule(other(automatic=False))
    switch.turn(False, "x", SUPPORT)
    switch.turn(True, "y", SUPPORT)
    shop.card("sim_4242")
    run.ask(shop.account, "outbound", Decimal(30), OWNER)
    for _ in range(5):
        shop.later(hours=5)
        shop.run()
    assert RefillRule.objects.get(account_id=shop.id).automatic is False
    assert shop.states() == {"declined": 1, "succeeded": 1}


def test_the_daily_count_stops_and_says_until_when_lago_api_6103(shop: Shop) -> None:
    shop.ready("50.00", rule=other(max_charges_per_day=2))
    for _ in range(4):
        shop.run()
        shop.use("500.00")
    assert shop.states() == {"succeeded": 2}
    assert shop.stop().code == "daily_count"
    assert shop.stop().until_at is not None
    shop.later(hours=24)
    shop.run()
    assert shop.states() == {"succeeded": 3}


def test_a_refill_over_the_monthly_cap_is_refused_visibly_lago_api_5992_and_6103(shop: Shop) -> None:
    shop.ready("50.00", rule=other(monthly_cap="1200.00"))
    for _ in range(4):
        shop.run()
        shop.use("500.00")
    assert shop.states() == {"succeeded": 2}
    stop = history.stop_of(shop.id, shop.wallet().id)
    assert stop.code == "monthly_cap"
    assert "cap of $1,200.00 a month" in stop.reason
    with pytest.raises(decide.RefillStopped):
        run.ask(shop.account, "outbound", Decimal("500.00"), OWNER)
    run.ask(shop.account, "outbound", Decimal("200.00"), OWNER)


def test_without_a_card_the_wallet_waits_visibly_lago_api_5992(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    shop.rule()
    shop.run()
    assert (shop.refills(), shop.stop().code) == ([], "no_card")
    shop.card()
    shop.run()
    assert (shop.states(), shop.stop()) == ({"succeeded": 1}, None)


def test_a_stop_goes_when_the_wallet_is_filled_otherwise(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    shop.rule()
    shop.run()
    assert shop.stop() is not None
    shop.credit("100.00")
    shop.run()
    assert shop.stop() is None


def test_a_stop_keeps_its_beginning_and_is_not_written_again(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    shop.rule()
    shop.run()
    since = shop.stop().since_at
    shop.run(3)
    assert shop.stop().since_at == since


def test_a_manual_refill_works_with_automatic_off_and_before_any_rule(shop: Shop) -> None:
    shop.card()
    refill = run.ask(shop.account, "inbound", Decimal("75.50"), OWNER)
    assert (refill.state, refill.reason) == ("decided", "owner@northwind.example asked for it.")
    run.step(shop.id, refill.id)
    assert shop.balance("inbound") == Decimal("75.50")
    shop.assert_sound()


def test_a_manual_refill_sent_twice_buys_once_lago_api_5870(shop: Shop) -> None:
    shop.card()
    first = run.ask(shop.account, "outbound", Decimal(100), OWNER, "request-1")
    again = run.ask(shop.account, "outbound", Decimal(100), OWNER, "request-1")
    shop.run()
    after = run.ask(shop.account, "outbound", Decimal(100), OWNER, "request-1")
    assert first.id == again.id == after.id
    assert shop.balance() == Decimal(100)
    with pytest.raises(Conflict, match="another wallet or amount"):
        run.ask(shop.account, "outbound", Decimal(200), OWNER, "request-1")


def test_a_manual_refill_sent_eight_times_at_once_buys_once_lago_api_5870(shop: Shop) -> None:
    shop.card()
    ids = together(8, lambda: run.ask(shop.account, "outbound", Decimal(100), OWNER, "request-1").id)
    assert len(set(ids)) == 1
    shop.run(2)
    assert shop.charged() == shop.balance() == Decimal(100)


def test_a_manual_refill_waits_for_the_open_one(shop: Shop) -> None:
    shop.ready("50.00", token="sim_3184")
    shop.run()
    with pytest.raises(decide.RefillUnderWay, match=r"A refill of \$500.00 is under way"):
        run.ask(shop.account, "outbound", Decimal(100), OWNER)


@pytest.mark.parametrize("amount", ["0", "-5", "1.001", "NaN", "1e20"])
def test_a_manual_refill_of_a_sum_no_card_can_be_charged_is_refused(shop: Shop, amount: str) -> None:
    shop.card()
    with pytest.raises(Invalid):
        run.ask(shop.account, "outbound", Decimal(amount), OWNER)


def test_a_person_may_try_again_during_the_pause(shop: Shop) -> None:
    shop.ready("10.00", token="sim_0002")
    shop.run(2)
    assert shop.stop().code == "cooling_down"
    refill = run.ask(shop.account, "outbound", Decimal(100), OWNER)
    run.step(shop.id, refill.id)
    assert len(shop.charges()) == 2


def test_the_portals_role_may_ask_change_and_release_and_sees_only_its_own(shop: Shop) -> None:
    other_shop = Shop(shop.db, "contoso")
    other_shop.ready("10.00")
    other_shop.run()
    foreign_id = other_shop.wallet().id
    shop.ready("10.00", rule=other(automatic=False))
    with rows_of(shop.id):
        shop.rule(other(automatic=False, refill_amount="100.00"))
        refill = run.ask(shop.account, "outbound", Decimal(100), OWNER, "key")
        assert history.open_refill(shop.id, shop.wallet().id).id == refill.id
        assert history.of_wallet(other_shop.id, foreign_id) == []
        assert history.stop_of(shop.id, shop.wallet().id) is None
    shop.run()
    assert shop.balance() == Decimal(110)
    with rows_of(shop.id):
        [row] = history.of_wallet(shop.id, shop.wallet().id)
        assert row.invoice_number
    RefillRule.objects.filter(account_id=shop.id).update(tripped_at=refill.decided_at)
    with rows_of(shop.id):
        stops.release(shop.account, "outbound", OWNER)


def test_no_gateway_is_called_inside_a_transaction(shop: Shop) -> None:
    shop.ready("50.00")
    with pytest.raises(RuntimeError), transaction.atomic():
        gateway.look_up("simulated", shop.id, "key")
    refill_id = decide.decide(shop.id, "outbound")
    with pytest.raises(RuntimeError), transaction.atomic():
        run.step(shop.id, refill_id)
    assert shop.charges() == []


def test_eight_workers_at_once_charge_once(shop: Shop) -> None:
    shop.ready("50.00")
    together(8, lambda: [run.run_due() for _ in range(3)])
    assert len(shop.charges()) == 1
    assert shop.balance() == Decimal(550)
    shop.assert_sound()


def test_a_balance_is_never_older_than_the_open_refills_it_is_compared_with(shop: Shop) -> None:
    """A decider that has read the balance, when a refill is being settled, must not miss both the refill and its credit."""
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    charge = send.begin(shop.id, refill_id)
    answer = gateway.charge(charge.gateway, charge.request)
    has_read, settled = threading.Event(), threading.Event()

    def linger(execute, sql, params, many, context):
        if '"refill"."state" IN' in sql:
            has_read.set()
            settled.wait(1)
        return execute(sql, params, many, context)

    def decide_slowly() -> None:
        with connection.execute_wrapper(linger):
            decide.decide(shop.id, "outbound")
        connections.close_all()

    decider = threading.Thread(target=decide_slowly)
    decider.start()
    assert has_read.wait(10)
    settle(shop.id, refill_id, answer)
    settled.set()
    decider.join(10)
    assert shop.states() == {"succeeded": 1}


def test_eight_workers_and_a_person_at_once_never_have_two_open_refills(shop: Shop) -> None:
    shop.ready("50.00", rule=other(max_charges_per_day=100, monthly_cap="100000.00"))

    def work() -> None:
        for _ in range(3):
            run.run_due()
            with contextlib.suppress(Conflict):
                run.ask(shop.account, "outbound", Decimal(10), OWNER)

    together(8, work)
    shop.finish()
    shop.assert_sound()
    assert set(shop.states()) == {"succeeded"}


def test_what_fails_for_one_wallet_keeps_no_other_from_its_refill(shop: Shop, caplog) -> None:
    shop.ready("50.00")
    with shop.db.connect("owner") as owner:  # a wallet whose account has lost its time zone: a defect in the data
        broken = Shop(shop.db, "broken").ready("50.00")
        owner.execute("UPDATE account SET timezone = 'Nowhere/Land' WHERE id = %s", [broken.id])
    shop.run(2)
    assert shop.states() == {"succeeded": 1}
    assert any("failed" in record.getMessage() for record in caplog.records)


def test_due_wallets_that_are_stopped_come_after_new_ones(shop: Shop) -> None:
    shop.credit("20.00")
    shop.use("1.00")
    shop.rule()
    shop.run()
    fresh = Shop(shop.db, "contoso").ready("10.00")
    assert [wallet.account_id for wallet in due_wallets()] == [fresh.id, shop.id]
    assert [wallet.account_id for wallet in due_wallets(limit=1)] == [fresh.id]
