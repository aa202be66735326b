"""CloudEvents into the outcomes of our own shape, as pure functions and through the door."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.web.api.conftest import Machine
from tollbook.accounts.tables import Account
from tollbook.usage.tables import UsageEvent
from tollbook.web.api.bodies import EventBody, Malformed
from tollbook.web.api.cloudevents import BATCHED, STRUCTURED, identity, is_cloudevent, parse

DATA = {"quantity": 61, "to": "+12125550100", "from": "+18005550100", "attributes": {"campaign": "spring"}}
GOOD = {
    "specversion": "1.0", "id": "4711", "source": "/switches/1", "type": "tollbook.usage.outbound", "subject": "northwind",
    "time": "2026-03-01T12:00:00Z", "data": DATA,
}  # fmt: skip
HEADERS = {f"ce-{name}": str(value) for name, value in GOOD.items() if name != "data"}
EVENT = EventBody(
    id="/switches/1 4711",
    type="outbound",
    quantity=Decimal(61),
    occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    account="northwind",
    to="+12125550100",
    sender="+18005550100",
    attributes={"campaign": "spring"},
)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def structured(event: Any, content_type: str = STRUCTURED) -> EventBody | Malformed:
    [outcome] = parse(content_type, {}, event if isinstance(event, bytes) else json.dumps(event).encode())
    return outcome


def binary(headers: dict[str, str], body: bytes | None = None, kind: str = "application/json") -> EventBody | Malformed:
    [outcome] = parse(kind, headers, json.dumps(DATA).encode() if body is None else body)
    return outcome


def refusal(outcome: EventBody | Malformed) -> Malformed:
    assert isinstance(outcome, Malformed)
    return outcome


def test_the_three_modes_say_the_same() -> None:
    assert structured(GOOD) == structured(GOOD, "Application/CloudEvents+JSON; charset=UTF-8") == EVENT
    assert binary(HEADERS) == binary(HEADERS, kind="") == EVENT
    assert parse(BATCHED, {}, json.dumps([GOOD, GOOD]).encode()) == [EVENT, EVENT]
    assert parse(BATCHED, {}, b"[]") == []


def test_what_is_a_cloudevent_is_known_by_its_type_or_its_headers() -> None:
    assert is_cloudevent(STRUCTURED, {}) and is_cloudevent(f" {BATCHED}; charset=utf-8", {})
    assert is_cloudevent("application/cloudevents+avro", {}) and is_cloudevent("application/json", {"ce-id": "1"})
    assert not is_cloudevent("application/json", {"content-type": "application/json", "cell": "x"})
    assert not is_cloudevent("application/x-ndjson", {}) and not is_cloudevent("", {})


def test_a_plain_type_is_a_credit_type_and_the_subject_may_be_left_out() -> None:
    told = structured(without("subject") | {"type": "sms"})
    assert isinstance(told, EventBody) and (told.type, told.account) == ("sms", None)


def test_data_may_be_base64_of_json() -> None:
    encoded = {"data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()}
    assert structured(without("data") | encoded) == EVENT
    assert structured(GOOD | {"data": None} | encoded) == EVENT


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/json", "application/vnd.acme.usage+json"])
def test_data_of_any_json_type_is_taken(kind: str) -> None:
    assert structured(GOOD | {"datacontenttype": kind}) == binary(HEADERS, kind=kind) == EVENT


def test_a_quantity_never_passes_through_a_float() -> None:
    text = json.dumps(GOOD).replace("61", "90071992.547409")
    told = structured(text.encode())
    assert isinstance(told, EventBody) and str(told.quantity) == "90071992.547409"


def test_extension_attributes_are_ignored() -> None:
    more = {"traceparent": "00-ab-cd-01", "partitionkey": 7, "dataschema": "https://example.com/usage.json"}
    assert structured(GOOD | more) == EVENT
    assert binary(HEADERS | {"ce-traceparent": "%C0"}) == EVENT


MALFORMED = [
    (without("id"), "required field “id”", ""),
    (without("source"), "required field “source”", "4711"),
    (without("type"), "required field “type”", "/switches/1 4711"),
    (without("time"), "required field “time”", "/switches/1 4711"),
    (without("specversion"), "required field “specversion”", "/switches/1 4711"),
    (without("data"), "data: This is required", "/switches/1 4711"),
    (GOOD | {"specversion": "0.3"}, "specversion: Only 1.0 is taken, not “0.3”.", "/switches/1 4711"),
    (GOOD | {"id": ""}, "id: This is required", ""),
    (GOOD | {"id": 4711}, "id: Expected “str”, got “int”", ""),
    (GOOD | {"source": ""}, "source: This is required", "4711"),
    (GOOD | {"time": "yesterday"}, "time: Invalid RFC3339", "/switches/1 4711"),
    (GOOD | {"data": "61"}, "data: Expected “object”, got “str”", "/switches/1 4711"),
    (GOOD | {"data": None}, "data: Expected “object”, got “null”", "/switches/1 4711"),
    (GOOD | {"data": {}}, "data: Object missing required field “quantity”", "/switches/1 4711"),
    (GOOD | {"data": DATA | {"too": "+1"}}, "data: Object contains unknown field “too”", "/switches/1 4711"),
    (GOOD | {"data": DATA | {"quantity": "many"}}, "data: quantity: Invalid decimal string", "/switches/1 4711"),
    (GOOD | {"data_base64": "e30="}, "data: An event has data or data_base64, not both.", "/switches/1 4711"),
    (without("data") | {"data_base64": "!"}, "data_base64: This is not base64.", "/switches/1 4711"),
    (without("data") | {"data_base64": "/w=="}, "data: This is not JSON", "/switches/1 4711"),
    (GOOD | {"datacontenttype": "text/xml"}, "datacontenttype: Send JSON, not “text/xml”.", "/switches/1 4711"),
    ([], "Expected “object”, got “array”", ""),
    (b"{", "This is not JSON", ""),
    (b"\xff", "This is not JSON", ""),
    (b"", "This is not JSON", ""),
    (b'{"data":' + b"[" * 100_000, "nested too deeply", ""),
]


@pytest.mark.parametrize(("event", "sentence", "id"), MALFORMED)
def test_a_malformed_event_says_why_and_which_one_it_is(event: Any, sentence: str, id: str) -> None:
    told = refusal(structured(event))
    assert sentence in told.message and told.id == id


def test_a_bad_event_of_a_batch_does_not_block_the_others() -> None:
    outcomes = parse(BATCHED, {}, json.dumps([GOOD, GOOD | {"specversion": "0.3"}, 7, GOOD]).encode())
    assert [isinstance(one, Malformed) for one in outcomes] == [False, True, True, False]
    half = json.dumps([GOOD, GOOD | {"id": "half"}, GOOD]).replace("half", "\\ud800").encode()
    assert [isinstance(one, Malformed) for one in parse(BATCHED, {}, half)] == [False, True, False]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (BATCHED, b"{}"),
        (BATCHED, b"nonsense"),
        (BATCHED, b"[" * 100_000),
        (BATCHED, b"[" + b"1," * 10_000 + b"1]"),
        (BATCHED, b"[" + b"1," * 4_000_000 + b"1]"),
        (f"{STRUCTURED}; charset=latin-1", b"{}"),
        ("application/cloudevents+avro", b""),
        ("application/cloudevents", b"{}"),
    ],
)
def test_a_body_that_holds_no_events_at_all_is_refused_as_a_whole(content_type: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(content_type, {}, body)


@pytest.mark.parametrize(
    ("header", "id"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("euro%20%e2%82%ac", "euro €"),
        ("%41bc", "Abc"),
        ("100%2525", "100%25"),
        ('"quoted \\"by\\" old senders %25"', 'quoted "by" old senders %'),
        ("Grüße".encode().decode("latin-1"), "Grüße"),
        ("  spaced  ", "spaced"),
    ],
)
def test_headers_are_decoded_as_the_http_binding_says(header: str, id: str) -> None:
    told = binary(HEADERS | {"ce-id": header})
    assert isinstance(told, EventBody) and told.id == f"/switches/1 {id}"


@pytest.mark.parametrize("header", ["%C0%A0", "%ff", "\xe9"])
def test_a_header_that_is_not_utf8_is_refused(header: str) -> None:
    told = refusal(binary(HEADERS | {"ce-subject": header}))
    assert told.message == "ce-subject: This is not UTF-8." and told.id == "/switches/1 4711"


def test_a_binary_event_without_its_attributes_or_data_is_refused() -> None:
    for name in ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"):
        told = refusal(binary({key: value for key, value in HEADERS.items() if key != name}))
        assert f"required field “{name.removeprefix('ce-')}”" in told.message
    assert "data: This is required" in refusal(binary(HEADERS, b"")).message
    assert "Send JSON, not “text/plain”" in refusal(binary(HEADERS, kind="text/plain")).message
    assert "data: Expected “object”, got “array”" in refusal(binary(HEADERS, b"[]")).message


texts = some.text(max_size=20)
anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
members = some.fixed_dictionaries({}, optional={name: some.just(value) | anything for name, value in GOOD.items()})


@given(
    some.sampled_from([STRUCTURED, BATCHED, "application/json", ""]) | texts,
    some.fixed_dictionaries({}, optional={name: some.just(value) | texts for name, value in HEADERS.items()}),
    some.binary(max_size=60) | (members | some.lists(members, max_size=3) | anything).map(json.dumps).map(str.encode),
)
def test_whatever_comes_is_an_event_or_malformed(kind: str, headers: dict[str, str], body: bytes) -> None:
    try:
        outcomes = parse(kind, headers, body)
    except Malformed:
        return
    for one in outcomes:
        assert len(one.id) <= 200 and isinstance(one, EventBody | Malformed)


words = some.text(min_size=1, max_size=120) | some.sampled_from(["a", "a b", "{sha256:", "/x", "x" * 199, "x" * 201, "é"])


@given(words, words, words, words)
def test_different_sources_or_ids_never_have_one_identity(source: str, id: str, other: str, another: str) -> None:
    first, second = identity(source, id), identity(other, another)
    assert (first == second) == ((source, id) == (other, another))
    assert 1 <= len(first) <= 200 and first.isprintable()


def test_an_identity_is_readable_where_it_can_be() -> None:
    assert identity("https://pbx.example.com/1", "4711") == "https://pbx.example.com/1 4711"
    assert identity("/a", "b c") == "/a b c"
    for source, id in (("/a", "x" * 200), ("/a b", "c"), ("{sha256:x}", "y"), ("/a", "tab\there"), ("ü", "1")):
        assert identity(source, id).startswith("{sha256:")


def test_cloudevents_are_debited_once_in_whatever_mode_they_come(machine: Machine, northwind: Account) -> None:
    answers = [
        machine.call("POST", "/usage", content=json.dumps(GOOD), headers={"Content-Type": STRUCTURED}),
        machine.call("POST", "/usage", json=DATA, headers=HEADERS),
        machine.call(
            "POST", "/usage", content=json.dumps([GOOD, GOOD | {"id": "4712"}, GOOD | {"id": "4713", "type": "fax"}, 7]),
            headers={"Content-Type": BATCHED},
        ),
    ]  # fmt: skip
    first, second, third = (answer.json() for answer in answers)
    assert (first["accepted"], second["duplicates"], third["accepted"], third["duplicates"]) == (1, 1, 1, 1)
    assert [(one["index"], one["id"], one["code"]) for one in third["rejected"]] == [
        (2, "/switches/1 4713", "unknown_type"),
        (3, "", "malformed"),
    ]
    assert set(UsageEvent.objects.values_list("event_id", flat=True)) == {"/switches/1 4711", "/switches/1 4712"}


def test_a_whole_body_that_is_none_is_refused_with_400_and_a_format_that_is_not_taken_with_415(machine: Machine) -> None:
    for content_type, status in ((BATCHED, 400), ("application/cloudevents+avro", 415)):
        answer = machine.call("POST", "/usage", content=b"{", headers={"Content-Type": content_type})
        assert answer.status_code == status, answer.text


def test_one_more_than_a_request_may_hold_is_refused(machine: Machine) -> None:
    body = b"[" + b",".join([b"1"] * 10_001) + b"]"
    answer = machine.call("POST", "/usage", content=body, headers={"Content-Type": BATCHED})
    assert answer.status_code == 400 and "at most 10000" in answer.text
