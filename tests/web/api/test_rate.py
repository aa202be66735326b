"""POST /rate: what things would cost; nothing is debited, and what can't be rated is named beside what can."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.cast import LONG_AGO, a_rate
from tests.web.api.conftest import Machine, balance
from tests.web.api.test_door import is_problem
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import create
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.rating.set_rate import NewRate, set_rate

CALL = {"account": "northwind", "type": "outbound", "to": "+12125550100", "quantity": 61}


def quoted(machine: Machine, *asked: dict) -> list[dict]:
    """The quotes of questions that all have one."""
    answer = machine.post("/rate", list(asked))
    assert answer.status_code == 200 and answer.json()["rejected"] == [], answer.text
    return answer.json()["quotes"]


def test_a_quote_is_what_the_event_will_cost(machine: Machine, northwind: Account) -> None:
    set_rate(
        NewRate("outbound", Decimal("2.5"), LONG_AGO, "1212", "New York", Decimal("0.01"), 30, 6), SYSTEM, northwind.id
    )
    (quote,) = quoted(machine, CALL)
    assert (
        quote["arithmetic"]
        == "61 s, billed 66 s (first 30 s, then 6 s steps) x 2.50 ¢/min + $0.01 connection fee = $0.0375"
    )
    assert (quote["prefix"], quote["description"], quote["is_own"]) == ("1212", "New York", True)
    assert balance(northwind, "outbound") == 100
    machine.post("/usage", [CALL | {"id": "call", "occurred_at": "2026-03-01T12:00:00Z"}])
    assert 100 - balance(northwind, "outbound") == Decimal(quote["cost"])


def test_a_minimum_charge_is_told_and_debited_and_proven(machine: Machine, northwind: Account) -> None:
    least = NewRate("outbound", Decimal("1.2"), LONG_AGO, "1212", minimum_charge=Decimal("0.05"))
    set_rate(least, SYSTEM, northwind.id)
    short, long, none = quoted(machine, *(CALL | {"quantity": seconds} for seconds in (61, 600, 0)))
    assert short["arithmetic"] == "61 s x 1.20 ¢/min = $0.0122, at least $0.05"
    assert [quote["cost"] for quote in (short, long, none)] == ["0.050000", "0.120000", "0.000000"]
    machine.post("/usage", [CALL | {"id": "call", "occurred_at": "2026-03-01T12:00:00Z"}])
    assert balance(northwind, "outbound") == Decimal("99.95")
    assert audit() == []


def test_one_question_is_answered_as_a_list_of_one(machine: Machine) -> None:
    assert machine.post("/rate", CALL).json() == machine.post("/rate", [CALL]).json()


def test_a_text_is_counted_in_segments(machine: Machine) -> None:
    sms = {"account": "northwind", "type": "sms"}
    texts = ["", "a" * 160, "a" * 161, "€" * 81, "ж" * 71]
    quotes = quoted(machine, *(sms | {"text": text} for text in texts))
    assert [(quote["quantity"], quote["encoding"]) for quote in quotes] == [
        ("1", "GSM-7"), ("1", "GSM-7"), ("2", "GSM-7"), ("2", "GSM-7"), ("2", "UCS-2"),
    ]  # fmt: skip
    assert quotes[2]["arithmetic"] == "2 segments x 0.75 ¢ = $0.015"


def test_a_quote_is_for_the_time_that_is_asked_about(machine: Machine, northwind: Account) -> None:
    later = datetime.now(UTC) + timedelta(days=30)
    a_rate("email", "9", valid_from=later)
    mail = {"account": "northwind", "type": "email", "quantity": 1}
    now, then = quoted(machine, mail, mail | {"occurred_at": later.isoformat()})
    assert (now["rate_cents"], then["rate_cents"]) == ("0.08", "9")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "fax"}, "unknown_type"),
        ({"account": "nobody"}, "unknown_account"),
        ({"account": None}, "unknown_account"),
        ({"quantity": None}, "bad_quantity"),
        ({"text": "both"}, "bad_quantity"),
        ({"quantity": None, "text": "a call has no text"}, "bad_quantity"),
        ({"type": "sms", "quantity": None, "text": "x" * 2_001}, "bad_quantity"),
        ({"quantity": "-1"}, "bad_quantity"),
        ({"quantity": "0.0000001"}, "bad_quantity"),
        ({"quantity": "NaN"}, "bad_quantity"),
        ({"quantity": "many"}, "malformed"),
        ({"to": "x" * 65}, "bad_number"),
        ({"occurred_at": "2026-11-03T14:02:07"}, "bad_time"),
        ({"occurred_at": "2019-11-03T14:02:07Z"}, "no_rate"),
        ({"destination": "+1"}, "malformed"),
    ],
)
def test_what_has_no_price_is_named_beside_what_has(machine: Machine, changes: dict, code: str) -> None:
    answer = machine.post("/rate", [CALL, CALL | changes, CALL]).json()
    assert [quote["index"] for quote in answer["quotes"]] == [0, 2]
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(1, code)]


def test_a_key_of_one_account_asks_for_itself_only(own: Machine, contoso: Account) -> None:
    answer = own.post("/rate", [CALL, {"type": "sms", "quantity": 1}, CALL | {"account": "contoso"}]).json()
    assert [quote["account"] for quote in answer["quotes"]] == ["northwind", "northwind"]
    assert answer["rejected"][0]["code"] == "unknown_account"


def test_a_thousand_are_answered_and_not_one_more(machine: Machine) -> None:
    assert len(quoted(machine, *[CALL] * 1_000)) == 1_000
    assert is_problem(machine.post("/rate", [CALL] * 1_001), 400, "invalid")


def test_what_is_not_json_is_refused(machine: Machine) -> None:
    answer = machine.call("POST", "/rate", content=b"[{", headers={"Content-Type": "application/json"})
    assert is_problem(answer, 400, "invalid")


def test_a_key_that_may_only_read_may_ask(machine: Machine) -> None:
    reader = Machine(machine.client, create(OPERATOR_ID, "reader", ["read"], SYSTEM)[1])
    assert len(quoted(reader, CALL)) == 1
    sender = Machine(machine.client, create(OPERATOR_ID, "sender", ["usage"], SYSTEM)[1])
    assert is_problem(sender.post("/rate", [CALL]), 403, "forbidden")
