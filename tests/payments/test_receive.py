"""A charge becomes a payment in the books, once."""

from decimal import Decimal

import pytest
from django.db import transaction

from tests.refills.shop import Shop
from tests.together import together
from tollbook.errors import Conflict
from tollbook.ledger.balance import sums
from tollbook.payments.receive import receive
from tollbook.payments.tables import Payment


def received(shop: Shop, amount: str = "20.00", currency: str = "USD", reference: str = "ch_1") -> Payment:
    with transaction.atomic():
        return receive(shop.id, "stripe", reference, Decimal(amount), currency, "Visa •• 4242", "Tollbook")


def test_a_payment_is_posted_to_cash_and_clearing(shop: Shop) -> None:
    received(shop)
    assert sums(shop.id) == {"cash:stripe": Decimal(20), "clearing:stripe": Decimal(-20)}


def test_the_same_charge_again_is_the_same_payment(shop: Shop) -> None:
    assert received(shop).id == received(shop).id
    assert sums(shop.id)["cash:stripe"] == Decimal(20)


def test_a_charge_told_eight_times_at_once_is_one_payment(shop: Shop) -> None:
    assert len(set(together(8, lambda: received(shop).id))) == 1
    assert sums(shop.id)["cash:stripe"] == Decimal(20)


@pytest.mark.parametrize("changed", [{"amount": "21.00"}, {"currency": "EUR"}])
def test_a_charge_that_comes_back_otherwise_is_refused(shop: Shop, changed: dict) -> None:
    received(shop)
    with pytest.raises(Conflict):
        received(shop, **changed)
    assert sums(shop.id)["cash:stripe"] == Decimal(20)


def test_a_charge_without_a_reference_is_not_recorded(shop: Shop) -> None:
    with pytest.raises(ValueError, match="reference"):
        received(shop, reference="")
