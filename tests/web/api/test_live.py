"""The API behind the real server: what only a socket shows."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cast import a_rate, an_account, funded
from tests.web.api.conftest import balance, event
from tests.web.api.test_door import is_problem
from tollbook.accounts.account import by_slug
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import SCOPES, create


@pytest.fixture
def http(live: str) -> Iterator[httpx.Client]:
    """A machine with a key for everything, over a socket."""
    account = an_account()
    for type_code in ("sms", "inbound"):
        a_rate(type_code, "0.75", 1, 1)
        funded(account, type_code)
    secret = create(OPERATOR_ID, "switch", list(SCOPES), SYSTEM)[1]
    with httpx.Client(base_url=f"{live}/api/v1", headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as client:
        yield client


def test_eight_senders_of_the_same_events_debit_each_once(http: httpx.Client) -> None:
    batch = [event(f"e-{n}", type="sms", quantity=1) for n in range(200)]
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: http.post("/usage", json=batch, timeout=30).json(), range(24)))
    assert sum(answer["accepted"] for answer in answers) == 200
    assert sum(answer["duplicates"] for answer in answers) == 23 * 200
    assert balance(by_slug("northwind"), "sms") == Decimal("98.5")


def test_problems_and_health_come_through(http: httpx.Client, live: str) -> None:
    assert is_problem(http.get("/nothing"), 404, "not_found")
    assert is_problem(http.get("/accounts/%FF%00/wallets"), 404, "not_found")
    assert is_problem(http.post("/usage", content=b" " * (16 * 1024 * 1024 + 1)), 413, "too_large")
    assert is_problem(http.get("/usage"), 405, "method_not_allowed")
    assert httpx.get(f"{live}/healthz", trust_env=False).json() == {"status": "alive"}
    assert httpx.get(f"{live}/readyz", trust_env=False).status_code == 503
    assert httpx.get(f"{live}/api/v1/openapi.json", trust_env=False).json()["openapi"] == "3.1.0"


def test_a_long_list_is_streamed(http: httpx.Client) -> None:
    for part in range(3):
        http.post("/usage", json=[event(f"e-{part}-{n}", type="sms", quantity=1) for n in range(2_000)], timeout=30)
    with http.stream("GET", "/accounts/northwind/events", headers={"Accept": "application/x-ndjson"}) as answer:
        assert "content-length" not in answer.headers
        ids = [json.loads(line)["id"] for line in answer.iter_lines()]
    assert len(ids) == len(set(ids)) == 6_000


def test_a_body_that_never_ends_costs_nothing(live: str) -> None:
    """Whoever hangs up in the middle of a body leaves the server as it was."""
    place = urlsplit(live)
    for _ in range(20):
        with socket.create_connection((place.hostname, place.port)) as line:
            line.sendall(b"POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[")
    assert httpx.get(f"{live}/healthz", trust_env=False).status_code == 200
