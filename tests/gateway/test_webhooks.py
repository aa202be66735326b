"""Webhooks: https://docs.stripe.com/webhooks, checked with the SDK's own verification."""

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import stripe

from tests.gateway.conftest import Shop
from tests.gateway.receiver import Delivery, Receiver, receiving
from tests.gateway.webhooks import sign

SUCCEEDED = ["payment_intent.succeeded"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_webhooks_are_signed_so_that_the_sdk_accepts_them(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED)
    paid = shop.pay("signed")
    [delivery] = receiver.wait_for(1)
    event = stripe.Webhook.construct_event(delivery.body, delivery.header, "whsec_test")
    assert (event.type, event.data.object["id"]) == ("payment_intent.succeeded", paid.id)
    assert event.request.idempotency_key == "signed"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.body + b" ", delivery.header, "whsec_test")


def test_while_a_secret_is_replaced_both_sign(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, secrets=["whsec_old", "whsec_new"])
    shop.pay("rolled")
    [delivery] = receiver.wait_for(1)
    for secret in ("whsec_old", "whsec_new"):
        stripe.Webhook.construct_event(delivery.body, delivery.header, secret)


def test_an_event_can_be_read_again_by_its_id(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED)
    shop.pay("read again")
    [delivery] = receiver.wait_for(1)
    told = json.loads(delivery.body)
    assert shop.client.v1.events.retrieve(told["id"]).data.object["id"] == told["data"]["object"]["id"]
    assert told["id"] in [each.id for each in shop.client.v1.events.list({"type": "payment_intent.*"}).data]


def test_what_is_not_accepted_is_sent_again_with_a_new_signature(shop: Shop, receiver: Receiver) -> None:
    receiver.answers = lambda number: 500 if number < 3 else 200
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, retry_seconds=[1.1, 0.05])
    shop.pay("retried")
    deliveries = receiver.wait_for(3)
    assert len({delivery.body for delivery in deliveries}) == 1
    assert len({delivery.header for delivery in deliveries}) >= 2
    assert shop.gateway.wait_for_webhooks()["accepted"] >= 1


def test_an_endpoint_that_never_accepts_is_given_up(shop: Shop, receiver: Receiver) -> None:
    receiver.answers = lambda number: 404
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, retry_seconds=[0.02, 0.02])
    before = shop.gateway.control()["webhooks"].get("given up", 0)
    shop.pay("given up")
    assert len(receiver.wait_for(3)) == 3
    assert shop.gateway.wait_for_webhooks()["given up"] == before + 1


def test_duplicates_are_the_same_event_two_or_more_times(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="duplicate", most=20, seconds=0.05, seed=7)
    for number in range(5):
        shop.pay(f"duplicate {number}")
    shop.gateway.wait_for_webhooks()
    times = Counter(_event(delivery) for delivery in receiver.deliveries)
    assert len(times) == 5
    assert all(2 <= count <= 20 for count in times.values())
    assert len({delivery.thread for delivery in receiver.deliveries}) > 1


def test_shuffled_webhooks_come_in_another_order(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="shuffle", seconds=0.5, seed=1)
    paid = [shop.pay(f"shuffle {number}").id for number in range(12)]
    shop.gateway.wait_for_webhooks()
    told = [json.loads(delivery.body)["data"]["object"]["id"] for delivery in receiver.deliveries]
    assert sorted(told) == sorted(paid)
    assert told != paid


def test_an_early_webhook_is_there_before_the_answer(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="early")
    shop.pay("early")
    assert len(receiver.deliveries) == 1


def test_an_early_webhook_comes_also_when_the_answer_never_does(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="early")
    shop.gateway.plan({"kind": "drop_after", "match": {"key": "lost"}})
    with pytest.raises(stripe.APIConnectionError):
        shop.pay("lost")
    assert len(receiver.deliveries) == 1


def test_a_late_webhook_comes_after_its_time(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="late", seconds=0.4)
    shop.pay("late")
    answered = time.monotonic()
    [delivery] = receiver.wait_for(1)
    assert delivery.at - answered > 0.2


def test_a_mute_gateway_tells_nothing_until_released(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, mode="mute")
    shop.pay("mute")
    assert (shop.gateway.wait_for_webhooks()["kept"], receiver.deliveries) == (1, [])
    shop.gateway.control("webhooks/release", {})
    assert len(receiver.wait_for(1)) == 1


def test_a_repeated_answer_is_not_told_again(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED)
    for _ in range(3):
        shop.pay("told once")
    shop.gateway.wait_for_webhooks()
    assert len(receiver.deliveries) == 1


def test_an_event_can_be_sent_again_by_hand(shop: Shop, receiver: Receiver) -> None:
    shop.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED)
    shop.pay("by hand")
    [first] = receiver.wait_for(1)
    shop.gateway.control("webhooks/send", {"event": _event(first), "times": 2})
    assert [_event(delivery) for delivery in receiver.wait_for(3)] == [_event(first)] * 3


def test_times_of_signatures_may_follow_the_gateways_clock(own: Shop, receiver: Receiver) -> None:
    own.gateway.webhooks(target=receiver.url, kinds=SUCCEEDED, timestamp="clock")
    own.gateway.advance(3600)
    own.pay("ahead")
    [delivery] = receiver.wait_for(1)
    at = int(delivery.header.split(",")[0].removeprefix("t="))
    assert at - time.time() > 3000
    assert delivery.header == sign(delivery.body, ["whsec_test"], at)


def _event(delivery: Delivery) -> str:
    return str(json.loads(delivery.body)["id"])
