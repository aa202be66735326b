"""Whatever is sent, nothing breaks on our side, and the books still prove."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.cast import LONG_AGO
from tests.web.api.conftest import Machine, event
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.web.api.examples import EXAMPLES

ONE_WORLD = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

STRANGE = ["", "\x00", "northwind", "1e999999", "NaN", "-0", "x" * 300, "\u202e", "٣"]
texts = some.text(max_size=30) | some.sampled_from(STRANGE)
numbers = some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.sampled_from([10**40, -1, 0, 1e-300])
plain = some.none() | some.booleans() | numbers | texts
anything = some.recursive(
    plain, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4), max_leaves=12
)
strange = anything | some.sampled_from(STRANGE)

ids = some.uuids().map(str)
instants = some.integers(0, 150_000_000).map(lambda seconds: (LONG_AGO + timedelta(days=366, seconds=seconds)).isoformat())
types = some.sampled_from(["sms", "inbound", "outbound"])
quantities = some.decimals("0.001", 500, places=3).map(str) | some.integers(1, 500)
numbers_called = some.sampled_from(["", "+15550100", "1900555"])


@some.composite
def mostly(draw: Any, good: dict[str, some.SearchStrategy]) -> dict[str, Any]:
    """An object that is as it should be; or one member is strange, or missing, or one too many."""
    body = draw(some.fixed_dictionaries(good))
    name = draw(some.sampled_from(sorted(good)))
    match draw(some.sampled_from(["good", "strange", "strange", "strange", "missing", "more"])):
        case "strange":
            body[name] = draw(strange)
        case "missing":
            del body[name]
        case "more":
            body[draw(texts)] = draw(strange)
    return body


northwinds = some.just("northwind")
attributes = some.dictionaries(texts, anything, max_size=3)
event_bodies = mostly(
    {
        "id": ids, "account": northwinds, "type": types, "quantity": quantities, "occurred_at": instants,
        "to": numbers_called, "from": numbers_called, "attributes": attributes,
    }
)  # fmt: skip
items = some.lists(mostly({"type": types, "quantity": quantities, "to": numbers_called}), max_size=3)
by_amount = some.lists(mostly({"type": types, "amount": quantities}), max_size=2)
used = {"occurred_at": instants, "attributes": attributes}
one = {"event_id": ids, "account": northwinds, "type": types, "quantity": quantities, "to": numbers_called}
several = {"event_id": ids, "account": northwinds, "items": items | by_amount, "ttl_seconds": some.integers(10, 86_400)}
rule = {
    "automatic": some.booleans(), "refill_amount": some.integers(1, 100), "minimum_before_refill": some.integers(0, 100),
    "monthly_cap": some.integers(200, 900), "max_charges_per_day": some.integers(1, 9), "version": some.none(),
}  # fmt: skip
question = {"account": northwinds, "type": types, "quantity": quantities, "to": numbers_called, "occurred_at": instants}
texted = {"account": northwinds, "type": some.just("sms"), "text": texts}
questions = mostly(question) | mostly(texted)
BODIES: dict[str, some.SearchStrategy] = {
    "/usage": some.lists(event_bodies, max_size=4) | anything,
    "/holds": mostly(one) | mostly(several) | anything,
    "/holds/{hold}/extend": mostly({"quantity": quantities}) | mostly({"items": items}) | anything,
    "/holds/{hold}/capture": mostly({"quantity": quantities, **used}) | mostly({"items": items, **used}) | anything,
    "/holds/{hold}/release": mostly({"reason": some.just("busy")}) | anything,
    "/rate": questions | some.lists(questions, max_size=4) | anything,
    "/accounts/northwind/wallets/sms/refills": mostly({"amount": some.integers(1, 500)}) | anything,
    "/accounts/northwind/wallets/sms/refill-rule": mostly(rule) | anything,
}


@pytest.fixture
def send(machine: Machine) -> Callable[..., int]:
    """Sends a body to an address of the table, about one hold, and answers the status; a 5xx fails."""
    hold = {"id": "none"}

    def place() -> str:
        wanted = {"event_id": f"fuzz-{uuid4()}", "account": "northwind", "type": "sms", "quantity": 1}
        return machine.post("/holds", wanted).json().get("id", str(uuid4()))

    def sent(path: str, content: bytes, **headers: str) -> int:
        if "{hold}" in path:
            hold["id"] = place()
        method = "PUT" if path.endswith("refill-rule") else "POST"
        usual = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        answer = machine.call(method, path.format(hold=hold["id"]), content=content, headers=usual | headers)
        assert answer.status_code < 500, (path, content, answer.text)
        return answer.status_code

    return sent


@pytest.mark.parametrize("path", BODIES)
def test_no_json_breaks_anything(send: Callable[..., int], northwind: Account, path: str) -> None:
    statuses = set()

    @ONE_WORLD
    @given(BODIES[path])
    def fuzz(body: Any) -> None:
        statuses.add(send(path, json.dumps(body).encode()))

    fuzz()
    assert audit() == []
    assert min(statuses) < 300 or "refills" in path, "nothing was ever taken: the fuzz did not get far"


def leaves(value: Any, way: tuple = ()) -> Iterator[tuple]:
    """The way to every member of a body."""
    if way:
        yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inner:
        yield from leaves(child, (*way, name))


def replaced(body: Any, way: tuple, by: Any) -> Any:
    """The body with another value there."""
    changed = deepcopy(body)
    inner = changed
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = by
    return changed


SEVERAL = {"event_id": "e", "account": "northwind", "items": [{"type": "sms", "amount": "1", "to": "1", "from": "2"}]}
USED = {"items": [{"type": "sms", "quantity": 1}], "occurred_at": "2026-03-01T12:00:00Z", "attributes": {"a": "b"}}
WHOLE = [
    ("/usage", EXAMPLES["send_usage"].body),
    ("/holds", EXAMPLES["place_hold"].body | {"from": "+15550100", "ttl_seconds": 60}),
    ("/holds", SEVERAL),
    ("/holds/{hold}/extend", EXAMPLES["extend_hold"].body | {"ttl_seconds": 60}),
    ("/holds/{hold}/capture", EXAMPLES["capture_hold"].body | {"event_id": "e"}),
    ("/holds/{hold}/capture", USED),
    ("/holds/{hold}/release", EXAMPLES["release_hold"].body),
    ("/accounts/northwind/wallets/sms/refills", EXAMPLES["ask_refill"].body),
    ("/accounts/northwind/wallets/sms/refill-rule", EXAMPLES["set_rule"].body | {"version": 0}),
]


@pytest.mark.parametrize(("path", "body"), WHOLE)
def test_no_strange_member_breaks_anything(send: Callable[..., int], northwind: Account, path: str, body: Any) -> None:
    """Every member of every body, replaced by every strange value, one at a time."""
    for way in leaves(body):
        for value in (*STRANGE, None, [], {}, -1, 10**40, 1e-300, True):
            send(path, json.dumps(replaced(body, way, value)).encode())
    assert audit() == []


@pytest.mark.parametrize("type", ["application/json", "application/x-ndjson"])
def test_no_bytes_break_anything(send: Callable[..., int], northwind: Account, type: str) -> None:
    good = json.dumps([event("a", type="sms", quantity=1)]).encode()

    @ONE_WORLD
    @given(some.binary(max_size=200), some.integers(0, len(good)), some.binary(max_size=3))
    def fuzz(noise: bytes, place: int, inserted: bytes) -> None:
        send("/usage", noise, **{"Content-Type": type})
        send("/usage", good[:place] + inserted + good[place:], **{"Content-Type": type})

    fuzz()
    assert audit() == []


def test_no_parameters_break_anything(machine: Machine, northwind: Account) -> None:
    names = some.sampled_from(["cursor", "limit", "since", "until", "type", "status", "to", "quantity", "issued_from"])

    @ONE_WORLD
    @given(
        some.sampled_from(["events", "ledger", "invoices", "wallets/sms/refills", "rates", "wallets", "subscriptions"]),
        some.dictionaries(names, texts | some.integers().map(str) | instants, max_size=3),
        some.sampled_from(["*/*", "text/csv", "application/x-ndjson", "nonsense"]),
    )
    def fuzz(path: str, parameters: dict[str, str], accept: str) -> None:
        answer = machine.get(f"/accounts/northwind/{path}", params=parameters, headers={"Accept": accept})
        assert answer.status_code < 500, (path, parameters, answer.text)

    fuzz()
