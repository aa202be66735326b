"""Two accounts with credit and rates, and a machine that talks to the API in this process."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from tests.cast import a_rate, an_account, funded, wallet
from tests.databases import Database
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import SCOPES, create
from tollbook.accounts.tables import Account
from tollbook.web.api import threads
from tollbook.web.api.app import api

STEPS = {"inbound": (30, 6), "outbound": (60, 60), "speech_to_text": (15, 15)}
RATES = {
    "email": "0.08",
    "ringless_voicemail": "1.5",
    "speech_to_text": "1.2",
    "conversational_ai": "7.5",
    "sms": "0.75",
    "inbound": "0.6",
    "outbound": "1.4",
}


def opened(slug: str) -> Account:
    """An account with 100 dollars in every wallet."""
    account = an_account(slug)
    for type_code in RATES:
        funded(account, type_code)
    return account


def rates() -> None:
    """Rates in cents for everybody; outbound to 1900... costs a dollar a minute."""
    for type_code, cents in RATES.items():
        a_rate(type_code, cents, *STEPS.get(type_code, (1, 1)))
    a_rate("outbound", "100", 60, 60, prefix="1900")


@dataclass
class Machine:
    """A caller with its key."""

    client: TestClient
    secret: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request under /api/v1."""
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """POST some JSON."""
        return self.call("POST", path, json=json, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.call("GET", path, **options)


@pytest.fixture
def client(db: Database) -> Iterator[TestClient]:
    """The API without a key, on threads of its own, so that no connection outlives the test."""
    pool = threads.use()
    with TestClient(api, raise_server_exceptions=False) as made:
        yield made
    pool.shutdown()
    threads.use()  # for whoever comes next without this fixture


@pytest.fixture
def northwind(db: Database) -> Account:
    """An account with 100 dollars in every wallet; rates are set."""
    rates()
    return opened("northwind")


@pytest.fixture
def contoso(northwind: Account) -> Account:
    """Another account."""
    return opened("contoso")


@pytest.fixture
def machine(client: TestClient, northwind: Account) -> Machine:
    """The operator's switch: a key for all accounts and everything."""
    return Machine(client, create(OPERATOR_ID, "switch", list(SCOPES), SYSTEM)[1])


@pytest.fixture
def own(client: TestClient, northwind: Account) -> Machine:
    """A key of Northwind's own, for everything."""
    return Machine(client, create(northwind.id, "dialer", list(SCOPES), SYSTEM)[1])


def event(id: str, **changes: Any) -> dict[str, Any]:
    """An event of 61 seconds inbound for Northwind."""
    usual = {"id": id, "account": "northwind", "type": "inbound", "quantity": 61, "occurred_at": "2026-03-01T12:00:00Z"}
    return usual | changes


def balance(account: Account, type_code: str) -> Decimal:
    """What is in a wallet."""
    return wallet(account, type_code).paid


def held(account: Account, type_code: str) -> Decimal:
    """What is set aside in a wallet."""
    return wallet(account, type_code).held
