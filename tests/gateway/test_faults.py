"""The fault plan: what the SDK sees, and what the truth file says was done."""

import socket
import struct
from collections import Counter

import pytest
import stripe

from tests.gateway import truth
from tests.gateway.conftest import Shop, sdk
from tests.gateway.faults import RATED

DONE = {"drop_after", "half_answer", "garbled", "error_after", "slow", "stalled"}
SEEN = {
    "drop_before": stripe.APIConnectionError, "drop_after": stripe.APIConnectionError,
    "half_answer": stripe.APIConnectionError, "garbled": stripe.APIError, "error_after": stripe.APIError,
    "error_failed": stripe.APIError, "error_before": stripe.APIError, "rate_limited": stripe.RateLimitError,
}


@pytest.mark.parametrize("kind", SEEN)
def test_a_fault_shows_as_an_error_and_moves_money_only_where_it_says_so(shop: Shop, kind: str) -> None:
    shop.gateway.plan({"kind": kind, "match": {"key": kind}})
    with pytest.raises(SEEN[kind]):
        shop.pay(kind)
    assert shop.charged(kind) == int(kind in DONE)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "half_answer", "garbled", "error_before", "rate_limited"])
def test_the_same_key_again_ends_with_one_charge(shop: Shop, kind: str) -> None:
    shop.gateway.plan({"kind": kind, "match": {"key": f"{kind} again"}})
    with pytest.raises(stripe.StripeError):
        shop.pay(f"{kind} again")
    assert shop.pay(f"{kind} again").status == "succeeded"
    assert shop.charged(f"{kind} again") == 1


@pytest.mark.parametrize("kind", ["slow", "stalled"])
def test_a_client_that_gives_up_is_charged_all_the_same(shop: Shop, kind: str) -> None:
    shop.gateway.plan({"kind": kind, "match": {"key": kind}, "seconds": 0.8})
    hasty = Shop(shop.gateway, sdk(shop.gateway, timeout=0.2), shop.customer, shop.card)
    with pytest.raises(stripe.APIConnectionError):
        hasty.pay(kind)
    while not shop.charged(kind):
        pass
    shop.gateway.plan()
    with pytest.raises(stripe.APIError) as refused:
        while True:
            hasty.pay(kind)
            break
        raise stripe.APIError("the key was free again", http_status=409)
    assert refused.value.http_status == 409


def test_a_fault_by_ordinal_strikes_that_request_only(shop: Shop) -> None:
    shop.gateway.plan({"kind": "error_before", "ordinal": 2})
    shop.pay("first")
    with pytest.raises(stripe.APIError):
        shop.pay("second")
    shop.pay("third")
    assert shop.gateway.injected() == {"error_before": 1}


def test_a_gateway_may_charge_another_amount_than_asked(shop: Shop) -> None:
    shop.gateway.plan({"kind": "wrong_amount", "match": {"key": "less"}})
    assert shop.pay("less").amount_received == 4999
    assert [each.amount for each in shop.gateway.moved() if each.key == "less"] == [4999]


def test_the_same_seed_strikes_the_same_requests(shop: Shop) -> None:
    rates = {kind: 0.09 for kind in RATED if kind not in ("slow", "stalled")}
    outcomes = []
    for round_ in range(2):
        shop.gateway.plan(seed=20261123, rates=rates)
        outcomes.append([_outcome(shop, f"round {round_} {number}") for number in range(60)])
    assert outcomes[0] == outcomes[1]
    assert len(Counter(outcomes[0])) >= 4


def test_another_seed_strikes_others(shop: Shop) -> None:
    outcomes = []
    for seed in (1, 2):
        shop.gateway.plan(seed=seed, rates={"error_before": 0.5})
        outcomes.append([_outcome(shop, f"seed {seed} {number}") for number in range(30)])
    assert outcomes[0] != outcomes[1]


def test_lots_by_a_parameter_do_not_depend_on_the_order(shop: Shop) -> None:
    outcomes = []
    for amounts in (range(100, 130), range(129, 99, -1)):
        shop.gateway.plan(seed=3, rates={"error_before": 0.5}, by="amount")
        outcomes.append({amount: _outcome(shop, "", amount) for amount in amounts})
    assert outcomes[0] == outcomes[1]


def test_a_plan_with_an_unknown_fault_is_refused(shop: Shop) -> None:
    with pytest.raises(AssertionError, match="there is no fault"):
        shop.gateway.plan({"kind": "earthquake"})


def test_a_killed_gateway_comes_back_with_everything_it_knew(own: Shop) -> None:
    paid = own.pay("before the kill")
    own.gateway.advance(3600)
    own.gateway.kill()
    with pytest.raises(stripe.APIConnectionError):
        own.pay("while it is dead")
    own.gateway.start()
    assert own.pay("before the kill").id == paid.id
    assert own.client.v1.payment_intents.search({"query": "metadata['refill']:'before the kill'"}).data[0].id == paid.id
    assert own.gateway.control()["ahead"] == 3600
    assert own.charged("before the kill") == 1


def test_a_truth_file_that_a_kill_left_behind_the_journal_is_completed(own: Shop) -> None:
    own.pay("one")
    own.pay("two")
    own.gateway.kill()
    lines = own.gateway.truth.read_bytes().splitlines(keepends=True)
    own.gateway.truth.write_bytes(lines[0] + lines[1][:20])
    own.gateway.start()
    own.pay("three")
    assert [movement.key for movement in own.gateway.moved()] == ["one", "two", "three"]


def test_the_gateway_listens_on_this_machine_only(shop: Shop) -> None:
    hexadecimal = f"{struct.unpack('<I', socket.inet_aton('127.0.0.1'))[0]:08X}:{shop.gateway.port:04X}"
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [each for each in listening if each.endswith(f":{shop.gateway.port:04X}")] == [hexadecimal]


def test_the_truth_counts_what_was_charged_and_finds_what_was_charged_twice(shop: Shop) -> None:
    before = truth.total(shop.gateway.moved())
    shop.pay("", metadata={"refill": "r1"})
    shop.pay("", metadata={"refill": "r1"})
    shop.pay("", metadata={"refill": "r2"}, currency="eur")
    after = truth.total(shop.gateway.moved())
    assert after - before == Counter({"usd": 10000, "eur": 5000})
    assert list(truth.twice(shop.gateway.truth, "refill")) == ["r1"]


def _outcome(shop: Shop, key: str, amount: int = 5000) -> str:
    try:
        return str(shop.pay(key, amount=amount).status)
    except stripe.StripeError as error:
        return type(error).__name__
