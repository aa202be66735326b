"""Keys: https://docs.stripe.com/api/idempotent_requests, rule by rule, with the official SDK."""

import threading

import pytest
import stripe

from tests.gateway.conftest import Shop, sdk
from tests.gateway.idempotency import REMEMBERED_SECONDS


def test_the_same_key_repeats_the_answer_and_charges_once(shop: Shop) -> None:
    first = shop.pay("again")
    second = shop.pay("again")
    assert second.id == first.id
    assert second.to_dict() == first.to_dict()
    assert shop.charged("again") == 1


def test_a_repeated_answer_says_so_in_its_headers(shop: Shop) -> None:
    first, second = shop.pay("told"), shop.pay("told")
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]


def test_a_key_with_other_parameters_is_refused(shop: Shop) -> None:
    shop.pay("other")
    with pytest.raises(stripe.IdempotencyError):
        shop.pay("other", amount=6000)
    with pytest.raises(stripe.IdempotencyError):
        shop.client.v1.customers.create({"name": "other"}, {"idempotency_key": "other"})
    assert shop.charged("other") == 1


def test_a_decline_is_remembered_and_not_tried_again(shop: Shop) -> None:
    bad = shop.save("pm_card_chargeCustomerFail")
    refusals = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            shop.pay("declined", payment_method=bad)
        refusals.append(refused.value)
    assert refusals[0].json_body == refusals[1].json_body
    assert len(shop.client.v1.charges.list({"customer": shop.customer}).data) == 1


def test_a_500_after_the_charge_is_remembered_as_a_500(shop: Shop) -> None:
    shop.gateway.plan({"kind": "error_after", "match": {"key": "broken"}})
    for _ in range(3):
        with pytest.raises(stripe.APIError) as refused:
            shop.pay("broken")
        assert refused.value.http_status == 500
    assert shop.charged("broken") == 1


def test_a_500_of_a_request_that_did_nothing_is_remembered_too(shop: Shop) -> None:
    shop.gateway.plan({"kind": "error_failed", "match": {"key": "failed"}})
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            shop.pay("failed")
    assert shop.charged("failed") == 0


def test_the_limiter_stands_before_the_keys_so_429_is_not_remembered(shop: Shop) -> None:
    shop.gateway.plan({"kind": "rate_limited", "match": {"key": "limited"}})
    with pytest.raises(stripe.RateLimitError):
        shop.pay("limited")
    assert shop.pay("limited").status == "succeeded"


def test_a_failed_validation_is_not_remembered(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.pay("invalid", amount=49)
    assert refused.value.code == "amount_too_small"
    assert shop.pay("invalid").status == "succeeded"


def test_a_request_without_an_api_key_is_not_remembered(shop: Shop) -> None:
    stranger = stripe.StripeClient("sk_test_wrong", base_addresses={"api": shop.gateway.url}, max_network_retries=0)
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.customers.create({"name": "a"}, {"idempotency_key": "unknown"})
    assert shop.client.v1.customers.create({"name": "b"}, {"idempotency_key": "unknown"}).name == "b"


def test_a_refusal_by_an_endpoint_is_remembered(shop: Shop) -> None:
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            shop.pay("absent", payment_method="pm_absent")
        assert refused.value.code == "resource_missing"
    assert refused.value.headers["Idempotent-Replayed"] == "true"


def test_a_key_in_use_is_answered_with_409_and_then_with_the_first_answer(shop: Shop) -> None:
    shop.gateway.plan({"kind": "slow", "match": {"key": "busy"}, "seconds": 1.5})
    answers = []
    first = threading.Thread(target=lambda: answers.append(shop.pay("busy")))
    first.start()
    while not shop.charged("busy"):
        pass
    with pytest.raises(stripe.APIError) as refused:
        sdk(shop.gateway).v1.payment_intents.create(
            {
                "amount": 5000, "currency": "usd", "customer": shop.customer, "payment_method": shop.card,
                "off_session": True, "confirm": True, "metadata": {"refill": "busy"},
            }, {"idempotency_key": "busy"},
        )
    assert refused.value.http_status == 409
    assert refused.value.json_body["error"]["code"] == "idempotency_key_in_use"
    first.join()
    assert shop.pay("busy").id == answers[0].id
    assert shop.charged("busy") == 1


def test_keys_are_forgotten_after_24_hours_and_then_charge_again(shop: Shop) -> None:
    first = shop.pay("old")
    shop.gateway.advance(REMEMBERED_SECONDS - 60)
    assert shop.pay("old").id == first.id
    shop.gateway.advance(61)
    assert shop.pay("old").id != first.id
    assert shop.charged("old") == 2


def test_a_key_longer_than_255_characters_is_refused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.pay("k" * 256)


def test_keys_mean_nothing_to_get(shop: Shop) -> None:
    options: stripe.RequestOptions = {"idempotency_key": "get"}
    shop.client.v1.payment_intents.list({"customer": shop.customer}, options)
    shop.pay("after")
    assert len(shop.client.v1.payment_intents.list({"customer": shop.customer}, options).data) == 1
