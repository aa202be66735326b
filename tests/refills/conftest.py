"""Tests of money see the simulated gateway, and some that misbehave."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.refills.shop")

from tests.databases import Database  # noqa: E402
from tests.refills.shop import Shop, gateway_is  # noqa: E402
from tollbook.refills import health  # noqa: E402


@pytest.fixture(autouse=True)
def _gateways() -> Iterator[None]:
    health.forget()
    with gateway_is():
        yield


@pytest.fixture
def shop(db: Database) -> Shop:
    """An account with wallets and rates; see `Shop`."""
    return Shop(db)
