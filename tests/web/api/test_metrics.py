"""/metrics: the right figures, to the right people, and also while the database is away."""

from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.cast import wallet
from tests.databases import Database
from tests.web.api.conftest import Machine, event
from tollbook import metrics
from tollbook.accounts.tables import Account
from tollbook.refills.tables import RefillRule
from tollbook.web.api import metrics as door
from tollbook.web.api.app import api

TOKEN = override_settings(METRICS_TOKEN="between-us")
KEY = {"Authorization": "Bearer between-us"}


def asked(client: TestClient, **headers: str) -> dict[str, float]:
    """Every figure, by its name and labels."""
    with TOKEN:
        answer = client.get("/metrics", headers=KEY | headers)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(client: TestClient, machine: Machine) -> None:
    before = asked(client)
    machine.get("/accounts/northwind/wallets")
    machine.get("/accounts/northwind/wallets")
    machine.get("/accounts/nobody/wallets")
    machine.get("/no/such/address")
    after = asked(client)

    def more(name: str) -> float:
        return after.get(f"tollbook_requests_total {name}", 0) - before.get(f"tollbook_requests_total {name}", 0)

    assert more("/api/v1/accounts/{slug}/wallets 200") == 2
    assert more("/api/v1/accounts/{slug}/wallets 404") == 1
    assert more("nowhere 404") == 1
    assert not any("nobody" in name or "such" in name for name in after), "an address is no label: there are too many"


def test_events_are_counted_by_what_became_of_them(client: TestClient, machine: Machine) -> None:
    before = asked(client)
    machine.post("/usage", [event("a"), event("b"), event("a"), event("c", type="fax")])
    after = asked(client)
    grown = {name: after[name] - before[name] for name in after if name.startswith("tollbook_events_total")}
    assert grown == {
        "tollbook_events_total accepted": 2,
        "tollbook_events_total duplicate": 1,
        "tollbook_events_total rejected": 1,
    }


def test_the_state_of_the_books_is_told(client: TestClient, machine: Machine, northwind: Account, db: Database) -> None:
    assert asked(client)["tollbook_wallets_below_minimum"] == 0
    with db.connect() as connection:
        connection.execute("INSERT INTO worker_beat VALUES ('beat', now() - interval '9 s', 1, '')")
    for type_code, minimum in (("sms", 100), ("email", 99)):
        RefillRule.objects.create(
            account_id=northwind.id, wallet_id=wallet(northwind, type_code).id, automatic=True, refill_amount=10,
            minimum_before_refill=minimum, monthly_cap=100, set_by="test", set_at="2026-03-01T12:00:00Z",
        )  # fmt: skip
    machine.post("/holds", {"event_id": "a", "account": "northwind", "type": "sms", "quantity": 1})
    figures = asked(client)
    assert figures["tollbook_wallets_below_minimum"] == 1
    assert figures["tollbook_open_holds"] == 1
    assert 9 <= figures["tollbook_worker_beat_age_seconds"] < 60
    assert figures["tollbook_refills succeeded"] == figures["tollbook_refills unknown"] == 0
    assert figures["tollbook_database_up"] == 1
    assert figures["tollbook_database_pool_max"] >= figures["tollbook_database_pool_size"] >= 1
    assert figures["process_resident_memory_bytes"] > 1_000_000


def test_transactions_and_the_queue_are_told(client: TestClient) -> None:
    before = asked(client)
    metrics.count_transaction(0.004, requests=7)
    metrics.watch_queue(lambda: 13)
    after = asked(client)
    assert after["tollbook_transaction_seconds_count"] - before["tollbook_transaction_seconds_count"] == 1
    assert after["tollbook_group_requests_sum"] - before["tollbook_group_requests_sum"] == 7
    assert after["tollbook_queue_events"] == 13


def test_while_the_database_is_away_the_process_still_tells_its_own(client: TestClient, monkeypatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "HOST", "/nowhere")
    monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "pool", False)
    figures = asked(client)
    assert figures["tollbook_database_up"] == 0
    assert "tollbook_open_holds" not in figures and "tollbook_events_total accepted" in figures


def test_with_a_token_only_who_knows_it_is_answered(client: TestClient) -> None:
    with TOKEN:
        for text in ("", "Bearer other", "between-us", "Bearer \u00e9"):
            assert client.get("/metrics", headers={"Authorization": text.encode()}).status_code == 401
        assert client.get("/metrics", headers=KEY | {"X-Forwarded-For": "203.0.113.9"}).status_code == 200


@pytest.mark.parametrize("header", door.PROXY_HEADERS)
def test_without_a_token_only_this_machine_is_answered_and_no_proxy(client: TestClient, header: str) -> None:
    """A proxy on this machine is this machine; whoever asks through it is not."""

    def status(address: str, **headers: str) -> int:
        async def from_there(scope: Any, receive: Any, send: Any) -> None:
            await api({**scope, "client": (address, 1)}, receive, send)

        return TestClient(from_there).get("/metrics", headers=headers).status_code

    assert status("127.0.0.1") == status("::1") == 200
    assert status("127.0.0.1", **{header: "203.0.113.9"}) == 404
    assert status("203.0.113.9") == 404


def test_many_routes_do_not_become_many_figures(client: TestClient, monkeypatch) -> None:
    monkeypatch.setattr(metrics, "MOST_ROUTES", 0)
    metrics.count_request("/one/more", 200)
    assert "tollbook_requests_total /one/more 200" not in asked(client)
