"""Whatever is sent, nothing breaks on our side, and the books still prove."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.web.api.conftest import Machine, event
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit

ONE_WORLD = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

STRANGE = ["", "\x00", "northwind", "1e999999", "NaN", "-0", "x" * 300, "\u202e", "٣"]
texts = some.text(max_size=30) | some.sampled_from(STRANGE)
numbers = some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.sampled_from([10**40, -1, 0, 1e-300])
plain = some.none() | some.booleans() | numbers | texts
anything = some.recursive(
    plain, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4), max_leaves=12
)
instants = some.datetimes().map(lambda at: at.isoformat() + "Z") | texts
types = some.sampled_from(["sms", "inbound", "outbound"]) | texts
quantities = some.decimals(0, 10**9, places=3).map(str) | plain


def mostly(usual: dict[str, some.SearchStrategy]) -> some.SearchStrategy[dict[str, Any]]:
    """Objects whose members are as they should be, or are missing, or are anything; with strange ones beside them."""
    members = {name: usual_one | anything for name, usual_one in usual.items()}
    strange = some.dictionaries(texts, anything, max_size=1)
    right = some.builds(lambda known, unknown: {**unknown, **known}, some.fixed_dictionaries(usual), strange)
    return some.fixed_dictionaries({}, optional=members) | right


events = mostly(
    {
        "id": texts, "account": some.just("northwind"), "type": types, "quantity": quantities, "occurred_at": instants,
        "to": texts, "from": texts, "attributes": some.dictionaries(texts, anything, max_size=3),
    }
)  # fmt: skip
items = some.lists(mostly({"type": types, "quantity": quantities, "amount": quantities, "to": texts}), max_size=3)
BODIES: dict[str, some.SearchStrategy] = {
    "/usage": some.lists(events, max_size=4) | anything,
    "/holds": mostly(
        {"event_id": texts, "account": some.just("northwind"), "type": types, "quantity": quantities, "to": texts}
    ) | mostly({"event_id": texts, "account": some.just("northwind"), "items": items, "ttl_seconds": numbers}) | anything,
    "/holds/{hold}/extend": mostly({"quantity": quantities}) | mostly({"items": items}) | anything,
    "/holds/{hold}/capture": mostly(
        {"quantity": quantities, "occurred_at": instants, "attributes": anything}
    ) | mostly({"items": items, "occurred_at": instants}) | anything,
    "/holds/{hold}/release": mostly({"reason": texts}) | anything,
    "/accounts/northwind/wallets/sms/refills": mostly({"amount": quantities}) | anything,
    "/accounts/northwind/wallets/sms/refill-rule": mostly(
        {
            "automatic": some.booleans(), "refill_amount": quantities, "minimum_before_refill": quantities,
            "monthly_cap": quantities, "max_charges_per_day": numbers, "version": numbers,
        }
    ) | anything,
}  # fmt: skip


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
    @ONE_WORLD
    @given(BODIES[path])
    def fuzz(body: Any) -> None:
        send(path, json.dumps(body).encode())

    fuzz()
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
