"""What machines read back: wallets, events, ledger, invoices, subscriptions, rates; page by page, exact, their own only."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.web.api.conftest import Machine, event, held
from tests.web.api.test_door import is_problem
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Wanted, correct, give_up
from tollbook.invoicing.drafts import compose, content_seen, discard
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import InvoiceKind
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction
from tollbook.subscriptions.change import change_quantity
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind
from tollbook.usage.tables import UsageEvent
from tollbook.web.api import events as events_module

EVERYTHING = [
    "wallets", "wallets/sms/refill-rule", "wallets/sms/refills", "events", "ledger", "invoices", "invoices/TB-1",
    "invoices/TB-1.pdf", "subscriptions", "subscriptions/preview",
    "subscriptions/changes", "credit-notes", "credit-notes/CN-1", "credit-notes/CN-1.pdf", "rates?type=sms",
    "usage?by=agent", "statement",
]  # fmt: skip


def sent(machine: Machine, count: int, **changes) -> None:
    """Events a second apart; two types, in turns."""
    batch = [
        event(
            f"e-{n:03}",
            type="sms" if n % 2 else "inbound",
            quantity=1 + n,
            occurred_at=f"2026-03-01T12:{n // 60:02}:{n % 60:02}Z",
        )
        | changes
        for n in range(count)
    ]
    assert machine.post("/usage", batch).json()["accepted"] == count


def walked(machine: Machine, path: str, **params) -> list[dict]:
    """Every item of a list, page by page."""
    items, cursor = [], None
    for _ in range(100):
        page = machine.get(path, params=params | ({"cursor": cursor} if cursor else {})).json()
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("path", EVERYTHING)
def test_another_accounts_pages_do_not_exist(own: Machine, contoso: Account, path: str) -> None:
    foreign, missing = own.get(f"/accounts/contoso/{path}"), own.get(f"/accounts/nobody/{path}")
    assert is_problem(foreign, 404, "not_found") and is_problem(missing, 404, "not_found")
    assert foreign.json()["detail"].replace("contoso", "nobody") == missing.json()["detail"]


def test_wallets_tell_balance_held_available_used_rate_and_rule(machine: Machine, northwind: Account) -> None:
    machine.post("/holds", {"event_id": "call", "account": "northwind", "type": "sms", "quantity": 1000})
    machine.post("/usage", [event("a", type="sms", quantity=2000)])
    wallets = {wallet["type"]: wallet for wallet in machine.get("/accounts/northwind/wallets").json()["items"]}
    assert list(wallets) == [
        "email", "ringless_voicemail", "speech_to_text", "conversational_ai", "sms", "inbound", "outbound",
    ]  # fmt: skip
    sms = wallets["sms"]
    assert (sms["rate_cents"], sms["balance"], sms["held"], sms["available"], sms["used_percent"]) == (
        "0.75", "85.000000", "7.500000", "77.500000", "15.00",
    )  # fmt: skip
    assert (sms["automatic_refill"], sms["refill_amount"], sms["minimum_before_refill"]) == (False, None, None)
    assert held(northwind, "sms") == Decimal("7.5")


def test_a_rule_is_set_read_and_shown_beside_the_wallet(machine: Machine) -> None:
    address = "/accounts/northwind/wallets/sms/refill-rule"
    assert is_problem(machine.get(address), 404, "not_found")
    rule = {"automatic": True, "refill_amount": "50", "minimum_before_refill": 10.25, "monthly_cap": "500.00"}
    stored = machine.call("PUT", address, json=rule)
    assert stored.status_code == 200, stored.text
    assert stored.json() == machine.get(address).json()
    assert (stored.json()["refill_amount"], stored.json()["minimum_before_refill"]) == ("50.00", "10.25")
    assert stored.json()["set_by"] == "API key switch" and stored.json()["version"] == 1
    sms = next(one for one in machine.get("/accounts/northwind/wallets").json()["items"] if one["type"] == "sms")
    assert (sms["automatic_refill"], sms["refill_amount"], sms["minimum_before_refill"]) == (True, "50.00", "10.25")
    late = machine.call("PUT", address, json=rule | {"refill_amount": "60", "version": 0})
    assert is_problem(late, 409, "conflict")
    assert is_problem(machine.call("PUT", address, json=rule | {"refill_amount": "0.001"}), 400, "invalid")
    missing = machine.call("PUT", "/accounts/northwind/wallets/fax/refill-rule", json=rule)
    assert is_problem(missing, 404, "not_found")


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_of_events_show_each_once_newest_first(machine: Machine, limit: int) -> None:
    sent(machine, 7)
    items = walked(machine, "/accounts/northwind/events", limit=limit)
    assert [item["id"] for item in items] == [f"e-{n:03}" for n in reversed(range(7))]
    only = walked(machine, "/accounts/northwind/events", limit=limit, type="sms")
    assert [item["id"] for item in only] == ["e-005", "e-003", "e-001"]


def test_an_event_shows_its_arithmetic(machine: Machine) -> None:
    machine.post("/usage", [event("a", type="outbound", quantity="61", to="1900555", **{"from": "+15550100"})])
    item = machine.get("/accounts/northwind/events").json()["items"][0]
    assert item == item | {
        "id": "a", "type": "outbound", "quantity": "61", "billed_quantity": "120", "rate_cents": "100",
        "connect_fee": "0.000000", "cost": "2.000000", "occurred_at": "2026-03-01T12:00:00Z", "to": "1900555",
        "from": "+15550100", "hold_id": None,
    }  # fmt: skip


def test_events_of_a_time(machine: Machine) -> None:
    sent(machine, 6)
    within = {"since": "2026-03-01T12:00:02Z", "until": "2026-03-01T12:00:04Z"}
    assert [item["id"] for item in walked(machine, "/accounts/northwind/events", **within)] == ["e-003", "e-002"]


def test_many_events_at_one_instant_are_all_shown(machine: Machine) -> None:
    sent(machine, 9, occurred_at="2026-03-01T12:00:00Z")
    ids = [item["id"] for item in walked(machine, "/accounts/northwind/events", limit=2)]
    assert ids == [f"e-{n:03}" for n in reversed(range(9))]


def test_all_events_are_streamed_as_ndjson_or_csv(machine: Machine, monkeypatch) -> None:
    monkeypatch.setattr(events_module, "CHUNK", 3)
    sent(machine, 8)
    pages = walked(machine, "/accounts/northwind/events")
    lines = machine.get("/accounts/northwind/events", headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines.text.splitlines()] == pages
    table = machine.get("/accounts/northwind/events", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["id"] for row in rows] == [item["id"] for item in pages]
    assert [row["cost"] for row in rows] == [item["cost"] for item in pages]
    for limit, accept in ((5, "text/csv"), (6, "application/x-ndjson"), (1, "text/csv"), (3, "text/csv")):
        some = machine.get("/accounts/northwind/events", params={"limit": limit}, headers={"Accept": accept})
        assert len(some.text.splitlines()) == limit + (accept == "text/csv")


def test_a_spreadsheet_runs_nothing_of_the_csv(machine: Machine) -> None:
    machine.post("/usage", [event('=HYPERLINK("http://x")', to="+15550100", **{"from": "@SUM(A1)"})])
    row = next(csv.DictReader(io.StringIO(machine.get("/accounts/northwind/events", headers={"Accept": "text/csv"}).text)))
    assert (row["id"][0], row["from"][0], row["to"]) == ("'", "'", "+15550100")


def test_the_ledger_tells_before_after_and_entries(machine: Machine) -> None:
    machine.post("/usage", [event("a", type="sms", quantity=2000)])
    usage, *rest = machine.get("/accounts/northwind/ledger").json()["items"]
    assert (usage["kind"], usage["type"], usage["before"], usage["after"], usage["events"]) == (
        "usage", "sms", "100.000000", "85.000000", 1,
    )  # fmt: skip
    assert usage["entries"] == [
        {"code": "wallet:sms:paid", "amount": "15.000000"},
        {"code": "revenue:usage", "amount": "-15.000000"},
    ]
    assert len(rest) == 7
    assert [one["id"] for one in walked(machine, "/accounts/northwind/ledger", limit=3)] == [
        one["id"] for one in (usage, *rest)
    ]
    assert [one["kind"] for one in walked(machine, "/accounts/northwind/ledger", type="sms")] == ["usage", "adjustment"]
    assert is_problem(machine.get("/accounts/northwind/ledger?type=fax"), 400, "invalid")


def invoiced(account: Account, count: int) -> list[str]:
    """Invoices of 10, 20, ... dollars."""
    numbers = []
    for n in range(1, count + 1):
        lines = [DraftLine("Seats", "", Decimal(n), Decimal(10), Decimal(10 * n), "revenue:subscription")]
        draft = Draft(InvoiceKind.RECURRING, f"test-{n}", date(2026, 3, n), lines)
        numbers.append(in_transaction(lambda draft=draft: issue(account, draft)).number)
    return numbers


def test_invoices_are_listed_opened_and_downloaded(machine: Machine, northwind: Account, contoso: Account) -> None:
    numbers = invoiced(northwind, 5)
    foreign = invoiced(contoso, 1)[0]
    listed = walked(machine, "/accounts/northwind/invoices", limit=2)
    assert [row["number"] for row in listed] == numbers[::-1]
    assert listed[0] == listed[0] | {"amount": "50.00", "balance": "50.00", "currency": "USD", "issued_on": "2026-03-05"}
    opened = machine.get(f"/accounts/northwind/invoices/{numbers[2]}").json()
    assert opened["lines"] == [
        {"description": "Seats", "detail": "", "quantity": "3", "unit_price": "10", "amount": "30.00"}
    ]
    assert (opened["amount"], opened["settlements"]) == ("30.00", [])
    first, second = (machine.get(f"/accounts/northwind/invoices/{numbers[0]}.pdf") for _ in range(2))
    assert first.headers["content-type"] == "application/pdf" and first.content.startswith(b"%PDF")
    assert first.content == second.content
    assert walked(machine, "/accounts/northwind/invoices", status="paid") == []
    give_up(northwind, numbers[1], "Bankrupt", SYSTEM)
    [gone] = walked(machine, "/accounts/northwind/invoices", status="written_off")
    assert (gone["number"], gone["status"], gone["balance"]) == (numbers[1], "written_off", "0.00")
    for path in (foreign, f"{foreign}.pdf", "TB-0", ".pdf", "%00"):
        assert is_problem(machine.get(f"/accounts/northwind/invoices/{path}"), 404, "not_found")


def test_credit_notes_are_listed_opened_and_downloaded(machine: Machine, northwind: Account, contoso: Account) -> None:
    numbers = invoiced(northwind, 3)
    notes = [correct(northwind, number, Wanted(f"Part {part}", {1: Decimal(4)}), SYSTEM).note.number
             for part in range(2) for number in numbers]  # fmt: skip
    foreign = correct(contoso, invoiced(contoso, 1)[0], Wanted("Theirs"), SYSTEM).note.number
    listed = walked(machine, "/accounts/northwind/credit-notes", limit=2)
    assert [row["number"] for row in listed] == notes[::-1]
    assert listed[0] == listed[0] | {
        "invoice": numbers[2], "subtotal": "4.00", "tax": "0.00", "amount": "4.00", "currency": "USD", "reason": "Part 1"
    }  # fmt: skip
    of_one = walked(machine, "/accounts/northwind/credit-notes", invoice=numbers[0], limit=1)
    assert [row["number"] for row in of_one] == [notes[3], notes[0]]
    opened = machine.get(f"/accounts/northwind/credit-notes/{notes[0]}").json()
    [line] = opened["lines"]
    assert (line["invoice_line"], line["description"], line["amount"], line["tax"]) == (1, "Seats", "4.00", "0.00")
    first, second = (machine.get(f"/accounts/northwind/credit-notes/{notes[0]}.pdf") for _ in range(2))
    assert first.content.startswith(b"%PDF") and first.content == second.content
    assert b"<CreditNote" in machine.get(f"/accounts/northwind/credit-notes/{notes[0]}.xml").content
    for path in (foreign, f"{foreign}.pdf", f"{foreign}.xml", "CN-0", ".pdf", "%00"):
        assert is_problem(machine.get(f"/accounts/northwind/credit-notes/{path}"), 404, "not_found"), path
    assert is_problem(machine.get("/accounts/northwind/credit-notes", params={"cursor": "eA"}), 400, "invalid")


def test_drafts_are_for_keys_of_the_operator(machine: Machine, own: Machine, northwind: Account) -> None:
    lines = [DraftLine("Seats", "", Decimal(3), Decimal(10), Decimal(30), "revenue:recurring")]
    made = [compose(northwind, lines, SYSTEM, new_id()) for _ in range(3)]
    discard(northwind, made[0].id, SYSTEM, content_seen(made[0]))
    listed = walked(machine, "/accounts/northwind/drafts", limit=1)
    assert [row["id"] for row in listed] == [str(one.id) for one in made[1:]]
    opened = machine.get(f"/accounts/northwind/drafts/{made[1].id}").json()
    assert (opened["amount"], opened["tax"], opened["state"]) == ("30.00", "0.00", "open")
    assert [line["amount"] for line in opened["lines"]] == ["30.00"]
    assert machine.get(f"/accounts/northwind/drafts/{made[0].id}").json()["state"] == "discarded"
    assert is_problem(machine.get(f"/accounts/northwind/drafts/{new_id()}"), 404, "not_found")
    for path in ("drafts", f"drafts/{made[1].id}"):
        assert is_problem(own.get(f"/accounts/northwind/{path}"), 403, "forbidden")


def test_changes_of_subscriptions_are_told_newest_first(machine: Machine, northwind: Account) -> None:
    offer("seat", "Seats", FeeKind.RECURRING, Decimal("12.5"), SYSTEM)
    begun = start(northwind, NewSubscription("seat", today_in(northwind), Decimal(4)), SYSTEM)
    tomorrow = today_in(northwind) + timedelta(days=1)
    changed = change_quantity(northwind, begun.id, Decimal(6), tomorrow, SYSTEM)
    found = machine.get("/accounts/northwind/subscriptions/changes").json()
    assert found["next"] is None
    assert [(one["says"], one["is_coming"], one["change_id"]) for one in found["items"]] == [
        ("Quantity 6", True, str(changed.id)), ("Started with 4", False, None)
    ]  # fmt: skip


def test_subscriptions_tell_fees_totals_and_the_next_charge(machine: Machine, northwind: Account) -> None:
    offer("seat", "Seats", FeeKind.RECURRING, Decimal("12.5"), SYSTEM)
    start(northwind, NewSubscription("seat", today_in(northwind), Decimal(4)), SYSTEM)
    told = machine.get("/accounts/northwind/subscriptions").json()
    assert [(one["name"], one["quantity"], one["price"], one["total"]) for one in told["recurring"]] == [
        ("Seats", "4", "12.5", "50.00")
    ]
    assert (told["recurring_total"], told["setup"], told["next_charge_amount"]) == ("50.00", [], "50.00")


def test_the_next_invoice_is_told_before_it_is_issued(machine: Machine, northwind: Account) -> None:
    empty = machine.get("/accounts/northwind/subscriptions/preview").json()
    assert (empty["bill_on"], empty["lines"], empty["total"]) == (None, [], "0.00")
    offer("seat", "Seats", FeeKind.RECURRING, Decimal("12.5"), SYSTEM)
    start(northwind, NewSubscription("seat", today_in(northwind), Decimal(4), prorated=True, at_once=True), SYSTEM)
    told = machine.get("/accounts/northwind/subscriptions/preview").json()
    assert [(line["description"], line["amount"]) for line in told["lines"]] == [("Seats", "50.00")]
    assert (told["bill_on"], told["lines"][0]["service_from"], told["total"]) == (
        told["period_start_on"],
        told["period_start_on"],
        "50.00",
    )


def test_a_number_is_rated(machine: Machine) -> None:
    told = machine.get("/accounts/northwind/rates", params={"type": "outbound", "to": "+1900555", "quantity": "61"}).json()
    assert (told["prefix"], told["rate_cents"], told["billed_quantity"], told["cost"]) == ("1900", "100", "120", "2.000000")
    assert is_problem(machine.get("/accounts/northwind/rates?type=fax"), 404, "not_found")
    assert is_problem(machine.get("/accounts/northwind/rates?type=sms&quantity=many"), 400, "invalid")
    assert is_problem(machine.get("/accounts/northwind/rates?type=sms&quantity=NaN"), 400, "invalid")
    assert is_problem(machine.get("/accounts/northwind/rates"), 400, "invalid")


@pytest.mark.parametrize("path", ["events", "ledger", "invoices", "wallets/sms/refills"])
@pytest.mark.parametrize("query", ["limit=0", "limit=many", "limit=100000", "cursor=x", "cursor=%FF", "cursor=AA"])
def test_impossible_parameters_are_refused(machine: Machine, path: str, query: str) -> None:
    assert is_problem(machine.get(f"/accounts/northwind/{path}?{query}"), 400, "invalid")


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-03-01T12:00:00", "type=fax"])
def test_impossible_filters_are_refused(machine: Machine, query: str) -> None:
    assert is_problem(machine.get(f"/accounts/northwind/events?{query}"), 400, "invalid")


def test_nothing_is_named_with_a_nul(machine: Machine) -> None:
    for path in ("/accounts/%00/wallets", "/accounts/northwind/wallets/%00/refills", "/accounts/northwind/events?type=%00"):
        assert is_problem(machine.get(path), 404, "not_found")


def test_a_page_that_grows_meanwhile_repeats_and_skips_nothing(machine: Machine) -> None:
    sent(machine, 4)
    first = machine.get("/accounts/northwind/events", params={"limit": 2}).json()
    machine.post("/usage", [event("late", occurred_at=datetime.now(UTC).isoformat())])
    rest = walked(machine, "/accounts/northwind/events", cursor=first["next"])
    assert [item["id"] for item in first["items"] + rest] == ["e-003", "e-002", "e-001", "e-000"]
    assert UsageEvent.objects.count() == 5
