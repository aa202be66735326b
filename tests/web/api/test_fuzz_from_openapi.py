"""The API fuzzed from its own document: nothing breaks on our side, and what is answered is what the document says."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.schemas import APIOperation, BaseSchema

from tests.faults import world
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import SCOPES, create
from tollbook.audit.books import audit

REQUESTS = int(os.environ.get("TOLLBOOK_FUZZ_REQUESTS", "600"))
"""How many requests in all; 20,000 when it is to be shown."""

load_all_checks()
PROMISES = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
LATELY = datetime.now(UTC).isoformat()
REAL = {"slug": "northwind", "type_code": "sms"}
SENSIBLE = {"account": "northwind", "type": "sms", "quantity": 1, "occurred_at": LATELY, "ttl_seconds": 60, "to": ""}
LEFT_OUT = {"items", "amount"}
"""A body names one thing by itself or several in a list, by quantity or by amount."""
METHODS = ["OPTIONS", "HEAD", "PATCH", "DELETE", "TRACE", "PUT", "POST", "GET", "QUERY", "X" * 40]


@schemathesis.serializer("application/x-ndjson", "application/ndjson")
def as_lines(context: Any, value: Any) -> bytes:
    """Lines are text to the document, and made by whoever sends them."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()


class Fuzzer:
    """Sends cases to a running web process, and keeps account of the answers."""

    def __init__(self, address: str) -> None:
        world.made()
        secret = create(OPERATOR_ID, "fuzz", list(SCOPES), SYSTEM)[1]
        self.client = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=30, trust_env=False
        )
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.address = address
        self.statuses: Counter[int] = Counter()
        self.slowest: tuple[float, str] = (0.0, "")
        self._holds = 0

    def schema(self) -> BaseSchema:
        """The document, as the process serves it."""
        return schemathesis.openapi.from_url(f"{self.address}/api/v1/openapi.json")

    def a_hold(self) -> str:
        """The id of a new open hold."""
        self._holds += 1
        wanted = {"event_id": f"fuzz-{self._holds}", "account": "northwind", "type": "sms", "quantity": 1}
        return self.client.post("/api/v1/holds", json=wanted).raise_for_status().json()["id"]

    def send(self, case: Case) -> None:
        """Send it; it must be answered as promised."""
        started = time.perf_counter()
        answer = case.call(base_url=self.address, headers=self.headers, timeout=30)
        took = time.perf_counter() - started
        self.statuses[answer.status_code] += 1
        self.slowest = max(self.slowest, (took, case.operation.label))
        case.validate_response(answer, checks=PROMISES)


@pytest.fixture
def fuzzer(live: str) -> Iterator[Fuzzer]:
    made = Fuzzer(live)
    with made.client:
        yield made


def sensible(body: Any) -> Any:
    """The body with some members as a caller would have them who wants something done."""
    if isinstance(body, list):
        return [sensible(one) for one in body]
    if not isinstance(body, dict):
        return body
    usual = SENSIBLE | {name: uuid4().hex for name in ("id", "event_id")}
    return {name: usual.get(name, sensible(value)) for name, value in body.items() if name not in LEFT_OUT}


def cases(operation: APIOperation, a_hold: Callable[[], str]) -> some.SearchStrategy[Case]:
    """Requests as the document wants them and as it doesn't; most of them about things that are there."""
    named = {parameter.name for parameter in operation.path_parameters}
    real = {name: value for name, value in REAL.items() if name in named}

    def about_a_hold(case: Case) -> Case:
        if "hold_id" in named:
            case.path_parameters["hold_id"] = a_hold()
        return case

    def meant_well(case: Case) -> Case:
        case.body = sensible(case.body)
        if operation.path == "/api/v1/holds" and isinstance(case.body, dict):
            case.body |= {"type": "sms", "quantity": 1}
        return about_a_hold(case)

    kinds = [
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=real).map(meant_well),
        operation.as_strategy(GenerationMode.POSITIVE, path_parameters=real).map(about_a_hold),
        operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=real).map(about_a_hold),
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    ]
    return some.sampled_from([0, 0, 0, 1, 1, 2, 2, 2, 3, 4]).flatmap(kinds.__getitem__)


def test_whatever_the_document_allows_or_forbids_is_answered_as_it_says(fuzzer: Fuzzer) -> None:
    operations = [found.ok() for found in fuzzer.schema().get_all_operations()]
    each = max(10, REQUESTS // len(operations))
    for operation in operations:

        @settings(max_examples=each, derandomize=REQUESTS < 20_000, suppress_health_check=[*HealthCheck], database=None)
        @given(case=cases(operation, fuzzer.a_hold))
        def fuzz(case: Case) -> None:
            fuzzer.send(case)

        fuzz()
    print(f"{sum(fuzzer.statuses.values())} requests to {len(operations)} operations: {dict(fuzzer.statuses)};")
    print(f"the slowest took {fuzzer.slowest[0] * 1_000:.0f} ms: {fuzzer.slowest[1]}")
    assert fuzzer.statuses[200] and fuzzer.statuses[201], "nothing was ever taken: the fuzz did not get far"
    assert audit() == []


def test_no_method_breaks_anything(fuzzer: Fuzzer) -> None:
    paths = fuzzer.client.get("/api/v1/openapi.json").json()["paths"]
    hold = fuzzer.a_hold()
    named = {"type_code": "sms", "hold_id": hold, "draft_id": hold, "number": "1", "note_number": "1"}
    for method in METHODS:
        for path in paths:
            for slug in ("northwind", "nobody", "%00", "%F0%9F%98%80"):
                answer = fuzzer.client.request(method, path.format(slug=slug, **named))
                assert answer.status_code < 500, (method, path, answer.text)
