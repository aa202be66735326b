"""Refills that wait for their card's holder end when the gateway has ended the charge, and not before."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test.utils import override_settings

from tests.gateway import Gateway, running
from tests.payments.at_stripe import BACK, at_stripe, save_card
from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, other
from tollbook.errors import Conflict
from tollbook.payments import gateway, method
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Charged, ChargeRequest, Succeeded, Unknown
from tollbook.payments.simulated import Simulated
from tollbook.payments.stripe.adapter import Stripe
from tollbook.refills import decide, health, person, run, send
from tollbook.refills.settle import settle
from tollbook.refills.tables import Refill


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as fake, at_stripe(fake):
        yield fake


class Endless(Simulated):
    """Has charges that can't be ended, and does not say what became of that."""

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        return Unknown("No answer.")


class ConfirmedMeanwhile(Stripe):
    """Has a holder who confirms between the question and the end."""

    confirm_now: ClassVar[Callable[[], object]]

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        type(self).confirm_now()
        return super().cancel(account_id, reference)


class Lost(Simulated):
    """Does not find any more what it has told of, by key or by name; whether it ever took it, nobody can say."""

    sent: ClassVar[list[str]] = []

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.sent.append(request.idempotency_key)
        return super().charge(request)

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return None

    def charged(self, reference: str) -> Charged:
        raise LookupError(reference)


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose search is away: what was made hours ago is found by its name only."""
    with running(tmp_path, search_lag_seconds=10**6, ahead_seconds=-4 * 3600) as fake, at_stripe(fake):
        yield fake


def waiting(shop: Shop, token: str = "sim_3184") -> Refill:
    shop.ready("50.00", token=token, rule=other(automatic=False))
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    assert shop.states() == {"action_required": 1}
    return shop.refill()


def waiting_at(fake: Gateway, shop: Shop) -> tuple[Refill, str]:
    """The same with a card that its holder can confirm; the gateway's name of the charge, too."""
    card = save_card(fake, shop.id)
    fake.control(f"cards/{card.token.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    refill = shop.refill()
    reference = send.attempt_of(refill).reference
    answer = gateway.confirm("stripe", shop.id, reference, BACK)
    assert isinstance(answer, ActionRequired) and answer.url
    settle(shop.id, refill.id, answer)
    return refill, reference


def test_what_is_given_up_ends_when_the_gateway_has_cancelled_it(shop: Shop) -> None:
    refill = waiting(shop)
    person.give_up(shop.account, refill.id, OWNER)
    assert shop.states() == {"action_required": 1}
    shop.run()
    assert (shop.refill().state, shop.refill().outcome) == ("withdrawn", f"{OWNER.name} gave it up.")
    assert [charge.decline_code for charge in shop.charges()] == ["canceled"]


def test_what_nobody_confirms_in_time_ends_when_the_gateway_has_cancelled_it(shop: Shop) -> None:
    waiting(shop)
    shop.later(hours=23)
    shop.run()
    assert shop.states() == {"action_required": 1}
    shop.later(hours=2)
    shop.run()
    assert (shop.refill().state, shop.refill().outcome) == ("declined", "Nobody confirmed the payment in time.")
    assert [charge.decline_code for charge in shop.charges()] == ["canceled"]


def test_a_holder_can_not_confirm_what_was_given_up(fake: Gateway, shop: Shop) -> None:
    refill, reference = waiting_at(fake, shop)
    person.give_up(shop.account, refill.id, OWNER)
    shop.run()
    assert shop.states() == {"withdrawn": 1}
    fake.control(f"authenticate/{reference}", {"agreed": True})
    assert gateway.charged("stripe", reference).state == "declined"
    assert [one for one in fake.moved() if one.what == "charge"] == []


@pytest.mark.parametrize("ends", ["given up", "expired"])
def test_a_holder_who_confirmed_a_moment_before_is_charged_and_credited(fake: Gateway, shop: Shop, ends: str) -> None:
    refill, reference = waiting_at(fake, shop)
    if ends == "given up":
        person.give_up(shop.account, refill.id, OWNER)
    else:
        shop.later(hours=25)
    ConfirmedMeanwhile.confirm_now = lambda: fake.control(f"authenticate/{reference}", {"agreed": True})
    with override_settings(GATEWAYS={"stripe": f"{__name__}.ConfirmedMeanwhile"}):
        shop.run()
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(100))


def test_what_the_gateway_does_not_end_stays_open_and_waits_for_a_person_in_the_end(shop: Shop) -> None:
    refill = waiting(shop)
    person.give_up(shop.account, refill.id, OWNER)
    with gateway_is(f"{__name__}.Endless"):
        for _ in range(5):
            shop.run()
            health.forget()
            shop.later(minutes=11)
        assert (shop.states(), person.waiting()) == ({"action_required": 1}, [])
        shop.later(minutes=11)
        shop.run()
        assert shop.states() == {"action_required": 1}
        [asked] = person.waiting()
        assert "Cancel it there" in asked.question
        for verdict in ("not_charged", "given_back"):
            with pytest.raises(Conflict, match="can still confirm it"):
                person.resolve(shop.account, asked.id, verdict, "", "Cancelled there", SUPPORT)
        assert shop.states() == {"action_required": 1}
    health.forget()
    shop.later(hours=1)
    shop.run()
    assert (shop.states(), person.waiting()) == ({"withdrawn": 1}, [])


def test_what_a_person_says_was_not_charged_is_ended_at_the_gateway_first(shop: Shop) -> None:
    refill = waiting(shop)
    Refill.objects.filter(account_id=shop.id).update(needs_person_at=datetime.now(UTC))
    assert person.resolve(shop.account, refill.id, "not_charged", "", "Not there", SUPPORT) == "withdrawn"
    assert [charge.decline_code for charge in shop.charges()] == ["canceled"]


def test_what_the_search_does_not_find_is_ended_by_its_name(forgetful: Gateway, shop: Shop) -> None:
    refill, reference = waiting_at(forgetful, shop)
    person.give_up(shop.account, refill.id, OWNER)
    shop.later(hours=2)
    shop.run()
    assert shop.states() == {"withdrawn": 1}
    forgetful.control(f"authenticate/{reference}", {"agreed": True})
    assert gateway.charged("stripe", reference).state == "declined", "it was cancelled there before it ended here"
    assert [one for one in forgetful.moved() if one.what == "charge"] == []


def test_what_the_search_does_not_find_and_its_holder_confirmed_is_credited(forgetful: Gateway, shop: Shop) -> None:
    _, reference = waiting_at(forgetful, shop)
    forgetful.control(f"authenticate/{reference}", {"agreed": True})
    shop.later(hours=23, minutes=30)
    shop.run()
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(100))


def test_a_holder_who_refuses_at_the_bank_is_not_charged_on_another_card(fake: Gateway, shop: Shop) -> None:
    _, reference = waiting_at(fake, shop)
    method.make_backup(shop.id, save_card(fake, shop.id, "pm_card_mastercard").id, OWNER)
    fake.control(f"authenticate/{reference}", {"agreed": False})
    shop.later(minutes=2)
    shop.run(2)
    assert shop.states() == {"declined": 1}
    assert [one for one in fake.moved() if one.what == "charge"] == []


def test_a_person_ends_by_its_name_what_the_search_does_not_find(forgetful: Gateway, shop: Shop) -> None:
    refill, reference = waiting_at(forgetful, shop)
    Refill.objects.filter(account_id=shop.id).update(needs_person_at=datetime.now(UTC))
    assert person.resolve(shop.account, refill.id, "not_charged", "", "Not there", SUPPORT) == "withdrawn"
    assert gateway.charged("stripe", reference).state == "declined"


@pytest.mark.parametrize("hours", [2, 23.5, 25])
def test_what_the_gateway_has_told_of_was_received_and_is_neither_ended_nor_sent_again(shop: Shop, hours: float) -> None:
    refill = waiting(shop)
    if hours == 2:
        person.give_up(shop.account, refill.id, OWNER)
    Lost.sent.clear()
    with gateway_is(f"{__name__}.Lost"):
        shop.later(hours=hours)
        shop.run()
        assert (shop.states(), Lost.sent) == ({"action_required": 1}, [])
        shop.later(hours=2)
        shop.run()
        assert (shop.states(), Lost.sent) == ({"action_required": 1}, [])
        [asked] = person.waiting()
        assert "Cancel it there" in asked.question


def test_a_wrong_sum_that_is_not_found_any_more_stays_a_question(shop: Shop) -> None:
    shop.ready("50.00")
    Lost.sent.clear()
    with gateway_is("Overcharging"):
        shop.run()
    with gateway_is(f"{__name__}.Lost"):
        for hours in (2, 30):
            shop.later(hours=hours)
            shop.run()
            [asked] = person.waiting()
            assert "$5.00 was charged instead of $500.00" in asked.question
    assert (shop.states(), Lost.sent) == ({"unknown": 1}, [])


def test_a_success_is_credited_while_the_end_is_awaited(shop: Shop) -> None:
    refill = waiting(shop)
    person.give_up(shop.account, refill.id, OWNER)
    assert settle(shop.id, refill.id, Succeeded("confirmed", Decimal(100), "USD")) == "succeeded"
    assert shop.balance() == Decimal(150)


def test_a_refill_that_is_given_up_while_it_is_being_sent_is_sent_or_given_up_never_both(shop: Shop) -> None:
    """The sender has read that nobody gave it up, when somebody does."""
    shop.ready("50.00", rule=other(automatic=False))
    refill = run.ask(shop.account, "outbound", Decimal(100), OWNER)
    checked, given_up = threading.Event(), threading.Event()

    def linger(execute, sql, params, many, context):
        if "state = 'charging'" in sql:
            checked.set()
            assert given_up.wait(10)
        return execute(sql, params, many, context)

    begun = []

    def begin_slowly() -> None:
        with connection.execute_wrapper(linger):
            begun.append(send.begin(shop.id, refill.id))
        connections.close_all()

    sender = threading.Thread(target=begin_slowly)
    sender.start()
    assert checked.wait(10)
    person.give_up(shop.account, refill.id, OWNER)
    given_up.set()
    sender.join(10)
    assert begun == [None]
    shop.run()
    assert (shop.states(), shop.charges()) == ({"withdrawn": 1}, [])


def test_what_was_sent_can_not_be_given_up(shop: Shop) -> None:
    shop.ready("50.00")
    refill_id = decide.decide(shop.id, "outbound")
    send.begin(shop.id, refill_id)
    with pytest.raises(Conflict):
        person.give_up(shop.account, refill_id, OWNER)
