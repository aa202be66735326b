"""The OpenAPI document: complete, sound in itself, and its examples are true."""

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.test import override_settings
from litestar.testing import TestClient

from tests.web.api.conftest import Machine
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Wanted, correct
from tollbook.invoicing.drafts import compose
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import InvoiceKind
from tollbook.money.period import period_number
from tollbook.payments.method import NewMethod, add
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind
from tollbook.web.api.app import inner
from tollbook.web.api.examples import EXAMPLES
from tollbook.web.api.openapi import answer_type, unwrapped

HANDLERS = {
    handler.handler_name: (route.path_format, method, handler)
    for route in inner.routes
    for method, (handler, _) in route.route_handler_map.items()
    if "scope" in handler.opt and method != "OPTIONS"
}


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    return client.get("/api/v1/openapi.json").json()


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(child)


def test_every_call_is_described_with_an_example_and_a_sentence(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    described = {
        operation["operationId"]: (path, method.upper())
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {name: (path, method) for name, (path, method, _) in HANDLERS.items()}
    assert set(EXAMPLES) == set(HANDLERS)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"].endswith("."), operation
            in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))


def test_every_reference_leads_somewhere_and_nothing_leads_outside(document: dict[str, Any]) -> None:
    for value in inside(document):
        if "$ref" in value:
            found: Any = document
            for name in value["$ref"].removeprefix("#/").split("/"):
                found = found[name]
    assert "http://" not in json.dumps(document) and "https://" not in json.dumps(document)


def test_amounts_are_described_as_decimals_never_as_floats(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, told in schema.get("properties", {}).items():
            assert told.get("type") != "number", (name, field)
    event = document["components"]["schemas"]["EventBody"]["properties"]["quantity"]
    assert (event["type"], event["format"]) == (["string", "number"], "decimal")


@pytest.mark.parametrize("name", HANDLERS)
def test_an_example_has_the_described_types(name: str) -> None:
    example, handler = EXAMPLES[name], HANDLERS[name][2]
    msgspec.convert(example.answer, answer_type(handler), strict=False)
    if "body" in handler.opt:
        msgspec.json.decode(msgspec.json.encode(example.body), type=handler.opt["body"])
    assert unwrapped(handler).__doc__


@pytest.fixture
def world(machine: Machine, northwind: Account) -> Iterator[dict[str, str]]:
    """What the examples talk about: a card, an invoice and its credit note, a draft, a subscription, an event and so on."""
    offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("12.5"), SYSTEM)
    start(northwind, NewSubscription("seat", today_in(northwind), Decimal(4)), SYSTEM)
    lines = [DraftLine("Agent seat", "", Decimal(4), Decimal("12.5"), Decimal(50), "revenue:recurring")]
    period = period_number(date(2026, 11, 1), 0)
    draft = Draft(InvoiceKind.RECURRING, "test", date(2026, 11, 1), lines, period=period)
    invoice = in_transaction(lambda: issue(northwind, draft))
    note = correct(northwind, invoice.number, Wanted("One seat was never used", {1: Decimal("12.5")}), SYSTEM).note
    waiting = compose(northwind, lines, SYSTEM, new_id())
    with override_settings(GATEWAYS={"simulated": "tollbook.payments.simulated.Simulated"}):
        add(northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2099), SYSTEM)
        hold = machine.post("/holds", EXAMPLES["place_hold"].body | {"event_id": "another"}).json()["id"]
        machine.post("/usage", [EXAMPLES["send_usage"].body[0] | {"id": "one-more", "occurred_at": "2026-03-01T12:00:00Z"}])
        rule = "/accounts/northwind/wallets/outbound/refill-rule"
        machine.call("PUT", rule, json=EXAMPLES["set_rule"].body | {"automatic": False})
        refills = "/accounts/northwind/wallets/outbound/refills"
        machine.post(refills, {"amount": "5"}, headers={"Idempotency-Key": "before"})
        documents = {"number": invoice.number, "note_number": note.number, "draft_id": str(waiting.id)}
        yield {"hold_id": hold, **documents}


def shape(value: Any) -> Any:
    """Members and kinds of values, without the values; null and what may be null are alike."""
    if isinstance(value, dict):
        return {name: shape(child) for name, child in value.items() if child is not None}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return re.sub(r"-?[0-9]+", "0", value) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else "text"
    return type(value).__name__


def agree(told: Any, real: Any) -> bool:
    """Whether two shapes are of one kind; a number may be written with places or without."""
    if isinstance(told, dict) and isinstance(real, dict):
        return all(agree(told[name], real[name]) for name in told.keys() & real.keys())
    if isinstance(told, list) and isinstance(real, list):
        return not told or not real or agree(told[0], real[0])
    return told == real or {told, real} <= {"0", "0.0"}


QUERY = {
    "get_rate": {"type": "outbound", "to": "+12125550100", "quantity": "61"},
    "get_usage": {"by": "campaign", "per": "day", "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"},
}


@pytest.mark.parametrize("name", [name for name in HANDLERS if name != "ask_refill"])
def test_an_example_is_what_the_api_answers(machine: Machine, world: dict[str, str], name: str) -> None:
    path, method, handler = HANDLERS[name]
    example = EXAMPLES[name]
    address = path.removeprefix("/api/v1").format(**example.path | {k: v for k, v in world.items() if k in example.path})
    body = {"json": json.loads(json.dumps(example.body).replace("2026-11-03", "2026-03-01"))} if example.body else {}
    answer = machine.call(method, address, params=QUERY.get(name), **body)
    assert answer.status_code == handler.status_code, answer.text
    assert set(answer.json()) == set(example.answer)
    assert agree(shape(example.answer), shape(answer.json())), (example.answer, answer.json())
    if "items" in example.answer and name != "list_wallets":
        assert set(answer.json()["items"][0]) == set(example.answer["items"][0])


def test_the_example_of_a_refill_is_what_the_api_answers(machine: Machine, world: dict[str, str], db) -> None:
    with db.connect() as connection:
        connection.execute("UPDATE refill SET state = 'withdrawn', finished_at = now()")
    example = EXAMPLES["ask_refill"]
    refills = "/accounts/northwind/wallets/outbound/refills"
    answer = machine.post(refills, example.body, headers={"Idempotency-Key": "example"})
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == set(example.answer)
    assert agree(shape(example.answer), shape(answer.json()))
