"""Corrections over HTTP: an event that carries `reverses`."""

import json
from decimal import Decimal
from typing import Any

from tests.web.api.conftest import Machine, balance, event
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.web.api import corrections


def back(id: str, reverses: str, **changes: Any) -> dict[str, Any]:
    return {"id": id, "account": "northwind", "reverses": reverses, "occurred_at": "2026-03-01T13:00:00Z"} | changes


def codes(answer: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(one["index"], one["id"], one["code"]) for one in answer["rejected"]]


def test_an_event_and_what_takes_it_back_may_come_together(machine: Machine, northwind: Account) -> None:
    partly = back("r2", "e2", quantity="30", type="inbound")
    sent = [back("r1", "e1", reason="never connected"), event("e1"), event("e2"), partly]
    answer = machine.post("/usage", sent).json()
    assert answer == {"accepted": 4, "duplicates": 0, "rejected": []}
    assert balance(northwind, "inbound") == Decimal(100) - Decimal("0.0036"), "31 s are 36 s billed at 0.6 cents"
    assert machine.post("/usage", sent).json() == {"accepted": 0, "duplicates": 4, "rejected": []}
    assert audit() == []


def test_a_correction_that_can_not_be_done_is_named_and_spoils_no_other(own: Machine, northwind: Account) -> None:
    lines = [event("e1"), back("r1", "nobody"), back("r2", "e1"), back("r3", "e1"), back("r4", "e1", to="+1"), back("r5", 7)]
    body = "\n".join(json.dumps(line) for line in lines)
    answer = own.call("POST", "/usage", content=body, headers={"Content-Type": "application/x-ndjson"}).json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert codes(answer) == [
        (1, "r1", "unknown_original"), (3, "r3", "already_reversed"), (4, "r4", "malformed"), (5, "r5", "malformed"),
    ]  # fmt: skip
    assert codes(own.post("/usage", [back("r6", "e1", account="contoso")]).json()) == [(0, "r6", "unknown_account")]


def test_a_request_holds_so_many_corrections(machine: Machine, monkeypatch) -> None:
    monkeypatch.setattr(corrections, "MOST", 2)
    answer = machine.post("/usage", [event("e1"), *(back(f"r{n}", "e1", quantity=1) for n in range(4))]).json()
    assert answer["accepted"] == 3
    assert codes(answer) == [(3, "r2", "too_many_corrections"), (4, "r3", "too_many_corrections")]
