"""The `cloudevents` package from PyPI as a client, unmodified, over HTTP, in all three modes and both of its generations."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1.http import CloudEvent as EarlierCloudEvent

from tests.market import Market
from tollbook.usage.tables import UsageEvent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA = {"quantity": 61, "to": "+12125550100", "attributes": {"campaign": "Grüße"}}


def attributes(id: str, **more: Any) -> dict[str, Any]:
    told = {"type": "tollbook.usage.outbound", "source": "/switches/1", "subject": "northwind", "time": NOON}
    return told | {"id": id, "specversion": "1.0"} | more


def event(id: str, **more: Any) -> CloudEvent:
    return CloudEvent(attributes(id, **more), DATA)


def send(market: Market, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    told = dict(headers) | {"Authorization": f"Bearer {market.secret}"}
    answer = httpx.post(f"{market.url}/api/v1/usage", headers=told, content=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def debited(prefix: str) -> list[str]:
    return sorted(UsageEvent.objects.filter(event_id__startswith=prefix).values_list("event_id", flat=True))


def test_the_same_event_in_every_mode_is_debited_once(market: Market) -> None:
    one = event("one")
    structured, binary = to_structured_event(one), to_binary_event(one)
    batch = b"[" + JSONFormat().write(one) + b"," + JSONFormat().write(event("two")) + b"]"
    answers = [
        send(market, structured.headers, structured.body),
        send(market, binary.headers, binary.body),
        send(market, {"Content-Type": "application/cloudevents-batch+json"}, batch),
    ]
    assert [(one["accepted"], one["duplicates"], one["rejected"]) for one in answers] == [
        (1, 0, []),
        (0, 1, []),
        (1, 1, []),
    ]
    assert debited("/switches/1 ") == ["/switches/1 one", "/switches/1 two"]


@pytest.mark.parametrize("id", ["Euro € 😀", "50%", 'a "quote"', " spaces ", "back\\slash"])
def test_any_id_is_the_same_in_both_modes(market: Market, id: str) -> None:
    told = event(id, source="/odd")
    structured, binary = to_structured_event(told), to_binary_event(told)
    assert send(market, structured.headers, structured.body)["accepted"] == 1
    assert send(market, binary.headers, binary.body)["duplicates"] == 1
    assert f"/odd {id}" in debited("/odd ")


def test_binary_data_and_extensions_are_taken(market: Market) -> None:
    told = CloudEvent(attributes("base64", source="/bytes", partitionkey="7"), b'{"quantity": 61}')
    structured, binary = to_structured_event(told), to_binary_event(told)
    assert b"data_base64" in structured.body
    assert send(market, structured.headers, structured.body)["accepted"] == 1
    assert send(market, binary.headers, binary.body)["duplicates"] == 1
    assert debited("/bytes ") == ["/bytes base64"]


def test_the_earlier_generation_of_the_package_is_a_client_too(market: Market) -> None:
    told = EarlierCloudEvent(attributes("old", source="/earlier", time="2026-03-01T12:00:00Z"), DATA)
    assert send(market, *conversion.to_structured(told))["accepted"] == 1
    assert send(market, *conversion.to_binary(told))["duplicates"] == 1
    assert debited("/earlier ") == ["/earlier old"]


def test_an_event_of_another_version_is_rejected_by_its_own_place(market: Market) -> None:
    [rejected] = send(
        market, {"Content-Type": "application/cloudevents+json"}, b'{"specversion": "0.3", "id": "1", "source": "/x"}'
    )["rejected"]
    assert (rejected["index"], rejected["code"]) == (0, "malformed")
