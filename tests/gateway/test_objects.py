"""Objects and their states, with the official SDK: payments, cards, refunds, disputes, hosted pages, lists, search."""

import http.client
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import stripe

from tests.gateway import cards
from tests.gateway.conftest import Shop, sdk

DECLINING = [card for card in cards.CARDS if card.code and not card.authentication]
SDK_CLASSES = {
    "payment_intent": stripe.PaymentIntent, "charge": stripe.Charge, "customer": stripe.Customer,
    "payment_method": stripe.PaymentMethod, "setup_intent": stripe.SetupIntent, "refund": stripe.Refund,
    "dispute": stripe.Dispute, "event": stripe.Event, "balance_transaction": stripe.BalanceTransaction,
    "checkout.session": stripe.checkout.Session,
}


def test_a_charge_off_session_succeeds_and_has_its_charge_and_fee(shop: Shop) -> None:
    paid = shop.pay("plain", expand=["latest_charge.balance_transaction"])
    charge = paid.latest_charge
    assert (paid.status, paid.amount_received, charge.paid, charge.metadata["refill"]) == ("succeeded", 5000, True, "plain")
    assert charge.balance_transaction.net == 5000 - charge.balance_transaction.fee
    assert charge.payment_intent == paid.id


@pytest.mark.parametrize("card", DECLINING, ids=lambda card: card.token)
def test_a_documented_card_declines_with_its_documented_codes(shop: Shop, card: cards.Card) -> None:
    with pytest.raises(stripe.CardError) as refused:
        shop.client.v1.payment_intents.create(
            {"amount": 5000, "currency": "usd", "payment_method": card.token, "confirm": True, "off_session": True}
        )
    error = refused.value
    told = error.json_body["error"]
    assert (error.http_status, error.code, told.get("decline_code", "")) == (402, card.code, card.decline)
    assert told["payment_intent"]["status"] == "requires_payment_method"
    assert told["payment_intent"]["last_payment_error"]["code"] == card.code
    charge = shop.client.v1.charges.retrieve(told["charge"])
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, card.code)
    assert charge.payment_intent not in [movement.payment_intent for movement in shop.gateway.moved()]


def test_cards_of_the_decline_table_cannot_be_saved(shop: Shop) -> None:
    with pytest.raises(stripe.CardError):
        shop.save("pm_card_visa_chargeDeclined")


def test_a_test_may_turn_a_saved_card_into_another(shop: Shop) -> None:
    shop.gateway.control(f"cards/{shop.card}", {"card": "pm_card_visa_chargeDeclinedLostCard", "exp_month": 2})
    with pytest.raises(stripe.CardError) as refused:
        shop.pay("turned")
    assert refused.value.json_body["error"]["decline_code"] == "lost_card"
    assert shop.client.v1.payment_methods.retrieve(shop.card).card.exp_month == 2


def test_off_session_a_card_that_must_be_confirmed_fails_and_is_confirmed_on_the_banks_page(shop: Shop) -> None:
    asking = shop.save("pm_card_authenticationRequired")
    with pytest.raises(stripe.CardError) as refused:
        shop.pay("asks", payment_method=asking)
    assert refused.value.code == "authentication_required"
    intent = refused.value.json_body["error"]["payment_intent"]["id"]
    waiting = shop.client.v1.payment_intents.confirm(
        intent, {"payment_method": asking, "off_session": False, "return_url": "http://127.0.0.1:9/back?a=1"}
    )
    assert waiting.status == "requires_action"
    status, back, page = _browse(waiting.next_action.redirect_to_url.url)
    assert (status, back) == (200, "")
    assert "Complete" in page
    _, back, _ = _browse(waiting.next_action.redirect_to_url.url, {"agreed": "yes"})
    assert back.startswith("http://127.0.0.1:9/back?a=1&payment_intent=pi_")
    assert "redirect_status=succeeded" in back
    assert shop.client.v1.payment_intents.retrieve(intent).status == "succeeded"
    assert shop.charged("asks") == 1


def test_refusing_on_the_banks_page_takes_nothing(shop: Shop) -> None:
    intent = shop.pay(
        "refuses", payment_method=shop.save("pm_card_authenticationRequired"), off_session=False,
        return_url="http://127.0.0.1:9/", payment_method_types=["card"],
    )
    _, back, _ = _browse(intent.next_action.redirect_to_url.url, {"agreed": "no"})
    assert "redirect_status=failed" in back
    failed = shop.client.v1.payment_intents.retrieve(intent.id)
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert shop.charged("refuses") == 0


def test_a_card_that_asks_once_is_charged_in_peace_after_it_was_set_up(shop: Shop) -> None:
    setup = shop.client.v1.setup_intents.create({
        "customer": shop.customer, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True,
        "return_url": "http://127.0.0.1:9/",
    })
    _browse(setup.next_action.redirect_to_url.url, {"agreed": "yes"})
    saved = shop.client.v1.setup_intents.retrieve(setup.id)
    assert saved.status == "succeeded"
    assert shop.pay("set up", payment_method=saved.payment_method).status == "succeeded"


def test_the_hosted_page_saves_the_card_that_the_holder_chooses(shop: Shop) -> None:
    session = shop.client.v1.checkout.sessions.create({
        "mode": "setup", "customer": shop.customer, "payment_method_types": ["card"],
        "success_url": "http://127.0.0.1:9/done?page={CHECKOUT_SESSION_ID}", "cancel_url": "http://127.0.0.1:9/no",
    })
    _, _, page = _browse(session.url)
    assert "5555555555554444" in page
    status, _, page = _browse(session.url, {"card": "pm_card_visa_chargeDeclined"})
    assert (status, "Your card was declined." in page) == (200, True)
    _, back, _ = _browse(session.url, {"card": "pm_card_mastercard"})
    assert back == f"http://127.0.0.1:9/done?page={session.id}"
    done = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    assert done.status == "complete"
    assert done.setup_intent.payment_method.card.last4 == "4444"
    assert done.setup_intent.payment_method.customer == shop.customer


def test_a_number_may_be_typed_and_a_wrong_one_is_refused(shop: Shop) -> None:
    session = _setup_page(shop)
    assert "card number is incorrect" in _browse(session.url, {"number": "4242 4242 4242 4241"})[2]
    assert _browse(session.url, {"number": "4000 0027 6000 3184"})[1].startswith(f"{shop.gateway.url}/c/authenticate/")


def test_a_hosted_page_takes_a_payment(shop: Shop) -> None:
    session = shop.client.v1.checkout.sessions.create({
        "mode": "payment", "customer": shop.customer, "success_url": "http://127.0.0.1:9/paid",
        "line_items": [
            {"price_data": {"currency": "usd", "unit_amount": 1250, "product_data": {"name": "Invoice"}}, "quantity": 2},
        ],
        "payment_intent_data": {"metadata": {"refill": "by page"}},
    })
    asks = _browse(session.url, {"card": "pm_card_authenticationRequired"})[1]
    returned = _browse(asks, {"agreed": "yes"})[1]
    assert _browse(returned)[1] == "http://127.0.0.1:9/paid"
    paid = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (paid.payment_status, paid.payment_intent.amount_received) == ("paid", 2500)
    assert shop.charged("by page") == 1


def test_a_hosted_page_closes_after_its_time(own: Shop) -> None:
    session = _setup_page(own)
    own.gateway.advance(24 * 3600 + 1)
    assert own.client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert _browse(session.url, {"card": "pm_card_visa"})[0] == 400


def test_a_test_may_act_for_the_holder(shop: Shop) -> None:
    session = _setup_page(shop)
    shop.gateway.control(f"checkout/{session.id}", {"card": "pm_card_amex"})
    assert shop.client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_a_detached_card_cannot_be_charged_any_more(shop: Shop) -> None:
    shop.client.v1.payment_methods.detach(shop.card)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        shop.pay("detached")
    with pytest.raises(stripe.InvalidRequestError, match="detachment is impossible"):
        shop.client.v1.payment_methods.detach(shop.card)


def test_a_saved_card_needs_its_customer(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
        shop.client.v1.payment_intents.create(
            {"amount": 5000, "currency": "usd", "payment_method": shop.card, "confirm": True}
        )
    stranger = shop.client.v1.customers.create()
    with pytest.raises(stripe.InvalidRequestError, match="does not belong"):
        shop.pay("stranger", customer=stranger.id)


def test_a_customers_cards_are_listed(shop: Shop) -> None:
    second = shop.save("pm_card_mastercard")
    listed = shop.client.v1.payment_methods.list({"customer": shop.customer, "type": "card"})
    assert [each.id for each in listed.data] == [second, shop.card]
    assert [each.id for each in shop.client.v1.customers.payment_methods.list(shop.customer).data] == [second, shop.card]


def test_a_refused_charge_leaves_nothing_behind(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.pay("nothing", payment_method="pm_absent")
    assert shop.client.v1.payment_intents.list({"customer": shop.customer}).data == []


def test_a_charge_that_was_not_confirmed_can_be_canceled(shop: Shop) -> None:
    made = shop.client.v1.payment_intents.create({"amount": 5000, "currency": "usd", "customer": shop.customer})
    canceled = shop.client.v1.payment_intents.cancel(made.id)
    assert canceled.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.payment_intents.confirm(made.id, {"payment_method": shop.card})
    assert refused.value.code == "payment_intent_unexpected_state"


def test_refunds_go_up_to_what_was_charged(shop: Shop) -> None:
    paid = shop.pay("refunded")
    shop.client.v1.refunds.create({"payment_intent": paid.id, "amount": 2000, "metadata": {"why": "half"}})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        shop.client.v1.refunds.create({"payment_intent": paid.id, "amount": 3001})
    shop.client.v1.refunds.create({"payment_intent": paid.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_already_refunded"
    assert shop.client.v1.charges.retrieve(paid.latest_charge).amount_refunded == 5000
    assert [(each.what, each.amount) for each in shop.gateway.moved() if each.payment_intent == paid.id] == [
        ("charge", 5000), ("refund", 2000), ("refund", 3000),
    ]
    assert len(shop.client.v1.refunds.list({"payment_intent": paid.id}).data) == 2


@pytest.mark.parametrize(("card", "first", "last"), [
    ("pm_card_pendingRefund", "pending", "succeeded"), ("pm_card_refundFail", "succeeded", "failed"),
])
def test_a_refund_may_change_later(shop: Shop, card: str, first: str, last: str) -> None:
    shop.gateway.limits(async_seconds=0.2)
    paid = shop.pay(f"refund {last}", payment_method=shop.save(card))
    refund = shop.client.v1.refunds.create({"payment_intent": paid.id})
    assert refund.status == first
    _wait(lambda: shop.client.v1.refunds.retrieve(refund.id).status == last)
    back = sum(movement.signed for movement in shop.gateway.moved() if movement.payment_intent == paid.id)
    assert back == (5000 if last == "failed" else 0)


def test_a_card_that_disputes_does_so_and_evidence_wins(shop: Shop) -> None:
    paid = shop.pay("disputed", payment_method=shop.save("pm_card_createDispute"))
    [dispute] = shop.client.v1.disputes.list({"payment_intent": paid.id}).data
    assert (dispute.status, dispute.reason, dispute.balance_transactions[0].fee) == ("needs_response", "fraudulent", 1500)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_disputed"
    won = shop.client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert won.status == "won"
    moved = [movement for movement in shop.gateway.moved() if movement.payment_intent == paid.id]
    assert [(each.what, each.fee) for each in moved] == [("charge", 0), ("dispute", 1500), ("dispute_won", 0)]


def test_a_test_may_dispute_any_charge_and_decide_it(shop: Shop) -> None:
    paid = shop.pay("contested")
    dispute = shop.gateway.control("disputes", {"payment_intent": paid.id, "reason": "duplicate"})
    shop.gateway.control(f"disputes/{dispute['id']}", {"outcome": "lost"})
    assert shop.client.v1.disputes.retrieve(dispute["id"]).status == "lost"
    assert shop.client.v1.charges.retrieve(paid.latest_charge).disputed


def test_search_is_behind_and_lists_are_not(shop: Shop) -> None:
    shop.gateway.limits(search_lag_seconds=30, search_per_second=0)
    paid = shop.pay("searched")
    query: Any = {"query": "metadata['refill']:'searched' AND status:'succeeded'"}
    assert shop.client.v1.payment_intents.search(query).data == []
    assert [each.id for each in shop.client.v1.payment_intents.list({"customer": shop.customer}).data] == [paid.id]
    shop.gateway.advance(31)
    assert [each.id for each in shop.client.v1.payment_intents.search(query).data] == [paid.id]


@pytest.mark.parametrize(("query", "found"), [
    ("status:'succeeded' AND metadata['group']:'{g}'", 3),
    ("metadata['group']:'{g}' amount>5001", 1),
    ("metadata['group']:'{g}' AND amount<=5001", 2),
    ("metadata['group']:'{g}' AND -metadata['number']:'1'", 2),
    ('metadata["group"]:"{g}" AND currency:"USD"', 3),
    ("metadata['group']:'nobody' OR metadata['group']:'{g}'", 3),
])
def test_the_query_language_is_understood(shop: Shop, query: str, found: int) -> None:
    shop.gateway.limits(search_per_second=0)
    for number in range(3):
        shop.pay("", amount=5000 + number, metadata={"group": shop.customer, "number": str(number)})
    result = shop.client.v1.payment_intents.search({"query": query.replace("{g}", shop.customer), "limit": 2})
    assert len(list(result.auto_paging_iter())) == found


@pytest.mark.parametrize("query", ["nonsense", "colour:'red'", "status:'a' AND currency:'usd' OR amount>5"])
def test_a_query_that_makes_no_sense_is_refused(shop: Shop, query: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.payment_intents.search({"query": query})


def test_search_is_limited_to_20_a_second(shop: Shop) -> None:
    with pytest.raises(stripe.RateLimitError):
        for _ in range(100):
            shop.client.v1.payment_intents.search({"query": "status:'succeeded'", "limit": 1})


def test_lists_are_read_page_by_page_both_ways(shop: Shop) -> None:
    paid = [shop.pay(f"listed {number}").id for number in range(7)]
    forward = shop.client.v1.payment_intents.list({"customer": shop.customer, "limit": 3})
    assert [each.id for each in forward.auto_paging_iter()] == paid[::-1]
    backward = shop.client.v1.payment_intents.list({"customer": shop.customer, "limit": 3, "ending_before": paid[0]})
    assert [each.id for each in backward.data] == paid[1:4][::-1]
    assert backward.has_more


def test_lists_are_narrowed_by_the_time_of_creation(own: Shop) -> None:
    own.pay("before")
    own.gateway.advance(1000)
    after = own.pay("after")
    found = own.client.v1.payment_intents.list({"created": {"gte": after.created, "lt": after.created + 10}})
    assert [each.id for each in found.data] == [after.id]


def test_charges_and_balance_add_up_to_the_truth(shop: Shop) -> None:
    charges = shop.client.v1.charges.list({"limit": 100}).auto_paging_iter()
    listed = sum(charge.amount_captured for charge in charges if charge.currency == "usd")
    assert listed == sum(
        each.amount for each in shop.gateway.moved() if each.what == "charge" and each.currency == "usd"
    )
    transactions = shop.client.v1.balance_transactions.list({"limit": 100, "currency": "usd"}).auto_paging_iter()
    amounts = sum(each.amount for each in transactions)
    assert amounts == sum(each.signed for each in shop.gateway.moved() if each.currency == "usd")


@pytest.mark.parametrize(("wanted", "code"), [
    ({"amount": "many"}, "parameter_invalid_integer"), ({"amont": 1}, "parameter_unknown"),
    ({"amount": None}, "parameter_missing"), ({"currency": "dollars"}, None),
    ({"metadata": {"k" * 41: "v"}}, None), ({"metadata": {"k": "v" * 501}}, None), ({"expand": ["colour"]}, None),
])
def test_parameters_that_stripe_refuses_are_refused(shop: Shop, wanted: dict[str, Any], code: str | None) -> None:
    given = {"amount": 5000, "currency": "usd"} | wanted
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.payment_intents.create({name: value for name, value in given.items() if value is not None})
    assert (refused.value.http_status, refused.value.code) == (400, code)


def test_metadata_is_merged_and_an_empty_value_removes_a_key(shop: Shop) -> None:
    shop.client.v1.customers.update(shop.customer, {"metadata": {"account": "", "tier": "2"}})
    assert shop.client.v1.customers.retrieve(shop.customer).metadata.to_dict() == {"tier": "2"}


def test_what_does_not_exist_is_404(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.payment_intents.retrieve("pi_absent")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_an_unknown_address_and_a_bad_version_are_refused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.client.v1.payouts.list()
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        shop.client.v1.balance.retrieve(None, {"stripe_version": "yesterday"})


def test_the_key_goes_in_no_message(shop: Shop) -> None:
    stranger = stripe.StripeClient(
        "sk_test_0123456789abcdef", base_addresses={"api": shop.gateway.url}, max_network_retries=0
    )
    with pytest.raises(stripe.AuthenticationError) as refused:
        stranger.v1.balance.retrieve()
    assert "0123456789" not in str(refused.value)


def test_a_limit_by_the_second_answers_429(shop: Shop) -> None:
    shop.gateway.limits(per_second=5)
    with pytest.raises(stripe.RateLimitError):
        for _ in range(30):
            shop.client.v1.balance.retrieve()


def test_every_field_is_one_that_the_official_sdk_knows(shop: Shop) -> None:
    shop.client.v1.refunds.create({"payment_intent": shop.pay("fields").id})
    shop.gateway.control("disputes", {"payment_intent": shop.pay("fields too").id})
    _setup_page(shop)
    seen: dict[str, Any] = {}
    for event in shop.client.v1.events.list({"limit": 100}).data:
        seen |= {"event": event, event.data.object["object"]: event.data.object}
    seen["checkout.session"] = shop.client.v1.checkout.sessions.list({"customer": shop.customer}).data[0]
    seen["payment_method"] = shop.client.v1.payment_methods.retrieve(shop.card)
    seen["balance_transaction"] = shop.client.v1.balance_transactions.list({"limit": 1}).data[0]
    assert set(seen) == set(SDK_CLASSES)
    for kind, thing in seen.items():
        unknown = set(thing.to_dict()) - set(SDK_CLASSES[kind].__annotations__)
        assert not unknown, f"{kind} has {unknown}"


def test_one_connection_serves_many_requests(shop: Shop) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop.gateway.port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/v1/balance", headers={"Authorization": "Bearer sk_test_tollbook"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        assert connection.sock is not None
    connection.close()


def test_a_second_client_sees_the_same_gateway(shop: Shop) -> None:
    paid = shop.pay("seen by two")
    assert sdk(shop.gateway).v1.payment_intents.retrieve(paid.id).id == paid.id


def _setup_page(shop: Shop) -> stripe.checkout.Session:
    return shop.client.v1.checkout.sessions.create({
        "mode": "setup", "customer": shop.customer, "currency": "usd", "success_url": "http://127.0.0.1:9/done",
    })


def _browse(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """What a browser would do once: status, where it is sent, and the page."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=5)
    body = None if form is None else urlencode(form)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("GET" if form is None else "POST", address.path, body, headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("Location", ""), page


def _wait(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not become true")
