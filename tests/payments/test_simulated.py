"""The simulated gateway: what each card does, and what it remembers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test.utils import override_settings

from tests.refills.shop import Shop, gateway_is
from tollbook import settings
from tollbook.payments import gateway
from tollbook.payments.gateway import (
    ActionRequired,
    ChargeRequest,
    Declined,
    KeyReused,
    NewMethod,
    Refunded,
    RefundRequest,
    Succeeded,
    Unknown,
)
from tollbook.payments.simulated import Simulated, chosen
from tollbook.payments.tables import SimulatedCharge


def request(shop: Shop, token: str = "sim_4242", key: str = "k") -> ChargeRequest:
    return ChargeRequest(shop.id, key, token, Decimal("12.50"), "USD")


@pytest.mark.parametrize(
    ("token", "code"), [("sim_0002", "card_declined"), ("sim_9995", "insufficient_funds"), ("no_such", "no_such_card")]
)
def test_cards_that_decline_say_why(shop: Shop, token: str, code: str) -> None:
    answer = gateway.charge("simulated", request(shop, token))
    assert isinstance(answer, Declined) and answer.code == code


def test_a_good_card_is_charged_once_per_key(shop: Shop) -> None:
    first = gateway.charge("simulated", request(shop))
    assert first == Succeeded(first.reference, Decimal("12.50"), "USD")
    assert gateway.charge("simulated", request(shop)) == first
    assert gateway.look_up("simulated", shop.id, "k") == first
    assert gateway.charge("simulated", request(shop, key="k2")).reference != first.reference
    assert SimulatedCharge.objects.count() == 2


def test_a_card_may_want_its_holder_to_act(shop: Shop) -> None:
    assert isinstance(gateway.charge("simulated", request(shop, "sim_3184")), ActionRequired)
    assert isinstance(gateway.look_up("simulated", shop.id, "k"), ActionRequired)


def test_a_lost_answer_is_unknown_until_somebody_asks(shop: Shop) -> None:
    assert isinstance(gateway.charge("simulated", request(shop, "sim_0408")), Unknown)
    assert isinstance(gateway.charge("simulated", request(shop, "sim_0408")), Unknown)
    assert isinstance(gateway.look_up("simulated", shop.id, "k"), Succeeded)


def test_what_never_arrived_is_not_known(shop: Shop) -> None:
    assert gateway.look_up("simulated", shop.id, "k") is None


@pytest.mark.parametrize("changed", [{"amount": Decimal(13)}, {"currency": "EUR"}, {"token": "sim_4444"}])
def test_a_key_used_for_another_charge_is_an_error_and_charges_nothing(shop: Shop, changed: dict) -> None:
    Simulated().charge(request(shop))
    with pytest.raises(KeyReused):
        Simulated().charge(replace(request(shop), **changed))
    assert isinstance(gateway.charge("simulated", replace(request(shop), **changed)), Unknown)
    assert [charge.amount for charge in SimulatedCharge.objects.all()] == [Decimal("12.50")]


def test_accounts_do_not_share_keys(shop: Shop) -> None:
    other = Shop(shop.db, "contoso")
    gateway.charge("simulated", request(shop))
    gateway.charge("simulated", request(other))
    assert SimulatedCharge.objects.count() == 2


def test_a_gateway_is_offered_only_when_the_settings_say_so(shop: Shop) -> None:
    assert gateway.offered() == ("simulated",)
    with override_settings(GATEWAYS={}):
        assert gateway.offered() == ()
        assert isinstance(gateway.charge("simulated", request(shop)), Unknown)
    assert SimulatedCharge.objects.count() == 0


def test_the_simulated_gateway_is_not_offered_outside_the_demo() -> None:
    assert settings.DEMO is False
    assert set(settings.GATEWAYS) == {"manual"}


@gateway_is("Failing")
def test_an_adapter_that_fails_leaves_it_unknown(shop: Shop) -> None:
    answer = gateway.charge("simulated", request(shop))
    assert answer == Unknown("The gateway failed: ConnectionResetError.")


def a_refund(shop: Shop, reference: str, amount: str, key: str = "r") -> RefundRequest:
    return RefundRequest(shop.id, key, reference, Decimal(amount), "USD", "asked for")


def refunded(shop: Shop, reference: str, amount: str, key: str = "r") -> object:
    return gateway.refund("simulated", a_refund(shop, reference, amount, key))


def test_money_is_given_back_once_per_key_and_never_more_than_was_taken(shop: Shop) -> None:
    charge = gateway.charge("simulated", request(shop))
    first = refunded(shop, charge.reference, "10.00")
    assert first == Refunded(first.reference, Decimal("10.00"), "USD")
    assert refunded(shop, charge.reference, "10.00") == first
    assert gateway.look_up_refund("simulated", a_refund(shop, charge.reference, "10.00")) == first
    assert isinstance(refunded(shop, charge.reference, "2.51", "r2"), Declined)
    assert gateway.look_up_refund("simulated", a_refund(shop, charge.reference, "2.51", "r2")) is None
    assert gateway.charged("simulated", charge.reference).refunded == Decimal("10.00")
    assert isinstance(refunded(shop, charge.reference, "1.00"), Unknown), "the key was used for another refund"


def test_charges_are_listed_with_what_they_were_for(shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    gateway.charge("simulated", request(shop, key=gateway.key_of("refill", shop.id, 2)))
    gateway.charge("simulated", request(shop, "sim_0002", key="k"))
    taken, declined = gateway.charges("simulated", start, start + timedelta(hours=1))
    assert (taken.state, taken.account_id, taken.amount, taken.refunded) == ("succeeded", shop.id, Decimal("12.50"), 0)
    assert (taken.purpose, taken.our_id, taken.attempt) == ("refill", str(shop.id), 2)
    assert declined.state == "declined"
    assert list(gateway.charges("simulated", start - timedelta(hours=1), start)) == []


def test_a_card_may_dispute(shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    for token in ("sim_0259", "sim_1976", "sim_4242"):
        gateway.charge("simulated", request(shop, token, key=token))
    one, other = gateway.disputes("simulated", start, start + timedelta(hours=1))
    assert (one.state, other.state, one.amount, one.fee) == ("open", "lost", Decimal("12.50"), Decimal("15.00"))
    assert gateway.dispute("simulated", one.reference) == one
    with pytest.raises(LookupError):
        gateway.dispute("simulated", "dispute_of_nothing")


def test_a_card_chosen_on_the_page_comes_back_to_its_account_only(shop: Shop) -> None:
    page = gateway.set_up("simulated", shop.id, "https://billing.example/back/")
    assert gateway.card_from("simulated", shop.id, page.reference) is None
    card = gateway.card_from("simulated", shop.id, chosen(shop.id, "sim_4444"))
    assert card == NewMethod("simulated", "sim_4444", "Mastercard", "4444", 12, 2040)
    assert gateway.card_from("simulated", Shop(shop.db, "contoso").id, chosen(shop.id, "sim_4444")) is None


def test_no_gateway_is_called_inside_a_transaction(shop: Shop) -> None:
    start = datetime.now(UTC)
    with transaction.atomic():
        for call in (
            lambda: gateway.charge("simulated", request(shop)),
            lambda: refunded(shop, "ch", "1.00"),
            lambda: next(gateway.charges("simulated", start, start)),
            lambda: gateway.set_up("simulated", shop.id, "https://billing.example/"),
        ):
            with pytest.raises(RuntimeError, match="inside a database transaction"):
                call()
