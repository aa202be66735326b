"""The simulated gateway: what each card does, and what it remembers."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.test.utils import override_settings

from tests.refills.shop import Shop, gateway_is
from tollbook import settings
from tollbook.payments import gateway
from tollbook.payments.gateway import ActionRequired, ChargeRequest, Declined, KeyReused, Succeeded, Unknown
from tollbook.payments.simulated import Simulated
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
    assert settings.GATEWAYS == {}


@gateway_is("Failing")
def test_an_adapter_that_fails_leaves_it_unknown(shop: Shop) -> None:
    answer = gateway.charge("simulated", request(shop))
    assert answer == Unknown("The gateway failed: ConnectionResetError.")
