"""POST /usage: exact, exactly once, and never stopped by a bad event."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import zstandard
from django.test import override_settings

from tests.web.api.conftest import Machine, balance, event
from tests.web.api.test_door import is_problem
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import of_account, revoke
from tollbook.accounts.tables import Account
from tollbook.usage.tables import UsageEvent
from tollbook.web.api import usage

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*events: object) -> bytes:
    return b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in events)


def test_a_batch_is_debited_once_however_often_it_is_sent(machine: Machine, northwind: Account) -> None:
    batch = [event("a"), event("b", type="sms", quantity=2), event("a")]
    assert machine.post("/usage", batch).json() == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert machine.post("/usage", batch).json() == {"accepted": 0, "duplicates": 3, "rejected": []}
    assert balance(northwind, "inbound") == Decimal("100") - Decimal("66") / 60 * Decimal("0.006")
    assert balance(northwind, "sms") == Decimal("99.985")


@pytest.mark.parametrize("written", ["0.1", '"0.1"', "0.10", '"1e-1"', "1e-1"])
def test_a_quantity_is_exact_however_it_is_written(machine: Machine, written: str) -> None:
    one = json.dumps(event("a", type="email", quantity=7)).replace("7", written, 1).replace(f'"{written}"', written)
    assert machine.call("POST", "/usage", content=f"[{one}]").json()["accepted"] == 1
    assert str(UsageEvent.objects.get().quantity) == "0.100000"


def test_no_float_ever_touches_a_quantity(machine: Machine) -> None:
    """cgrates #118 and #624: float money. 0.1 + 0.2 is 0.3, and 17 digits stay 17 digits."""
    quantities = ["0.1", "0.2", "90071992.547409", "12345678.123457", "0.000001"]
    body = ",".join(
        json.dumps(event(f"e{n}", type="email", quantity=0)).replace('"quantity": 0', f'"quantity": {text}')
        for n, text in enumerate(quantities)
    )
    assert machine.call("POST", "/usage", content=f"[{body}]").json()["accepted"] == len(quantities)
    stored = list(UsageEvent.objects.order_by("event_id").values_list("quantity", flat=True))
    assert stored == [Decimal(text) for text in quantities]
    assert stored[0] + stored[1] == Decimal("0.3")
    finer = json.dumps(event("fine", quantity=0)).replace('"quantity": 0', '"quantity": 0.30000000000000004')
    assert machine.call("POST", "/usage", content=f"[{finer}]").json()["rejected"][0]["code"] == "bad_quantity"


POISON = [
    (b"null", "malformed"),
    (b"[]", "malformed"),
    (b'"event"', "malformed"),
    ({"id": "only"}, "malformed"),
    (event("x", quantity="many"), "malformed"),
    (event("x", quantity=None), "malformed"),
    (event("x", quantity=True), "malformed"),
    (event("x", occurred_at="yesterday"), "malformed"),
    (event("x", occurred_at=1700000000), "malformed"),
    (event("x", destination="1900"), "malformed"),
    (event(17), "malformed"),
    (event("x", attributes=[1]), "bad_attributes"),
    (event("x", quantity="NaN"), "bad_quantity"),
    (event("x", quantity="-Infinity"), "bad_quantity"),
    (event("x", quantity=-1), "bad_quantity"),
    (event("x", quantity=10**30), "bad_quantity"),
    (event("x", quantity="1e999999"), "bad_quantity"),
    (event("x", quantity="1e-999999"), "bad_quantity"),
    (event("x", occurred_at="2026-03-01T12:00:00"), "bad_time"),
    (event("x", occurred_at="2999-01-01T00:00:00Z"), "in_the_future"),
    (event("x", occurred_at="0001-01-01T00:00:00+14:00"), "bad_time"),
    (event("x", account="nobody"), "unknown_account"),
    (event("x", account="\x00"), "unknown_account"),
    (event("x", account=None), "unknown_account"),
    (event("x", type="fax"), "unknown_type"),
    (event("x", type="\x00"), "unknown_type"),
    (event(""), "bad_id"),
    (event("x" * 201), "bad_id"),
    (event("a\x00b"), "bad_id"),
    (event("x", to="1" * 65), "bad_number"),
    (event("x", **{"from": "\x00"}), "bad_number"),
    (event("x", attributes={"a": "\x00"}), "bad_attributes"),
    (event("x", attributes={"a": "b" * 9000}), "bad_attributes"),
]


@pytest.mark.parametrize("ndjson", [False, True])
def test_poisoned_events_never_block_the_others(machine: Machine, northwind: Account, ndjson: bool) -> None:
    good = [event(f"good-{n}", type="sms", quantity=1) for n in range(len(POISON) + 1)]
    mixed = [each for pair in zip(good, [bad for bad, _ in POISON], strict=False) for each in pair] + [good[-1]]
    body = lines(*mixed) if ndjson else b"[" + lines(*mixed).replace(b"\n", b",") + b"]"
    answer = machine.call("POST", "/usage", content=body, headers=NDJSON if ndjson else {}).json()
    assert answer["accepted"] == len(good)
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [
        (2 * n + 1, code) for n, (_, code) in enumerate(POISON)
    ]
    assert all(one["message"] for one in answer["rejected"])
    assert balance(northwind, "sms") == 100 - len(good) * Decimal("0.0075")


def test_a_rejection_names_the_event_if_it_can_be_told(machine: Machine) -> None:
    answer = machine.post("/usage", [event("x-17", quantity="many"), {"id": 17}]).json()
    assert [one["id"] for one in answer["rejected"]] == ["x-17", ""]
    assert answer["rejected"][0]["message"].startswith("quantity: ")


@pytest.mark.parametrize("broken", [b'{"id": "cut', b"\xff\xfe", b"{]", b'{"id": "\xff"}', b"[" * 3000, b'{"a":' * 3000])
def test_a_broken_line_of_ndjson_is_one_rejected_event(machine: Machine, broken: bytes) -> None:
    body = lines(event("a"), broken, b"", event("b")) + b"\r\n"
    answer = machine.call("POST", "/usage", content=body, headers=NDJSON).json()
    assert answer["accepted"] == 2
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(1, "malformed")]


@pytest.mark.parametrize("broken", [b"", b"{}", b"null", b"[", b"[1,]", b"\xff", b"[" * 3000, b"[1] [2]"])
def test_a_broken_array_is_refused_whole(machine: Machine, broken: bytes) -> None:
    assert is_problem(machine.call("POST", "/usage", content=broken), 400, "invalid")


def test_a_known_id_with_another_body_is_a_conflict(machine: Machine, northwind: Account) -> None:
    machine.post("/usage", [event("a")])
    before = balance(northwind, "inbound")
    answer = machine.post("/usage", [event("b"), event("a", quantity=62), event("a", attributes={"note": "later"})]).json()
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [(one["index"], one["id"], one["code"]) for one in answer["rejected"]] == [(1, "a", "event_conflict")]
    assert balance(northwind, "inbound") == before - Decimal("66") / 60 * Decimal("0.006")


def test_places_are_those_of_the_batch_when_accounts_are_mixed(machine: Machine, contoso: Account) -> None:
    batch = [
        event("a"),
        event("a", account="contoso"),
        event("b", type="fax"),
        event("b", account="contoso", type="fax"),
        event("c", account="contoso"),
    ]
    answer = machine.post("/usage", batch).json()
    assert answer["accepted"] == 3
    assert [one["index"] for one in answer["rejected"]] == [2, 3]


def test_a_foreign_account_in_a_batch_is_unknown(own: Machine, contoso: Account) -> None:
    answer = own.post("/usage", [event("a"), event("b", account="contoso")]).json()
    assert answer["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(1, "unknown_account")]
    assert balance(contoso, "inbound") == 100


def test_at_most_ten_thousand_events_at_a_time(machine: Machine) -> None:
    full = b"[" + b",".join([b"1"] * 10_000) + b"]"
    assert len(machine.call("POST", "/usage", content=full).json()["rejected"]) == 10_000
    assert is_problem(machine.call("POST", "/usage", content=full[:-1] + b",1]"), 400, "invalid")


def test_usage_is_debited_below_zero(machine: Machine, northwind: Account) -> None:
    assert machine.post("/usage", [event("a", type="sms", quantity=20_000)]).json()["accepted"] == 1
    assert balance(northwind, "sms") == -50


def test_a_database_that_is_away_is_a_503_and_a_repeat_finishes(fresh_server, machine: Machine) -> None:
    assert machine.post("/usage", [event("a")]).json()["accepted"] == 1
    fresh_server.server.stop()
    response = machine.post("/usage", [event("a"), event("b")])
    assert is_problem(response, 503, "try_later")
    assert int(response.headers["retry-after"]) >= 1
    assert machine.client.get("/readyz").json()["problems"].keys() == {"database"}
    assert machine.client.get("/healthz").status_code == 200
    fresh_server.server.start()
    assert machine.post("/usage", [event("a"), event("b")]).json() == {"accepted": 1, "duplicates": 1, "rejected": []}


def test_requests_that_fail_together_are_done_one_by_one(machine: Machine, monkeypatch) -> None:
    recorded = usage.record_batch

    def record_batch(batch, oldest):
        if "poison" in batch.ids:
            raise ZeroDivisionError
        return recorded(batch, oldest)

    with monkeypatch.context() as broken:
        broken.setattr(usage, "record_batch", record_batch)
        with ThreadPoolExecutor(8) as senders:
            ids = ["a", "b", "poison", "c", "d", "e", "f", "g"]
            answers = list(senders.map(lambda id: machine.post("/usage", [event(id)]), ids))
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200, 200, 200, 200, 200]
    assert machine.post("/usage", [event("poison")]).json() == {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_may_be_compressed(machine: Machine, encoding: str) -> None:
    body = json.dumps([event("a"), event("b")]).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zstandard.compress(body)
    sent = machine.call("POST", "/usage", content=packed, headers={"Content-Encoding": encoding})
    assert sent.json() == {"accepted": 2, "duplicates": 0, "rejected": []}
    for broken in (packed[:-3], packed[3:], b"plain"):
        answer = machine.call("POST", "/usage", content=broken, headers={"Content-Encoding": encoding})
        assert is_problem(answer, 400, "invalid")
    bomb = b" " * (17 * 1024 * 1024)
    packed = gzip.compress(bomb) if encoding == "gzip" else zstandard.compress(bomb)
    answer = machine.call("POST", "/usage", content=packed, headers={"Content-Encoding": encoding})
    assert is_problem(answer, 413, "too_large")


def test_several_gzip_members_are_one_body(machine: Machine) -> None:
    packed = gzip.compress(b"[") + gzip.compress(json.dumps(event("a")).encode()) + gzip.compress(b"]")
    sent = machine.call("POST", "/usage", content=packed, headers={"Content-Encoding": "gzip"})
    assert sent.json()["accepted"] == 1


def test_a_revoked_key_is_refused_at_once_though_it_was_used_a_moment_ago(machine: Machine) -> None:
    assert machine.post("/usage", [event("a")]).status_code == 200
    for key in of_account(OPERATOR_ID):
        revoke(OPERATOR_ID, key.id, SYSTEM)
    assert is_problem(machine.post("/usage", [event("b")]), 401, "unauthorized")
    assert UsageEvent.objects.count() == 1


def test_events_too_late_for_the_limit_are_refused_one_by_one(machine: Machine) -> None:
    now = datetime.now(UTC)
    late, soon, future = (now - timedelta(days=35, minutes=1), now - timedelta(days=34), now + timedelta(minutes=11))
    batch = [event(str(n), occurred_at=at.isoformat()) for n, at in enumerate((late, soon, future))]
    with override_settings(LATE_DAYS=35):
        sent = machine.post("/usage", batch).json()
    assert (sent["accepted"], [(one["index"], one["code"]) for one in sent["rejected"]]) == (
        1,
        [(0, "too_late"), (2, "in_the_future")],
    )
