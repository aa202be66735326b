"""Tollbook's own adapter for Stripe, pointed at the fake gateway of `tests.gateway`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock
from uuid import UUID

from django.test.utils import override_settings

from tests.gateway import Gateway
from tests.gateway.started import SECRET_KEY, WEBHOOK_SECRET
from tests.refills.shop import OWNER
from tollbook.payments import gateway, method
from tollbook.payments.tables import PaymentMethod

BACK = "https://billing.example/billing/payment-methods/"


@contextmanager
def at_stripe(fake: Gateway, **settings: object) -> Iterator[None]:
    """For the block, cards are charged at the fake gateway, by the real SDK."""
    offered = {"stripe": "tollbook.payments.stripe.adapter.Stripe"}
    with (
        mock.patch.dict(os.environ, secrets()),
        override_settings(GATEWAYS=offered, STRIPE_API_BASE=fake.url, **settings),
    ):
        yield


def secrets() -> dict[str, str]:
    """What a process needs in its environment to speak to the fake gateway, but for TOLLBOOK_STRIPE_API_BASE."""
    return {"TOLLBOOK_STRIPE_SECRET_KEY": SECRET_KEY, "TOLLBOOK_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET}


def save_card(fake: Gateway, account_id: UUID, card: str = "pm_card_visa") -> PaymentMethod:
    """Add a card as a person does: on the hosted page, and back."""
    page = gateway.set_up("stripe", account_id, BACK)
    fake.control(f"checkout/{page.reference}", {"card": card})
    new = gateway.card_from("stripe", account_id, page.reference)
    assert new is not None
    return method.add(account_id, new, OWNER)
