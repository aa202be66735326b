"""Holds over HTTP: reserve, extend, capture, release, each once."""

import threading
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.db import connection, transaction

from tests.cast import LONG_AGO
from tests.web.api.conftest import Machine, balance, event, held
from tests.web.api.test_door import is_problem
from tollbook.accounts import remember
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.remember import Answer, KeyReused, once
from tollbook.accounts.tables import Account, ApiKey, RememberedAnswer
from tollbook.errors import Invalid
from tollbook.usage.tables import UsageEvent
from tollbook.wallets.tables import Hold
from tollbook.web.api import auth, holds

AT = "2026-03-01T12:00:00Z"


def call(event_id: str = "call-1", **changes):
    return {"event_id": event_id, "account": "northwind", "type": "outbound", "quantity": 60, "to": "+15551234"} | changes


def key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text}


def test_a_call_is_held_extended_and_captured(machine: Machine, northwind: Account) -> None:
    placed = machine.post("/holds", call())
    told = placed.json()
    assert placed.status_code == 201
    assert told["items"] == [{"type": "outbound", "granted_quantity": "60", "held": "0.014000"}]
    assert (told["event_id"], told["state"], told["final_unit"]) == ("call-1", "open", False)
    assert held(northwind, "outbound") == Decimal("0.014")

    extended = machine.post(f"/holds/{told['id']}/extend", {"quantity": 60})
    assert extended.status_code == 200
    assert Decimal(extended.json()["items"][0]["held"]) == held(northwind, "outbound") == Decimal("0.028")

    captured = machine.post(f"/holds/{told['id']}/capture", {"quantity": 61, "occurred_at": AT}).json()
    assert (captured["state"], captured["accepted"], captured["duplicates"]) == ("captured", 1, 0)
    assert [(one["id"], one["billed_quantity"], one["cost"]) for one in captured["debits"]] == [
        ("call-1", "120", "0.028000")
    ]
    assert held(northwind, "outbound") == 0
    assert balance(northwind, "outbound") == Decimal("99.972")


def test_the_call_record_after_the_capture_is_a_duplicate(machine: Machine, northwind: Account) -> None:
    """ivozprovider #703, cgrates #256: a call debited during the call and again from its record."""
    hold = machine.post("/holds", call()).json()["id"]
    machine.post(f"/holds/{hold}/capture", {"quantity": 60, "occurred_at": AT})
    record = event("call-1", type="outbound", quantity=60, occurred_at=AT, to="+15551234", attributes={"from": "switch"})
    assert machine.post("/usage", [record]).json() == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert balance(northwind, "outbound") == Decimal("99.986")


def test_a_capture_after_the_call_record_debits_nothing(machine: Machine, northwind: Account) -> None:
    hold = machine.post("/holds", call()).json()["id"]
    record = event("call-1", type="outbound", quantity=60, occurred_at=AT, to="+15551234")
    assert machine.post("/usage", [record]).json()["accepted"] == 1
    captured = machine.post(f"/holds/{hold}/capture", {"quantity": 60, "occurred_at": AT}).json()
    assert (captured["accepted"], captured["duplicates"], len(captured["debits"])) == (0, 1, 1)
    differs = machine.post(f"/holds/{hold}/capture", {"quantity": 90, "occurred_at": AT})
    assert is_problem(differs, 409, "event_conflict")
    assert balance(northwind, "outbound") == Decimal("99.986")


def test_too_little_credit_is_a_402_that_says_what_there_is(machine: Machine, northwind: Account) -> None:
    refused = machine.post("/holds", call(quantity=6001, to="1900"))
    assert is_problem(refused, 402, "insufficient_credit")
    assert refused.json()["available"] == {"outbound": "100.000000"}
    hold = machine.post("/holds", call(quantity=5400, to="1900")).json()
    assert hold["final_unit"] is True, "the 10 dollars left can't pay for another 90 minutes"
    refused = machine.post(f"/holds/{hold['id']}/extend", {"quantity": 660})
    assert is_problem(refused, 402, "insufficient_credit")
    assert refused.json()["available"] == {"outbound": "10.000000"}
    assert held(northwind, "outbound") == 90
    assert Hold.objects.get().state == "open"
    last = machine.post(f"/holds/{hold['id']}/extend", {"quantity": 600}).json()
    assert last["final_unit"] is True


def test_less_than_asked_is_granted_and_said_to_be_the_last(machine: Machine, northwind: Account) -> None:
    """RFC 8506: the final units are granted with what to do when they are used up."""
    placed = machine.post("/holds", call(quantity=5400, to="1900", accept_less=True)).json()
    assert (placed["final_unit"], placed["final_unit_action"], placed["zero_rule"]) == (False, None, "stop_new")
    last = machine.post(f"/holds/{placed['id']}/extend", {"quantity": 5400, "accept_less": True}).json()
    assert last["items"] == [{"type": "outbound", "granted_quantity": "6000", "held": "100.000000"}]
    assert (last["final_unit"], last["final_unit_action"]) == (True, "terminate")
    refused = machine.post(f"/holds/{placed['id']}/extend", {"quantity": 60, "accept_less": True})
    assert is_problem(refused, 402, "insufficient_credit")
    told = refused.json()
    assert told["available"] == {"outbound": "0.000000"}
    assert (told["lacking"], told["final_unit_action"]) == (["outbound"], "terminate")
    assert told["detail"] == "There is too little credit for this: outbound has 0.000000 available and needs 1.000000."
    assert held(northwind, "outbound") == 100


def test_a_call_on_several_wallets_is_the_events_of_its_id_and_its_types(machine: Machine, northwind: Account) -> None:
    """ivozprovider #703, cgrates #256, for calls that use more than one kind of credit."""
    items = [{"type": type_code, "quantity": 60} for type_code in ("outbound", "conversational_ai", "speech_to_text")]
    hold = machine.post("/holds", {"event_id": "call-1", "account": "northwind", "items": items}).json()
    record = event("call-1#speech_to_text", type="speech_to_text", quantity=45, occurred_at=AT)
    assert machine.post("/usage", [record]).json()["accepted"] == 1
    assert (held(northwind, "speech_to_text"), held(northwind, "outbound")) == (0, Decimal("0.014"))
    used = [{"type": "speech_to_text", "quantity": 45}, {"type": "conversational_ai", "quantity": 50}, items[0]]
    captured = machine.post(f"/holds/{hold['id']}/capture", {"items": used, "occurred_at": AT}).json()
    assert (captured["accepted"], captured["duplicates"]) == (2, 1)
    assert {one["id"]: one["type"] for one in captured["debits"]} == {
        "call-1": "outbound", "call-1#conversational_ai": "conversational_ai", "call-1#speech_to_text": "speech_to_text",
    }  # fmt: skip
    records = [
        event("call-1", type="outbound", quantity=60, occurred_at=AT),
        event("call-1#conversational_ai", type="conversational_ai", quantity=50, occurred_at=AT),
    ]
    assert machine.post("/usage", records).json() == {"accepted": 0, "duplicates": 2, "rejected": []}
    assert (held(northwind, "outbound"), held(northwind, "conversational_ai")) == (0, 0)


def test_a_second_hold_for_an_event_is_refused_and_led_to_the_first(machine: Machine) -> None:
    first = machine.post("/holds", call()).json()["id"]
    refused = machine.post("/holds", call(quantity=1))
    assert is_problem(refused, 409, "conflict")
    assert refused.json()["hold_id"] == first


def test_items_may_be_listed_or_given_as_money(machine: Machine) -> None:
    items = [{"type": "outbound", "amount": "0.10", "to": "15551234"}, {"type": "speech_to_text", "quantity": "15"}]
    told = machine.post("/holds", {"event_id": "agent", "account": "northwind", "items": items}).json()
    assert [(item["type"], item["granted_quantity"], item["held"]) for item in told["items"]] == [
        ("outbound", "420", "0.100000"),
        ("speech_to_text", "15", "0.003000"),
    ]
    assert is_problem(machine.post(f"/holds/{told['id']}/extend", {"quantity": 1}), 400, "invalid")
    used = [{"type": "outbound", "quantity": 30}, {"type": "speech_to_text", "quantity": 31}]
    captured = machine.post(f"/holds/{told['id']}/capture", {"items": used, "occurred_at": AT}).json()
    assert sorted((one["id"], one["cost"]) for one in captured["debits"]) == [
        ("agent", "0.014000"),
        ("agent#speech_to_text", "0.009000"),
    ]


def test_a_released_hold_lets_its_money_go_and_is_over(machine: Machine, northwind: Account) -> None:
    hold = machine.post("/holds", call()).json()["id"]
    assert machine.call("POST", f"/holds/{hold}/release").json() == {"id": hold, "state": "released"}
    assert machine.post(f"/holds/{hold}/release", {"reason": "busy"}).status_code == 200
    assert held(northwind, "outbound") == 0
    assert is_problem(machine.post(f"/holds/{hold}/extend", {"quantity": 1}), 409, "hold_is_over")
    assert is_problem(machine.post(f"/holds/{hold}/capture", {"quantity": 1, "occurred_at": AT}), 409, "hold_is_over")
    assert UsageEvent.objects.count() == 0
    assert is_problem(machine.post(f"/holds/{uuid4()}/release", {}), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (call(quantity=0), "quantity"),
        (call(quantity="NaN"), "quantity"),
        (call(quantity="0.0000001"), "quantity"),
        (call(quantity=None), "quantity"),
        (call(amount=1), "quantity"),
        (call(type="fax"), "type"),
        (call(type=None), "type"),
        (call(event_id=""), "event_id"),
        (call(event_id="\x00"), "event_id"),
        (call(event_id=7), "event_id"),
        (call(to="\x00"), "to"),
        (call(ttl_seconds=9), "ttl_seconds"),
        (call(ttl_seconds=10**30), "ttl_seconds"),
        (call(items=[]), "items"),
        ({"event_id": "a", "account": "northwind"}, "items"),
        ({"event_id": "a", "account": "northwind", "items": []}, "items"),
        ({"event_id": "a", "account": "northwind", "items": [{"type": "sms", "quantity": 1}] * 2}, "items"),
        (call(colour="red"), None),
        ([], None),
    ],
)  # fmt: skip
def test_an_impossible_hold_is_refused_with_the_field(machine: Machine, body, field: str | None) -> None:
    refused = machine.post("/holds", body)
    assert is_problem(refused, 400, "invalid")
    assert refused.json().get("field") == field, refused.json()
    assert Hold.objects.count() == 0


def test_a_capture_for_another_event_is_refused(machine: Machine, northwind: Account) -> None:
    hold = machine.post("/holds", call()).json()["id"]
    body = {"event_id": "call-2", "quantity": 60, "occurred_at": AT}
    assert is_problem(machine.post(f"/holds/{hold}/capture", body), 400, "invalid")
    assert balance(northwind, "outbound") == 100 and Hold.objects.get().state == "open"
    assert machine.post(f"/holds/{hold}/capture", body | {"event_id": "call-1"}).status_code == 200


def test_a_repeat_with_its_key_repeats_the_answer(machine: Machine, northwind: Account) -> None:
    """lago-api #5870: the same request sent twice did twice. Here an extension, which nothing else would recognise."""
    first = machine.post("/holds", call(), headers=key("place-1"))
    again = machine.post("/holds", call(), headers=key("place-1"))
    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    address = f"/holds/{first.json()['id']}/extend"
    answers = {machine.post(address, {"quantity": 60}, headers=key("extend-1")).text for _ in range(3)}
    assert len(answers) == 1
    assert held(northwind, "outbound") == Decimal("0.028")
    refused = machine.post("/holds", call())
    assert is_problem(refused, 409, "conflict") and "retry-after" not in refused.headers


def test_the_same_key_with_another_request_is_an_error(machine: Machine, contoso: Account) -> None:
    """lago-api #5870: the key, a hash of the request and the answer are stored; same key and other body is an error."""
    hold = machine.post("/holds", call(), headers=key("k")).json()["id"]
    assert is_problem(machine.post("/holds", call(quantity=61), headers=key("k")), 422, "idempotency_conflict")
    assert is_problem(machine.post(f"/holds/{hold}/release", {}, headers=key("k")), 422, "idempotency_conflict")
    other = machine.post("/holds", call(account="contoso"), headers=key("k"))
    assert other.status_code == 201, "another account's keys are its own"
    assert Hold.objects.filter(state="open").count() == 2


def test_a_refusal_is_remembered_and_leaves_nothing(machine: Machine, northwind: Account) -> None:
    too_much = call(quantity=99999, to="1900")
    first = machine.post("/holds", too_much, headers=key("k"))
    assert is_problem(first, 402, "insufficient_credit")
    again = machine.post("/holds", too_much, headers=key("k"))
    assert (again.status_code, again.text) == (402, first.text)
    assert again.headers["content-type"].split(";")[0] == "application/problem+json"
    assert Hold.objects.count() == 0 and held(northwind, "outbound") == 0


@pytest.mark.parametrize("bad", ["", "x" * 201, "a\tb"])
def test_an_impossible_key_is_refused(machine: Machine, bad: str) -> None:
    assert is_problem(machine.post("/holds", call(), headers=key(bad)), 400, "invalid")


def test_a_crash_before_the_answer_is_stored_undoes_the_deed(machine: Machine, northwind: Account, monkeypatch) -> None:
    hold = machine.post("/holds", call()).json()["id"]
    with monkeypatch.context() as broken:
        broken.setitem(remember.SQL, "remember", "SELECT 1 / 0, %(status)s::int")
        assert machine.post(f"/holds/{hold}/extend", {"quantity": 60}, headers=key("k")).status_code == 500
    assert held(northwind, "outbound") == Decimal("0.014")
    assert machine.post(f"/holds/{hold}/extend", {"quantity": 60}, headers=key("k")).status_code == 200
    assert held(northwind, "outbound") == Decimal("0.028")


def test_while_the_first_request_runs_its_twin_is_told_to_wait(machine: Machine, monkeypatch) -> None:
    address = f"/holds/{machine.post('/holds', call()).json()['id']}/extend"
    running, finish = threading.Event(), threading.Event()
    extend = holds.reserves.extend_within

    def slow(*arguments):
        running.set()
        assert finish.wait(10)
        return extend(*arguments)

    monkeypatch.setattr(holds.reserves, "extend_within", slow)
    answers = []
    more = {"quantity": 60}
    first = threading.Thread(target=lambda: answers.append(machine.post(address, more, headers=key("k"))))
    first.start()
    assert running.wait(10)
    twin = machine.post(address, more, headers=key("k"))
    finish.set()
    first.join()
    assert is_problem(twin, 409, "idempotency_in_progress")
    assert int(twin.headers["retry-after"]) >= 1
    assert machine.post(address, more, headers=key("k")).text == answers[0].text


def test_twins_that_wait_together_are_one_hold(machine: Machine, northwind: Account) -> None:
    """The same request many times at once: those in one group are told to wait, later ones get the first one's answer."""
    answers: list[Any] = []
    senders = [
        threading.Thread(target=lambda: answers.append(machine.post("/holds", call(), headers=key("k")))) for _ in range(12)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    assert {answer.status_code for answer in answers} <= {201, 409} and len(answers) == 12
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert all(is_problem(answer, 409, "idempotency_in_progress") for answer in answers if answer.status_code == 409)
    assert machine.post("/holds", call(), headers=key("k")).text in {answer.text for answer in answers}
    assert held(northwind, "outbound") == Decimal("0.014") and Hold.objects.count() == 1


def test_requests_with_and_without_keys_share_a_transaction_and_keep_their_own_answers(
    machine: Machine, northwind: Account
) -> None:
    known = machine.post("/holds", call("known"), headers=key("known"))
    asked: list[tuple[dict, dict]] = [
        (call("known"), key("known")), (call("a"), key("a")), (call("b"), {}),
        (call("c", quantity=99999, to="1900"), key("c")), (call("d", quantity=61), key("known")),
        (call("e", quantity=-1), key("e")),
    ]  # fmt: skip
    for first in (True, False):
        caller = auth.Caller(ApiKey.objects.get(account_id=OPERATOR_ID))
        askings = [
            holds.Asking(caller, headers.get("Idempotency-Key"), msgspec.json.encode(body), "r") for body, headers in asked
        ]
        told = holds._place(askings)
        assert told[0].body.decode() == known.text and told[0].headers == {"Idempotency-Replayed": "true"}
        assert told[1].status == 201 and bool(told[1].headers) == (not first)
        assert told[2].status == 201 if first else isinstance(told[2], Exception)
        assert told[3].status == 402 and told[3].media_type == "application/problem+json"
        assert isinstance(told[4], KeyReused)
        assert isinstance(told[5], Invalid) or told[5].status == 400
    assert Hold.objects.filter(state="open").count() == 3


def test_old_answers_are_forgotten(northwind: Account) -> None:
    once(northwind.id, "k", b"1", lambda: Answer(200, "first"))
    assert remember.forget_old() == 0
    assert once(northwind.id, "k", b"1", lambda: Answer(200, "second")) == Answer(200, "first", replayed=True)
    with pytest.raises(KeyReused):
        once(northwind.id, "k", b"2", lambda: Answer(200, "second"))
    row = RememberedAnswer.objects.get()
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("DELETE FROM remembered_answer")
        row.answered_at = LONG_AGO
        row.save(force_insert=True)
    assert remember.forget_old() == 1
    assert once(northwind.id, "k", b"2", lambda: Answer(200, "second")) == Answer(200, "second")
