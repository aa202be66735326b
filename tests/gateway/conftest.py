"""A fake gateway, and the official SDK pointed at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.gateway import Gateway, running
from tests.gateway.started import SECRET_KEY


@dataclass
class Shop:
    """A gateway, a client of it, and a customer with a saved card."""

    gateway: Gateway
    client: stripe.StripeClient
    customer: str
    card: str

    def pay(self, key: str = "", **more: Any) -> Any:
        """A charge off session as Tollbook makes them: 50.00 USD unless told otherwise."""
        wanted = {
            "amount": 5000, "currency": "usd", "customer": self.customer, "payment_method": self.card,
            "off_session": True, "confirm": True, "metadata": {"refill": key},
        } | more
        return self.client.v1.payment_intents.create(wanted, {"idempotency_key": key} if key else {})

    def save(self, card: str) -> str:
        """Attach a test card by its token."""
        return self.client.v1.payment_methods.attach(card, {"customer": self.customer}).id

    def charged(self, key: str) -> int:
        """How often the truth file says that money was taken for this key."""
        return sum(movement.metadata.get("refill") == key for movement in self.gateway.moved())


def sdk(gateway: Gateway, timeout: float = 5) -> stripe.StripeClient:
    """The official SDK as Tollbook uses it: no retries of its own."""
    return stripe.StripeClient(
        SECRET_KEY, base_addresses={"api": gateway.url}, max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=timeout),
    )


def open_shop(gateway: Gateway) -> Shop:
    """A new customer with a card that works."""
    client = sdk(gateway)
    customer = client.v1.customers.create({"name": "Acme Dialing", "metadata": {"account": "1"}})
    card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    return Shop(gateway, client, customer.id, card.id)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def shop(started: Gateway) -> Iterator[Shop]:
    """One gateway for a module; each test has its own customer, and leaves no plan behind."""
    yield open_shop(started)
    started.plan()
    started.webhooks(target="", mode="normal", kinds=[], secrets=["whsec_test"])
    started.limits(per_second=0, search_per_second=20, search_lag_seconds=0, async_seconds=1)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Shop]:
    """A gateway of the test's own, to kill."""
    with running(tmp_path) as gateway:
        yield open_shop(gateway)
