"""Usage by a value, and statements, as machines read them: JSON, NDJSON, CSV."""

import csv
import io
import json
from decimal import Decimal

import pytest

from tests.web.api.conftest import Machine, event
from tollbook.accounts.tables import Account

IN_MARCH = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}


@pytest.fixture
def sent(machine: Machine) -> None:
    machine.post("/usage", [event(f"e{n}", attributes={"campaign": f"=c{n % 2}"}, to="+12125550100") for n in range(3)])


def test_usage_by_campaign_and_day(own: Machine, sent: None) -> None:
    answer = own.get("/accounts/northwind/usage", params={"by": "campaign", "per": "day"} | IN_MARCH).json()
    assert (answer["by"], answer["per"], answer["since"]) == ("campaign", "day", IN_MARCH["since"])
    assert [(line["value"], line["events"], line["quantity"], line["cost"]) for line in answer["lines"]] == [
        ("=c0", 2, None, "0.013200"),
        ("=c1", 1, None, "0.006600"),
    ]
    [line] = own.get("/accounts/northwind/usage", params={"by": "country", "type": "inbound"} | IN_MARCH).json()["lines"]
    assert (line["value"], line["quantity"], line["billed_quantity"]) == ("US", "183", "198")


def test_the_same_as_lines(own: Machine, sent: None) -> None:
    def read(accept: str) -> str:
        return own.get("/accounts/northwind/usage", params={"by": "campaign"} | IN_MARCH, headers={"Accept": accept}).text

    assert [json.loads(line)["value"] for line in read("application/x-ndjson").splitlines()] == ["=c0", "=c1"]
    rows = list(csv.DictReader(io.StringIO(read("text/csv"))))
    assert [(row["value"], row["events"], row["quantity"], row["cost"]) for row in rows] == [
        ("'=c0", "2", "", "0.013200"),
        ("'=c1", "1", "", "0.006600"),
    ]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"by": "colour"},
        {"by": "agent", "per": "week"},
        {"by": "agent", "type": "fax"},
        {"by": "agent", "since": "2026-03-01T00:00:00"},
        {"by": "agent", "since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
        {"by": "agent", "per": "hour", "since": "2020-03-02T00:00:00Z"},
        {"by": "agent", "until": "0001-01-01T00:00:00Z"},
        {"by": "agent", "per": "day", "until": "9999-12-31T23:59:59Z"},
        {"by": "agent", "per": "day", "since": "0001-01-01T00:00:00%2B14:00"},
    ],
)
def test_nonsense_is_explained(own: Machine, northwind: Account, params: dict[str, str]) -> None:
    assert own.get("/accounts/northwind/usage", params=params).status_code == 400


def test_a_statement_adds_up_as_json_and_as_lines(own: Machine, sent: None) -> None:
    answer = own.get("/accounts/northwind/statement").json()
    wallet = next(one for one in answer["wallets"] if one["type"] == "inbound")
    sums = {name: Decimal(wallet[name]) for name in ("opening", "refills", "usage", "corrections", "adjustments", "closing")}
    assert sums.pop("closing") == sum(sums.values()) == Decimal("99.9802")
    lines = own.get("/accounts/northwind/statement", headers={"Accept": "application/x-ndjson"}).text.splitlines()
    mine = [line for line in map(json.loads, lines) if line["type"] == "inbound"]
    assert [line["kind"] for line in mine] == ["opening", "adjustment", "usage", "closing"]
    assert sum(Decimal(line["amount"]) for line in mine[:-1]) == Decimal(mine[-1]["amount"])
    head = own.get("/accounts/northwind/statement", headers={"Accept": "text/csv"}).text.splitlines()[0]
    assert head == "type,on,kind,description,reference,actor,amount,balance"


@pytest.mark.parametrize("params", [{"from": "x"}, {"from": "2026-03-02", "to": "2026-03-01"}, {"to": "0001-01-01"}])
def test_days_that_make_no_period_are_refused(own: Machine, northwind: Account, params: dict[str, str]) -> None:
    assert own.get("/accounts/northwind/statement", params=params).status_code == 400
