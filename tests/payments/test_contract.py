"""What every gateway that charges cards must do, whoever runs it. A new adapter joins `BENCHES`, with three cards."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import running
from tests.payments.at_stripe import at_stripe, save_card
from tests.refills.shop import Shop, gateway_is
from tollbook.payments import gateway
from tollbook.payments.gateway import (
    ActionRequired,
    ChargeRequest,
    Declined,
    NotGenuine,
    Refunded,
    RefundRequest,
    Succeeded,
    Unknown,
)
from tollbook.postgres.ids import new_id


@dataclass(frozen=True)
class Bench:
    """A gateway with tokens of a card that pays, one that declines, one whose charge succeeds without an answer, and one
    whose holder must confirm."""

    name: str
    pays: str
    declines: str
    loses: str
    waits: str


@contextmanager
def simulated(shop: Shop, folder: Path) -> Iterator[Bench]:
    with gateway_is():
        yield Bench("simulated", "sim_4242", "sim_9995", "sim_0408", "sim_3184")


@contextmanager
def stripe(shop: Shop, folder: Path) -> Iterator[Bench]:
    with running(folder) as fake, at_stripe(fake):
        cards = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_discover")
        pays, declines, loses, waits = (save_card(fake, shop.id, card).token for card in cards)
        fake.control(f"cards/{waits.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
        behaves = {"card": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        fake.control(f"cards/{declines.split(':')[1]}", behaves)
        lost = {"method": "POST", "path": "/v1/payment_intents", "body": loses.split(":")[1]}
        fake.plan({"kind": "drop_after", "match": lost, "times": 0})
        yield Bench("stripe", pays, declines, loses, waits)


BENCHES = {"simulated": simulated, "stripe": stripe}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Iterator[Bench]:
    made: AbstractContextManager[Bench] = BENCHES[request.param](shop, tmp_path)
    with made as bench:
        yield bench


def a_charge(shop: Shop, token: str, amount: str = "12.50") -> ChargeRequest:
    ours = str(new_id())
    return ChargeRequest(
        shop.id, gateway.key_of("refill", ours), token, Decimal(amount), "USD", "SMS Credit refill", "refill", ours
    )


def charged(bench: Bench, shop: Shop, token: str) -> tuple[ChargeRequest, Any]:
    request = a_charge(shop, token)
    return request, gateway.charge(bench.name, request)


def listed(bench: Bench, shop: Shop) -> list[gateway.Charged]:
    now = datetime.now(UTC)
    everything = gateway.charges(bench.name, now - timedelta(hours=1), now + timedelta(hours=1))
    return [one for one in everything if one.account_id == shop.id]


def test_the_same_key_takes_money_once_and_repeats_the_answer(bench: Bench, shop: Shop) -> None:
    request, first = charged(bench, shop, bench.pays)
    assert first == Succeeded(first.reference, Decimal("12.50"), "USD")
    assert [gateway.charge(bench.name, request) for _ in range(3)] == [first] * 3
    assert [one.amount for one in listed(bench, shop) if one.state == "succeeded"] == [Decimal("12.50")]


def test_other_parameters_under_the_same_key_move_nothing(bench: Bench, shop: Shop) -> None:
    request, _ = charged(bench, shop, bench.pays)
    assert isinstance(gateway.charge(bench.name, replace(request, amount=Decimal("99.00"))), Unknown)
    assert [one.amount for one in listed(bench, shop) if one.state == "succeeded"] == [Decimal("12.50")]


def test_what_became_of_a_key_can_be_asked_and_only_what_never_arrived_is_none(bench: Bench, shop: Shop) -> None:
    assert gateway.look_up(bench.name, shop.id, gateway.key_of("refill", new_id())) is None
    for token, kind in ((bench.pays, Succeeded), (bench.declines, Declined)):
        request, answer = charged(bench, shop, token)
        assert isinstance(answer, kind)
        assert gateway.look_up(bench.name, shop.id, request.idempotency_key) == answer


def test_an_answer_that_is_lost_is_unknown_and_then_found(bench: Bench, shop: Shop) -> None:
    request, answer = charged(bench, shop, bench.loses)
    assert isinstance(answer, Unknown)
    assert isinstance(gateway.look_up(bench.name, shop.id, request.idempotency_key), Succeeded)


def test_a_decline_says_that_another_card_may_do(bench: Bench, shop: Shop) -> None:
    _, answer = charged(bench, shop, bench.declines)
    assert (answer.code, answer.curable_by_other_card, answer.hard) == ("insufficient_funds", True, False)
    assert answer.message.endswith(".")


def test_a_charge_is_listed_with_whose_it_is_and_what_for(bench: Bench, shop: Shop) -> None:
    request, answer = charged(bench, shop, bench.pays)
    [one] = listed(bench, shop)
    assert (one.reference, one.idempotency_key) == (answer.reference, request.idempotency_key)
    assert (one.purpose, one.our_id, one.attempt, one.refunded) == ("refill", request.our_id, 1, 0)
    assert gateway.charged(bench.name, one.reference) == one
    with pytest.raises(LookupError):
        gateway.charged(bench.name, "nothing")


def test_money_goes_back_once_per_key_and_never_more_than_came(bench: Bench, shop: Shop) -> None:
    _, answer = charged(bench, shop, bench.pays)
    key = gateway.key_of("refund", new_id())
    back = RefundRequest(shop.id, key, answer.reference, Decimal("10.00"), "USD", "asked for")
    assert gateway.look_up_refund(bench.name, back) is None
    given = gateway.refund(bench.name, back)
    assert given == Refunded(given.reference, Decimal("10.00"), "USD")
    assert gateway.refund(bench.name, back) == given == gateway.look_up_refund(bench.name, back)
    more = replace(back, idempotency_key=gateway.key_of("refund", new_id()), amount=Decimal("2.51"))
    assert isinstance(gateway.refund(bench.name, more), Declined)
    assert gateway.charged(bench.name, answer.reference).refunded == Decimal("10.00")
    assert gateway.given_back(bench.name, given.reference).answer == given


def test_a_cancelled_charge_can_not_succeed_any_more(bench: Bench, shop: Shop) -> None:
    request, answer = charged(bench, shop, bench.waits)
    assert isinstance(answer, ActionRequired)
    for _ in range(2):
        ended = gateway.cancel(bench.name, shop.id, answer.reference)
        assert isinstance(ended, Declined) and ended.code == "canceled"
    told = (
        gateway.look_up(bench.name, shop.id, request.idempotency_key),
        gateway.confirm(bench.name, shop.id, answer.reference, "https://billing.example/back/"),
        gateway.charged(bench.name, answer.reference).answer,
    )
    assert [one.code for one in told if isinstance(one, Declined)] == ["canceled"] * 3


def test_a_charge_that_succeeded_is_not_cancelled(bench: Bench, shop: Shop) -> None:
    request, answer = charged(bench, shop, bench.pays)
    assert gateway.cancel(bench.name, shop.id, answer.reference) == answer
    assert gateway.look_up(bench.name, shop.id, request.idempotency_key) == answer
    assert isinstance(gateway.cancel(bench.name, shop.id, "nothing"), Unknown)


def test_a_page_without_a_card_gives_none_and_a_forgotten_card_stays_so(bench: Bench, shop: Shop) -> None:
    page = gateway.set_up(bench.name, shop.id, "https://billing.example/back/")
    assert page.url and page.reference
    assert gateway.card_from(bench.name, shop.id, page.reference) is None
    for _ in range(2):
        gateway.forget(bench.name, shop.id, bench.pays)


def test_nothing_unsigned_is_an_event(bench: Bench) -> None:
    for headers in ({}, {"stripe-signature": "t=1,v1=00"}, {"webhook-signature": "v1,00"}):
        with pytest.raises(NotGenuine):
            gateway.event_of(bench.name, headers, b"{}", datetime.now(UTC))


def test_it_says_for_how_long_a_key_is_good(bench: Bench) -> None:
    assert gateway.remembers(bench.name) > timedelta(hours=1)
    assert bench.name in gateway.taking_cards()
