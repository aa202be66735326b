"""Who gets in, and what everybody gets: problems, ids, headers."""

import gzip
import logging

import pytest
from litestar.testing import TestClient

from tests.databases import Database
from tests.web.api.conftest import Machine, event
from tollbook.accounts.account import by_slug
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import SCOPES, create, revoke
from tollbook.accounts.tables import Account
from tollbook.web.api import usage
from tollbook.web.api.app import inner


def is_problem(response, status: int, code: str) -> bool:
    told = response.json()
    assert response.status_code == status, told
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    assert set(told) >= {"type", "title", "status", "detail", "code", "request_id"}
    assert told["status"] == status and told["request_id"] == response.headers["x-request-id"]
    assert told["code"] == code, told
    return True


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer tb_abc_def", "Basic dXNlcjpwYXNz", "Bearer tb_\u00e9_x"])
def test_without_a_key_nothing_is_answered(client: TestClient, authorization: str) -> None:
    response = client.post("/api/v1/usage", json=[], headers={"Authorization": authorization.encode()})
    assert is_problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused_at_once(client: TestClient, northwind: Account) -> None:
    key, secret = create(northwind.id, "dialer", ["usage"], SYSTEM)
    machine = Machine(client, secret)
    assert machine.post("/usage", []).status_code == 200
    revoke(northwind.id, key.id, SYSTEM)
    assert is_problem(machine.post("/usage", []), 401, "unauthorized")


def test_a_key_does_only_what_it_is_for(client: TestClient, northwind: Account) -> None:
    machine = Machine(client, create(OPERATOR_ID, "reports", ["read", "holds"], SYSTEM)[1])
    response = machine.post("/usage", [event("a")])
    assert is_problem(response, 403, "forbidden")
    assert 'scope="usage"' in response.headers["www-authenticate"]


def test_another_accounts_things_do_not_exist(own: Machine, machine: Machine, contoso: Account) -> None:
    hold = machine.post("/holds", {"event_id": "a", "account": "contoso", "type": "sms", "quantity": 1}).json()["id"]
    foreign = own.post("/holds", {"event_id": "b", "account": "contoso", "type": "sms", "quantity": 1})
    missing = own.post("/holds", {"event_id": "b", "account": "nobody", "type": "sms", "quantity": 1})
    assert is_problem(foreign, 404, "not_found") and is_problem(missing, 404, "not_found")
    assert foreign.json()["detail"].replace("contoso", "nobody") == missing.json()["detail"]
    for verb, body in (
        ("extend", {"quantity": 1}),
        ("capture", {"quantity": 1, "occurred_at": "2026-03-01T12:00:00Z"}),
        ("release", {}),
    ):
        assert is_problem(own.post(f"/holds/{hold}/{verb}", body), 404, "not_found")


def test_every_route_of_the_api_asks_for_a_key_and_a_scope() -> None:
    open_to_all = {"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json"}
    open_to_all.add("/api/v1/gateways/{name:str}/webhook")  # a gateway's signature is its key
    for route in inner.routes:
        if route.path in open_to_all:
            continue
        assert route.path.startswith("/api/v1/")
        for handler in route.route_handlers:
            if "OPTIONS" not in handler.http_methods:
                assert handler.opt["scope"] in SCOPES, route.path
                assert "takes" in handler.opt or handler.http_methods == {"GET"}
                assert [guard.__name__ for guard in handler.resolve_guards()][0] == "require_key"


def test_unknown_addresses_and_methods_are_problems_too(client: TestClient, machine: Machine) -> None:
    assert is_problem(client.get("/api/v1/nothing"), 404, "not_found")
    assert is_problem(client.get("/api/v1/"), 404, "not_found")
    assert is_problem(client.get("/api/v2/usage"), 404, "not_found")
    assert is_problem(client.get("/nothing"), 404, "not_found")
    assert is_problem(client.get("/api/v1/usage"), 405, "method_not_allowed")
    assert is_problem(machine.post("/holds/not-a-uuid/capture", {}), 404, "not_found")


def test_bodies_of_other_types_are_refused(machine: Machine) -> None:
    for type in ("application/x-www-form-urlencoded", "text/csv", "multipart/form-data; boundary=x"):
        response = machine.call("POST", "/usage", content=b"[]", headers={"Content-Type": type})
        assert is_problem(response, 415, "unsupported_media_type")
    packed = machine.call("POST", "/usage", content=b"[]", headers={"Content-Encoding": "br"})
    assert is_problem(packed, 415, "unsupported_media_type")
    held = machine.call("POST", "/holds", content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert is_problem(held, 415, "unsupported_media_type")
    assert is_problem(machine.call("POST", "/holds", content=b"", headers={"Content-Type": "application/x-ndjson"}),
                      415, "unsupported_media_type")  # fmt: skip


def test_a_body_over_the_limit_is_refused(machine: Machine) -> None:
    huge = b"[" + b" " * (16 * 1024 * 1024) + b"]"
    assert is_problem(machine.call("POST", "/usage", content=huge), 413, "too_large")

    def pieces():
        for _ in range(17):
            yield b" " * 1024 * 1024

    assert is_problem(machine.call("POST", "/usage", content=pieces()), 413, "too_large")


def test_the_callers_request_id_comes_back_and_is_in_the_log(machine: Machine, caplog) -> None:
    caplog.set_level(logging.INFO, "tollbook.web")
    caplog.set_level(logging.DEBUG, "tollbook.web")  # what comes thousands of times a second has no line at INFO
    answer = machine.post("/usage", [], headers={"X-Request-Id": "switch-0815-4711"})
    assert answer.headers["x-request-id"] == "switch-0815-4711"
    line = next(record for record in caplog.records if record.getMessage() == "request")
    assert (line.method, line.path, line.status) == ("POST", "/api/v1/usage", 200)
    assert line.user.startswith("tb_") and machine.secret not in str(vars(line))
    answer = machine.post("/usage", [], headers={"X-Request-Id": "bad id\twith spaces"})
    assert answer.headers["x-request-id"] != "bad id\twith spaces"
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_defect_tells_nothing_of_our_inside(machine: Machine, monkeypatch, caplog) -> None:
    monkeypatch.setattr(usage, "record_batch", lambda *_: 1 / 0)
    response = machine.post("/usage", [event("a")])
    assert is_problem(response, 500, "internal_error")
    assert "division" not in response.text and "Traceback" not in response.text
    assert "ZeroDivisionError" in caplog.text


def test_healthz_needs_nothing(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_readyz_says_what_is_wrong(client: TestClient, db: Database) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503 and "worker" in answer.json()["problems"]
    with db.connect() as connection:
        connection.execute("INSERT INTO worker_beat (job, at, took_ms, error) VALUES ('refills', now(), 1, '')")
    assert client.get("/readyz").json() == {"status": "ready", "problems": {}, "usage_backlog": 0}
    with db.connect("owner") as connection:
        connection.execute("UPDATE worker_beat SET at = now() - interval '61 seconds'")
        assert "61 seconds" in client.get("/readyz").json()["problems"]["worker"]
        connection.execute("BEGIN")
        connection.execute("UPDATE django_migrations SET name = 'x' || name WHERE name = '0002_roles_and_rows'")
        connection.execute("COMMIT")
        try:
            assert "tollbook.0002_roles_and_rows" in client.get("/readyz").json()["problems"]["migrations"]
        finally:
            connection.execute("UPDATE django_migrations SET name = substr(name, 2) WHERE name LIKE 'x0002%'")


def test_a_key_of_an_account_need_not_name_it(own: Machine, machine: Machine, northwind: Account) -> None:
    nameless = {name: value for name, value in event("a").items() if name != "account"}
    assert own.post("/usage", [nameless]).json()["accepted"] == 1
    assert machine.post("/usage", [nameless]).json()["rejected"][0]["code"] == "unknown_account"
    hold = {"event_id": "b", "type": "sms", "quantity": 1}
    assert own.post("/holds", hold).status_code == 201
    assert is_problem(machine.post("/holds", hold), 400, "invalid")
    assert by_slug("northwind") == northwind


def test_options_are_told_without_a_key(client: TestClient) -> None:
    answer = client.options("/api/v1/usage")
    assert answer.status_code == 204 and set(answer.headers["allow"].split(", ")) == {"OPTIONS", "POST"}
