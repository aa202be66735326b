"""Two accounts with credit and rates, and a machine that talks to the API in this process."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import SCOPES, create
from tollbook.accounts.tables import Account
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.wallets.credit import adjust
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import open_wallets
from tollbook.web.api import threads
from tollbook.web.api.app import api

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
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


def opened(slug: str, credit: str = "100") -> Account:
    """An account with `credit` dollars in every wallet."""
    account = open_account(NewAccount(slug, slug.title(), LONG_AGO.date()), SYSTEM)
    open_wallets(account)
    for type_code in RATES:
        adjust(account.id, type_code, Decimal(credit), "paid", "opening balance", SYSTEM)
    return account


def rates() -> None:
    """Rates in cents for everybody; outbound to 1900... costs a dollar a minute."""
    for type_code, cents in RATES.items():
        initial, step = STEPS.get(type_code, (1, 1))
        steps = {"initial_seconds": initial, "increment_seconds": step}
        set_rate(NewRate(type_code, Decimal(cents), LONG_AGO, **steps), SYSTEM)
    set_rate(NewRate("outbound", Decimal(100), LONG_AGO, prefix="1900"), SYSTEM)


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


def now() -> str:
    """A moment ago, as senders write it."""
    return (datetime.now(UTC) - timedelta(seconds=5)).isoformat()


def event(id: str, **changes: Any) -> dict[str, Any]:
    """An event of 61 seconds inbound for Northwind."""
    usual = {"id": id, "account": "northwind", "type": "inbound", "quantity": 61, "occurred_at": "2026-03-01T12:00:00Z"}
    return usual | changes


def balance(account: Account, type_code: str) -> Decimal:
    """What is in a wallet."""
    wallet = Wallet.objects.get(account_id=account.id, type_code=type_code)
    return wallet.paid + wallet.granted


def held(account: Account, type_code: str) -> Decimal:
    """What is set aside in a wallet."""
    return Wallet.objects.get(account_id=account.id, type_code=type_code).held
