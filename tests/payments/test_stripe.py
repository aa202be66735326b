"""Stripe by its official SDK, against a gateway that is Stripe on the wire: what is sent, and what each answer means."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
import stripe
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test.utils import override_settings

from tests.gateway import Gateway, running
from tests.gateway.started import SECRET_KEY
from tests.payments.at_stripe import BACK, at_stripe, save_card
from tests.payments.till import Till
from tests.refills.shop import OWNER, Shop
from tollbook.payments import attempts, gateway, method
from tollbook.payments.gateway import (
    ActionRequired,
    Charged,
    ChargeRequest,
    Declined,
    Refunded,
    RefundRequest,
    Succeeded,
    Unknown,
    Unreachable,
)
from tollbook.payments.install import install_id
from tollbook.payments.stripe import adapter, answers
from tollbook.payments.stripe.adapter import Stripe
from tollbook.payments.stripe.client import BoundedClient, checked_base, client
from tollbook.payments.stripe.customers import of_account
from tollbook.payments.stripe.units import NotChargeable, from_units, to_units
from tollbook.postgres.ids import new_id

CHARGE = {"method": "POST", "path": "/v1/payment_intents"}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("stripe")) as fake:
        fake.limits(search_per_second=0)
        yield fake


@pytest.fixture
def fake(started: Gateway, shop: Shop) -> Iterator[Gateway]:
    with at_stripe(started):
        yield started
    started.plan()
    started.limits(search_lag_seconds=0)


def a_request(shop: Shop, token: str, amount: str = "12.50", currency: str = "USD") -> ChargeRequest:
    """A charge of a new refill."""
    ours = str(new_id())
    key = gateway.key_of("refill", ours)
    return ChargeRequest(shop.id, key, token, Decimal(amount), currency, "Outbound Minutes refill", "refill", ours)


def taken(fake: Gateway, key: str) -> list[int]:
    """What the truth file says was taken for a key, in minor units."""
    return [one.amount for one in fake.moved() if one.what == "charge" and one.metadata.get("tollbook_key") == key]


def charge(request: ChargeRequest) -> Any:
    return gateway.charge("stripe", request)


def test_a_saved_card_is_charged_once_per_key_and_found_by_it(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    assert (card.brand, card.last4, card.is_default) == ("Visa", "4242", True)
    request = a_request(shop, card.token)
    first = charge(request)
    assert first == Succeeded(first.reference, Decimal("12.50"), "USD")
    assert charge(request) == first
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) == first
    assert taken(fake, request.idempotency_key) == [1250]


def test_a_charge_says_whose_it_is_and_what_for(fake: Gateway, shop: Shop) -> None:
    request = replace(a_request(shop, save_card(fake, shop.id).token), attempt=3)
    told = gateway.charged("stripe", charge(request).reference)
    assert (told.account_id, told.idempotency_key) == (shop.id, request.idempotency_key)
    assert (told.purpose, told.our_id, told.attempt) == ("refill", request.our_id, 3)
    assert (told.state, told.amount, told.currency, told.refunded) == ("succeeded", Decimal("12.50"), "USD", 0)
    with pytest.raises(LookupError):
        gateway.charged("stripe", "pi_of_nobody")


@pytest.mark.parametrize(
    ("card", "code", "curable", "hard"),
    [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", True, False),
        ("pm_card_visa_chargeDeclinedStolenCard", "stolen_card", True, True),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", True, True),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", False, False),
        ("pm_card_radarBlock", "fraudulent", False, False),
        ("pm_card_chargeCustomerFail", "generic_decline", True, False),
    ],
)
def test_a_decline_says_whether_another_card_helps_and_whether_this_one_is_done(
    fake: Gateway, shop: Shop, card: str, code: str, curable: bool, hard: bool
) -> None:
    saved = save_card(fake, shop.id)
    fake.control(f"cards/{saved.token.split(':')[1]}", {"card": card})
    request = a_request(shop, saved.token)
    answer = charge(request)
    assert isinstance(answer, Declined)
    assert (answer.code, answer.curable_by_other_card, answer.hard) == (code, curable, hard)
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) == answer
    assert charge(request) == answer, "repeated by the gateway, not tried again"
    assert taken(fake, request.idempotency_key) == []


def test_a_card_that_the_gateway_does_not_know_is_declined_for_good(fake: Gateway, shop: Shop) -> None:
    holder = save_card(fake, shop.id).token.split(":")[0]
    answer = charge(a_request(shop, f"{holder}:pm_gone"))
    assert answer == Declined("no_such_card", answer.message, curable_by_other_card=True, hard=True)


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ("Invalid currency: xyz", "currency", "parameter_invalid"),
        ("No such PaymentMethod: 'pm_1'; a similar object exists in live mode, but a test mode key was used to make this "
         "request.", "payment_method", "resource_missing"),
        ("The PaymentMethod type card is invalid for this account.", "payment_method_types", None),
        ("Amount must be at least $0.50 usd", "amount", "amount_too_small"),
        ("You cannot use this payment_method here.", "payment_method", "payment_method_unexpected_state"),
    ],
)  # fmt: skip
def test_a_request_that_is_refused_says_nothing_about_the_card(message: str, param: str, code: str | None) -> None:
    answer = answers.of_refused(stripe.InvalidRequestError(message, param, code, json_body={"error": {"message": message}}))
    assert (answer.ours, answer.hard, answer.curable_by_other_card) == (True, False, False)


def test_a_request_that_is_refused_is_told_to_staff_and_not_held_against_the_card(fake: Gateway, db) -> None:
    till = Till(db, "contoso")
    card = save_card(fake, till.id)
    with mock.patch("tollbook.payments.stripe.adapter.to_units", return_value=0):
        asked = till.pay(till.invoice(), card)
    assert (asked.state, attempts.record(card).in_month) == ("withdrawn", 0)
    assert "refuses the request itself" in asked.question and asked.needs_person_at is not None


def test_an_amount_that_cant_be_charged_is_declined_without_asking(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, "cus_none:pm_none", "12.505")
    assert charge(request).code == "amount_not_chargeable"
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) is None


def test_the_holder_confirms_on_the_banks_page_and_is_charged_once(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    fake.control(f"cards/{card.token.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
    request = a_request(shop, card.token)
    answer = charge(request)
    assert isinstance(answer, ActionRequired) and answer.url is None and answer.reference
    page = gateway.confirm("stripe", shop.id, answer.reference, BACK)
    assert isinstance(page, ActionRequired) and page.url and page.url.startswith(fake.url)
    assert gateway.confirm("stripe", shop.id, answer.reference, BACK) == page, "the same page while it waits"
    fake.control(f"authenticate/{answer.reference}", {"agreed": True})
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) == Succeeded(
        answer.reference, Decimal("12.50"), "USD"
    )
    assert isinstance(charge(request), Succeeded), "a repeated answer is old; what it is about is read again"
    assert isinstance(gateway.confirm("stripe", shop.id, answer.reference, BACK), Succeeded)
    assert taken(fake, request.idempotency_key) == [1250]


def test_what_was_confirmed_while_it_was_being_cancelled_is_read_again(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    fake.control(f"cards/{card.token.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
    reference = charge(a_request(shop, card.token)).reference
    gateway.confirm("stripe", shop.id, reference, BACK)
    fake.control(f"authenticate/{reference}", {"agreed": True})
    assert isinstance(adapter._cancelled(reference), Succeeded), "the gateway refuses, and says nothing about the money"


def test_a_page_that_is_closed_can_not_be_paid_any_more(fake: Gateway, shop: Shop) -> None:
    page = gateway.pay_page("stripe", a_request(shop, ""), BACK)
    for _ in range(2):
        ended = gateway.cancel("stripe", shop.id, page.reference)
        assert isinstance(ended, Declined) and ended.code == "page_closed"


def test_a_page_that_was_paid_is_not_closed(fake: Gateway, shop: Shop) -> None:
    page = gateway.pay_page("stripe", a_request(shop, ""), BACK)
    fake.control(f"checkout/{page.reference}", {"card": "pm_card_visa"})
    assert isinstance(gateway.cancel("stripe", shop.id, page.reference), Succeeded)


def test_a_holder_who_refuses_may_try_once_more(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    fake.control(f"cards/{card.token.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
    request = a_request(shop, card.token)
    reference = charge(request).reference
    gateway.confirm("stripe", shop.id, reference, BACK)
    fake.control(f"authenticate/{reference}", {"agreed": False})
    assert isinstance(gateway.look_up("stripe", shop.id, request.idempotency_key), Declined | ActionRequired)
    assert taken(fake, request.idempotency_key) == []


def test_another_accounts_charge_can_not_be_confirmed(fake: Gateway, shop: Shop) -> None:
    reference = charge(a_request(shop, save_card(fake, shop.id).token)).reference
    answer = gateway.confirm("stripe", Shop(shop.db, "contoso").id, reference, BACK)
    assert isinstance(answer, Unknown)


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "half_answer", "garbled"])
def test_a_charge_whose_answer_is_lost_is_found_by_asking(fake: Gateway, shop: Shop, fault: str) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    fake.plan({"kind": fault, "match": CHARGE})
    assert isinstance(charge(request), Unknown)
    fake.plan()
    assert isinstance(gateway.look_up("stripe", shop.id, request.idempotency_key), Succeeded)
    assert taken(fake, request.idempotency_key) == [1250]


def test_what_the_search_has_not_seen_yet_is_in_the_customers_list(fake: Gateway, shop: Shop) -> None:
    fake.limits(search_lag_seconds=3600)
    request = a_request(shop, save_card(fake, shop.id).token)
    answer = charge(request)
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) == answer


def test_what_the_list_does_not_reach_is_found_by_the_search(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    answer = charge(request)
    assert gateway.look_up("stripe", new_id(), request.idempotency_key) == answer, "nobody's customers have no list"


def test_what_never_arrived_is_not_known(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    for fault in ("drop_before", "error_before", "rate_limited"):
        fake.plan({"kind": fault, "match": CHARGE})
        assert isinstance(charge(request), Unknown)
        assert gateway.look_up("stripe", shop.id, request.idempotency_key) is None
    fake.plan()
    assert isinstance(charge(request), Succeeded)
    assert taken(fake, request.idempotency_key) == [1250]


def test_a_failure_that_the_gateway_repeats_for_ever_is_a_definite_answer(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    fake.plan({"kind": "error_failed", "match": CHARGE})
    assert isinstance(charge(request), Unknown)
    fake.plan()
    assert charge(request).code == "gateway_failed"
    other = a_request(shop, request.token)
    fake.plan({"kind": "error_after", "match": CHARGE})
    assert isinstance(charge(other), Unknown)
    fake.plan()
    assert isinstance(charge(other), Succeeded)
    assert (taken(fake, request.idempotency_key), taken(fake, other.idempotency_key)) == ([], [1250])


def test_a_wrong_amount_is_told_as_it_is(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    fake.plan({"kind": "wrong_amount", "match": CHARGE})
    assert charge(request).amount == Decimal("12.49")


def test_a_key_used_for_another_charge_charges_nothing(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    charge(request)
    assert isinstance(charge(replace(request, amount=Decimal(13))), Unknown)
    assert taken(fake, request.idempotency_key) == [1250]


def test_two_at_once_with_one_key_charge_once(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    fake.plan({"kind": "slow", "match": CHARGE, "seconds": 1})
    told: list[Any] = []
    threads = [threading.Thread(target=lambda: told.append(Stripe().charge(request))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(one) for one in told} == {Succeeded, Unknown}, "in use meanwhile: 409"
    assert taken(fake, request.idempotency_key) == [1250]


def test_a_gateway_that_is_away_or_slow_leaves_it_unknown(
    fake: Gateway, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        assert isinstance(charge(request), Unknown)
        assert isinstance(gateway.look_up("stripe", shop.id, request.idempotency_key), Unknown)
        with pytest.raises(Unreachable):
            gateway.set_up("stripe", shop.id, BACK)
    monkeypatch.setattr("tollbook.payments.stripe.client.WHOLE_SECONDS", -1)
    assert isinstance(charge(request), Unknown), "however it drips, an answer must come to an end"


def test_money_is_given_back_once_per_key(fake: Gateway, shop: Shop) -> None:
    reference = charge(a_request(shop, save_card(fake, shop.id).token)).reference
    request = RefundRequest(shop.id, gateway.key_of("refund", new_id()), reference, Decimal("10.00"), "USD", "asked for")
    assert gateway.look_up_refund("stripe", request) is None
    given = gateway.refund("stripe", request)
    assert given == Refunded(given.reference, Decimal("10.00"), "USD")
    assert gateway.refund("stripe", request) == given == gateway.look_up_refund("stripe", request)
    assert gateway.charged("stripe", reference).refunded == Decimal("10.00")
    told = gateway.given_back("stripe", given.reference)
    assert (told.account_id, told.charge_reference, told.answer) == (shop.id, reference, given)
    more = replace(request, idempotency_key=gateway.key_of("refund", new_id()), amount=Decimal("2.51"))
    assert isinstance(gateway.refund("stripe", more), Declined)


def test_a_refund_whose_answer_is_lost_is_found_and_one_that_fails_later_says_so(fake: Gateway, shop: Shop) -> None:
    reference = charge(a_request(shop, save_card(fake, shop.id).token)).reference
    request = RefundRequest(shop.id, gateway.key_of("refund", new_id()), reference, Decimal("12.50"), "USD")
    fake.plan({"kind": "drop_after", "match": {"method": "POST", "path": "/v1/refunds"}})
    assert isinstance(gateway.refund("stripe", request), Unknown)
    given = gateway.look_up_refund("stripe", request)
    assert isinstance(given, Refunded)
    fake.control(f"refunds/{given.reference}", {"status": "failed"})
    assert isinstance(gateway.look_up_refund("stripe", request), Declined)


def test_disputes_are_told_with_their_fee_and_their_end(fake: Gateway, shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    reference = charge(a_request(shop, save_card(fake, shop.id).token)).reference
    made = fake.control("disputes", {"payment_intent": reference})
    [told] = [one for one in gateway.disputes("stripe", start, start + timedelta(hours=1)) if one.reference == made["id"]]
    assert (told.charge_reference, told.amount, told.currency, told.state) == (
        reference, Decimal("12.50"), "USD", "open",
    )  # fmt: skip
    assert told.fee > 0
    fake.control(f"disputes/{made['id']}", {"outcome": "lost"})
    assert gateway.dispute("stripe", made["id"]).state == "lost"


def test_the_list_of_charges_has_everything_that_the_truth_has(fake: Gateway, shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(seconds=2)
    token = save_card(fake, shop.id).token
    for _ in range(3):
        charge(a_request(shop, token))
    foreign = client().v1.payment_intents.create({"amount": 700, "currency": "usd", "metadata": {"shop": "another"}})
    listed = list(gateway.charges("stripe", start, datetime.now(UTC) + timedelta(hours=1)))
    ours = [one for one in listed if one.account_id == shop.id]
    assert [one.amount for one in ours] == [Decimal("12.50")] * 3
    [other] = [one for one in listed if one.reference == foreign.id]
    assert (other.account_id, other.idempotency_key, other.state) == (None, "", "unknown")
    assert list(gateway.charges("stripe", start - timedelta(hours=1), start - timedelta(minutes=30))) == []


def test_a_charge_whose_words_somebody_has_changed_is_listed_and_nobodys(fake: Gateway, shop: Shop) -> None:
    """Whoever may use the gateway's pages may write over what a charge carries."""
    start = datetime.now(UTC) - timedelta(seconds=2)

    def listed() -> list[Charged]:
        return list(gateway.charges("stripe", start, datetime.now(UTC) + timedelta(hours=1)))

    card = save_card(fake, shop.id)
    gateway.charge("stripe", a_request(shop, card.token))
    [made] = [one for one in listed() if one.account_id == shop.id]
    about = {"tollbook_account": "somebody", "tollbook_attempt": "first"}
    client().v1.payment_intents.update(made.reference, {"metadata": about})
    [changed] = [one for one in listed() if one.reference == made.reference]
    assert (changed.account_id, changed.attempt, changed.state) == (None, 0, "succeeded")


def test_a_payment_page_is_open_then_paid_and_found_by_its_key(fake: Gateway, shop: Shop) -> None:
    request = replace(a_request(shop, ""), purpose="invoice", description="Invoice INV-000001")
    page = gateway.pay_page("stripe", request, BACK)
    assert gateway.pay_page("stripe", request, BACK) == page, "the same key leads to the same page"
    waiting = gateway.paid_on("stripe", shop.id, page.reference)
    assert isinstance(waiting, ActionRequired) and waiting.url == page.url
    told = gateway.hosted("stripe", page.reference)
    assert (told.account_id, told.saves_card, told.our_id, told.purpose) == (shop.id, False, request.our_id, "invoice")
    fake.control(f"checkout/{page.reference}", {"card": "pm_card_visa"})
    paid = gateway.paid_on("stripe", shop.id, page.reference)
    assert isinstance(paid, Succeeded) and paid.amount == Decimal("12.50")
    assert gateway.look_up("stripe", shop.id, request.idempotency_key) == paid
    other = Shop(shop.db, "contoso")
    with pytest.raises(LookupError):
        Stripe().paid_on(other.id, page.reference)


def test_a_declined_try_on_an_open_page_decides_nothing(fake: Gateway, shop: Shop) -> None:
    request = a_request(shop, "")
    page = gateway.pay_page("stripe", request, BACK)
    with pytest.raises(AssertionError, match="declined"):
        fake.control(f"checkout/{page.reference}", {"card": "pm_card_visa_chargeDeclined"})
    assert isinstance(gateway.paid_on("stripe", shop.id, page.reference), ActionRequired)
    assert not isinstance(gateway.look_up("stripe", shop.id, request.idempotency_key), Declined)
    fake.advance(25 * 3600)
    assert isinstance(gateway.paid_on("stripe", shop.id, page.reference), Declined)


def test_no_card_comes_from_a_page_that_was_left_or_belongs_to_another(fake: Gateway, shop: Shop) -> None:
    page = gateway.set_up("stripe", shop.id, BACK)
    assert gateway.card_from("stripe", shop.id, page.reference) is None
    assert gateway.hosted("stripe", page.reference).saves_card
    fake.control(f"checkout/{page.reference}", {"card": "pm_card_mastercard"})
    with pytest.raises(LookupError):
        gateway.card_from("stripe", Shop(shop.db, "contoso").id, page.reference)
    card = gateway.card_from("stripe", shop.id, page.reference)
    assert card is not None and (card.brand, card.last4, bool(card.fingerprint)) == ("Mastercard", "4444", True)


def test_an_account_has_one_customer_however_many_cards(fake: Gateway, shop: Shop) -> None:
    first = save_card(fake, shop.id)
    second = save_card(fake, shop.id, "pm_card_mastercard")
    assert len({card.token.split(":")[0] for card in (first, second)}) == len(of_account(shop.id)) == 1


def test_a_forgotten_card_can_not_be_charged_and_is_forgotten_once(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    gateway.forget("stripe", shop.id, card.token)
    gateway.forget("stripe", shop.id, card.token)
    assert charge(a_request(shop, card.token)).hard


def test_a_card_is_told_as_its_bank_renewed_it(fake: Gateway, shop: Shop) -> None:
    card = save_card(fake, shop.id)
    own = card.token.split(":")[1]
    fake.control(f"cards/{own}", {"exp_month": 2, "exp_year": 2045})
    now = gateway.card("stripe", own)
    assert now is not None and method.refresh(shop.id, now)
    assert method.find(shop.id, card.id).expires_year == 2045


def test_the_network_is_never_used_inside_a_transaction(fake: Gateway, shop: Shop) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        BoundedClient().request("get", fake.url, {})
    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a database transaction"):
        Stripe().look_up(shop.id, "key")


def test_a_secret_is_never_logged_even_when_everything_is(
    fake: Gateway, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "stripe", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    request = a_request(shop, save_card(fake, shop.id).token)
    for fault in ("drop_before", "error_after", "garbled", "rate_limited"):
        fake.plan({"kind": fault, "match": CHARGE})
        charge(request)
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        charge(request)
        with pytest.raises(Unreachable) as away:
            gateway.set_up("stripe", shop.id, BACK)
    told = caplog.text + repr(away.value) + repr(away.value.__cause__)
    assert SECRET_KEY not in told and "whsec_" not in told
    assert len(caplog.records) > 10, "somebody did log"


def test_addresses_of_requests_with_the_names_of_customers_are_not_logged(
    fake: Gateway, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    request = a_request(shop, save_card(fake, shop.id).token)
    caplog.set_level(logging.INFO)
    charge(request)
    assert "/v1/" not in caplog.text
    caplog.set_level(logging.INFO, logger="stripe")
    charge(request)
    assert f"{fake.url}/v1/payment_intents" in caplog.text, "the SDK does so at INFO, unless the settings keep it from it"


def test_the_key_does_not_travel_in_the_clear_nor_without_being_set(
    fake: Gateway, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("http://api.stripe.com", "ftp://127.0.0.1", ""):
        with pytest.raises(ImproperlyConfigured):
            checked_base(address)
    assert checked_base("https://api.stripe.com/") == "https://api.stripe.com"
    monkeypatch.delenv("TOLLBOOK_STRIPE_SECRET_KEY")
    with pytest.raises(ImproperlyConfigured):
        client()
    assert isinstance(charge(a_request(shop, "cus_1:pm_1")), Unknown)


def test_a_secret_may_come_from_a_file_and_change_there(
    fake: Gateway, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "key"
    file.write_text("sk_test_wrong\n")
    monkeypatch.delenv("TOLLBOOK_STRIPE_SECRET_KEY")
    monkeypatch.setenv("TOLLBOOK_STRIPE_SECRET_KEY_FILE", str(file))
    with pytest.raises(Unreachable):
        gateway.set_up("stripe", shop.id, BACK)
    file.write_text(f"{SECRET_KEY}\n")
    assert gateway.set_up("stripe", shop.id, BACK).url


@pytest.mark.parametrize(
    ("amount", "currency", "counted"),
    [("12.50", "USD", 1250), ("1250", "JPY", 1250), ("1.230", "KWD", 1230), ("100", "ISK", 10000), ("0.01", "EUR", 1),
     ("700", "UGX", 70000), ("700", "XOF", 700), ("700", "MGA", 700), ("0.010", "TND", 10)],
)
def test_amounts_are_counted_as_stripe_counts_them(amount: str, currency: str, counted: int) -> None:
    assert to_units(Decimal(amount), currency) == counted
    assert from_units(counted, currency) == Decimal(amount)


@pytest.mark.parametrize(
    "written",
    ["0 USD", "-1 USD", "0.001 USD", "1.5 JPY", "1.231 KWD", "0.5 ISK", "0.5 UGX", "1.5 MGA", "1.000 IQD", "1.00 CLF"],
)
def test_an_amount_that_stripe_cant_count_is_refused(written: str) -> None:
    amount, currency = written.split()
    with pytest.raises(NotChargeable):
        to_units(Decimal(amount), currency)


def test_every_state_of_an_intent_means_something() -> None:
    intent = {"id": "pi", "currency": "usd", "amount_received": 0, "last_payment_error": None, "next_action": None}
    for status in ("processing", "requires_confirmation", "requires_payment_method", "requires_capture", "new"):
        assert isinstance(answers.of_intent(intent | {"status": status}), Unknown), status
    assert isinstance(answers.of_intent(intent | {"status": "canceled"}), Declined)
    assert isinstance(answers.of_error(stripe.APIError("secret body", http_status=500)), Unknown)
    assert "secret" not in answers.of_error(stripe.APIError("secret body")).message


def test_a_charge_that_nobody_confirmed_is_cancelled_after_a_while(fake: Gateway, shop: Shop) -> None:
    key = gateway.key_of("refill", new_id())
    about = {"tollbook_key": key, "tollbook_install": install_id(), "tollbook_account": str(shop.id)}
    made = client().v1.payment_intents.create({"amount": 700, "currency": "usd", "metadata": about})
    assert isinstance(gateway.look_up("stripe", shop.id, key), Unknown)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tollbook.payments.stripe.adapter.UNDECIDED_FOR", timedelta(days=-2))
        assert gateway.look_up("stripe", shop.id, key).code == "canceled"
    assert client().v1.payment_intents.retrieve(made.id).status == "canceled"


def test_a_removed_card_leaves_no_double(fake: Gateway, shop: Shop) -> None:
    first = save_card(fake, shop.id)
    page = gateway.set_up("stripe", shop.id, BACK)
    fake.control(f"checkout/{page.reference}", {"card": "pm_card_visa"})
    again = gateway.card_from("stripe", shop.id, page.reference)
    assert again is not None and again.token != first.token and again.fingerprint == first.fingerprint
    method.remove(shop.id, first.id, OWNER)
    assert method.add(shop.id, again, OWNER).is_default
