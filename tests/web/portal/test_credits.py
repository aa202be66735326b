"""Minutes/Credits as people see it: seven types, exact columns, true numbers, and nothing of anybody else."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from tests.cast import a_rate, funded, wallet
from tests.people import People, people
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, User, ZeroRule
from tollbook.postgres.ids import new_id
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.refills.tables import RefillRule, RefillStop
from tollbook.usage.event import Event
from tollbook.usage.record import NEW, record
from tollbook.usage.reserve import Item, reserve
from tollbook.usage.reverse import Reversal, reverse
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import open_wallets

TYPES = [
    "Email Credit", "Ringless Voicemail Minutes", "Speech to Text", "Conversational AI/IVA Minutes", "SMS Credit",
    "Inbound Minutes", "Outbound Minutes",
]  # fmt: skip
COLUMNS = ["Type", "Rate (cents)", "Current Balance ($)", "Refill Amount ($)", "Minimum Before Refill ($)"]
NOW = datetime.now(UTC)


@pytest.fixture
def them(db, static_files) -> People:
    """Northwind has $100 of outbound minutes and a rule, and used one call of 61 s; Contoso has money too."""
    them = people()
    for account in (them.northwind, them.contoso):
        open_wallets(account)
    a_rate(cents="1.20", initial=6, step=6)
    funded(them.northwind, amount="100")
    funded(them.contoso, amount="777")
    a_rule(them.northwind)
    record(them.northwind.id, [call("call-1")])
    return them


def call(id: str, seconds: int = 61, **fields: object) -> Event:
    return Event(id, "outbound", Decimal(seconds), NOW - timedelta(minutes=1), to="12125550100", **fields)


def a_rule(account: Account, type_code: str = "outbound", **fields: object) -> Wallet:
    found = wallet(account, type_code)
    values = {"automatic": True, "refill_amount": 500, "minimum_before_refill": 50, "monthly_cap": 5000} | fields
    RefillRule.objects.create(account_id=account.id, wallet_id=found.id, set_by="owner", set_at=NOW, **values)
    return found


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def words(html: str) -> str:
    """What is read on the page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html.split("<main")[-1])))


def page(user: User, path: str = "/billing/credits/", status: int = 200) -> str:
    response = signed_in(user).get(path)
    assert response.status_code == status
    return response.getvalue().decode()


def table(html: str, caption: str = "") -> list[list[str]]:
    """The first table, or the one around `caption`, as text."""
    start = html.rindex("<table", 0, html.index(caption)) if caption else html.index("<table")
    part = html[start : html.index("</table>", start)]
    return [
        [words(cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr.*?</tr>", part, re.S)
    ]


def test_seven_bars_in_order_without_any_script(them) -> None:
    html = page(them.owner)
    assert re.findall(r'id="gauge-\w+">([^<]*)<', html) == TYPES
    assert "$99.99 left of $100.00 since" in words(html) and "refills at $50.00" in words(html)


def test_the_table_has_exactly_its_columns(them) -> None:
    rows = table(page(them.owner))
    assert rows[0] == COLUMNS
    assert [row[0] for row in rows[1:]] == TYPES
    assert rows[-1] == ["Outbound Minutes", "1.20", "$99.99", "$500.00", "$50.00"]
    assert rows[1] == ["Email Credit", "–", "$0.00", "–", "–"]


def test_the_columns_name_the_accounts_own_currency(them) -> None:
    Account.objects.filter(id=them.northwind.id).update(currency="EUR")
    assert table(page(them.owner))[0][2] == "Current Balance (€)"


def test_an_account_without_anything_sees_seven_types_and_what_will_come(them) -> None:
    html = page(them.stranger)
    assert [row[0] for row in table(html)[1:]] == TYPES
    assert "Nothing was used yet" in html


def test_held_money_is_a_second_shade_with_its_number(them) -> None:
    reserve(them.northwind, "call-2", [Item("outbound", Decimal(60_000))])
    html = page(them.owner)
    assert "$12.00 held" in words(html)
    assert re.search(r'data-bar="held" x="[\d.]+%" width="12%"', html)


def test_why_a_refill_is_stopped_is_said(them) -> None:
    found = wallet(them.northwind)
    RefillStop.objects.create(
        account_id=them.northwind.id,
        wallet_id=found.id,
        code="no_card",
        reason="There is no card to charge.",
        since_at=NOW,
    )
    assert "Outbound Minutes is not being refilled: There is no card to charge." in words(page(them.owner))
    assert "There is no card to charge." in words(page(them.owner, "/billing/credits/outbound/"))


def test_the_zero_rule_is_printed(them) -> None:
    assert "New calls and messages of a type stop; what is in progress finishes." in words(page(them.owner))
    Account.objects.filter(id=them.northwind.id).update(zero_rule=ZeroRule.OVERDRAFT, overdraft_limit=25)
    assert "until a type is $25.00 below zero" in words(page(them.owner))


def test_a_rate_by_destination_shows_the_one_for_unlisted_destinations(them) -> None:
    a_rate(cents="9", prefix="49")
    assert table(page(them.owner))[-1][1] == "1.20"
    a_rate("sms", cents="0.50", prefix="1")
    a_rate("sms", cents="4", prefix="49")
    assert table(page(them.owner))[5][1] == "from 0.50"


def test_the_last_30_days_have_a_drawing_and_a_table(them) -> None:
    record(them.northwind.id, [call("call-9", 600)])
    html = page(them.owner)
    assert "Outbound Minutes used $0.13 in 30 days, most on" in words(html)
    rows = table(html, ">All<")
    assert rows[0] == ["Day", "Outbound Minutes", "All"]
    assert len(rows) == 32 and rows[-1] == ["30 days", "$0.13", "$0.13"]


@pytest.mark.parametrize(
    "path",
    [
        "nothing/",
        "nothing/events/",
        "nothing/events.csv",
        "nothing/ledger.csv",
        "nothing/event/?id=call-1",
        "sms/event/?id=x",
        "outbound/event/?id=%00",
    ],
)
def test_an_unknown_type_is_not_found(them, path: str) -> None:
    page(them.owner, f"/billing/credits/{path}", 404)


def test_another_accounts_things_are_not_found(them) -> None:
    transfer = re.search(r"/transfers/[^/]+/", page(them.owner, "/billing/credits/outbound/"))[0]
    page(them.stranger, f"/billing/credits/outbound{transfer}", 404)
    page(them.stranger, "/billing/credits/outbound/event/?id=call-1", 404)
    assert "call-1" not in page(them.stranger, "/billing/credits/outbound/events/")
    assert "777" not in page(them.owner) + page(them.owner, "/billing/credits/outbound/")


def test_the_wallet_shows_every_movement_with_before_and_after(them) -> None:
    rows = table(page(them.owner, "/billing/credits/outbound/"), "Ledger of Outbound")
    assert rows[0] == ["Time", "Entry", "Amount", "Before", "After"]
    assert [row[1:] for row in rows[1:]] == [
        ["Usage 1 event", "−$0.0132", "$100.0000", "$99.9868"],
        ["Adjustment for a test · by Tollbook", "+$100.0000", "$0.0000", "$100.0000"],
    ]


def test_holds_stand_in_the_ledger_as_held(them) -> None:
    reserve(them.northwind, "call/2 & more", [Item("outbound", Decimal(60))])
    html = page(them.owner, "/billing/credits/outbound/?kind=hold")
    assert table(html, "Ledger of Outbound")[1][1:] == [
        "Held for call/2 & more",
        "+$0.012 held",
        "$0.000 held",
        "$0.012 held",
    ]
    assert "?id=call%2F2+%26+more" not in html, "it has not become an event yet"
    record(them.northwind.id, [call("call/2 & more")])
    assert "?id=call%2F2+%26+more" in page(them.owner, "/billing/credits/outbound/?kind=hold")


def test_a_ledger_row_opens_its_events_and_an_event_its_arithmetic(them) -> None:
    client = signed_in(them.owner)
    html = client.get("/billing/credits/outbound/").content.decode()
    transfer = client.get(re.search(r'"(/billing/credits/outbound/transfers/[^"]+)">Usage', html)[1]).content.decode()
    assert "1 event in this debit" in transfer
    assert "wallet:outbound:paid $0.0132 revenue:usage $0.0132" in words(transfer)
    assert table(transfer)[1][4:] == ["1 min 01 s", "1 min 06 s", "1.20", "$0.0132"]
    opened = client.get(unescape(re.search(r'class="event-id" href="([^"]+)"', transfer)[1])).content.decode()
    assert "61 s, billed 66 s (6 s steps) x 1.20 ¢/min = $0.0132" in words(opened)
    assert "Recomputed just now from the raw quantity and the rate below: the same." in words(opened)


def test_an_event_whose_id_holds_any_character_can_be_opened(them) -> None:
    for id in ("a/b?c=d&e#f", "..", "100 %", "<b>&amp;"):
        record(them.northwind.id, [call(id)])
        response = signed_in(them.owner).get("/billing/credits/outbound/event/", {"id": id})
        assert response.status_code == 200 and id in words(response.content.decode())


def test_an_event_and_its_correction_lead_to_each_other(them) -> None:
    asked = Reversal("back-1", "call-1", NOW, Decimal(31), reason="dropped", actor="API key switch")
    assert reverse(them.northwind.id, asked).state == NEW
    original = words(page(them.owner, "/billing/credits/outbound/event/?id=call-1"))
    assert "Corrected −$0.0072 by back-1" in original and "dropped (by API key switch)" in original
    html = page(them.owner, "/billing/credits/outbound/event/?id=back-1")
    assert "61 s cost $0.0132, 30 s cost $0.006: −$0.0072" in words(html)
    assert "Recomputed just now from the raw quantity and the rate below: the same." in words(html)
    assert "Takes back call-1 : dropped" in words(html) and "event/?id=call-1" in html
    row = table(page(them.owner, "/billing/credits/outbound/"), "Ledger of Outbound")[1]
    assert row[1:3] == ["Usage corrected of call-1: dropped · by API key switch", "+$0.0072"]


def test_attributes_are_shown_as_text(them) -> None:
    record(them.northwind.id, [call("x", attributes={"<i>": "<script>alert(1)</script>", "n": {"a": [1, None]}})])
    html = page(them.owner, "/billing/credits/outbound/event/?id=x")
    assert "<script>alert" not in html and "<i>" not in html
    assert '{"a": [1, null]}' in words(html)


def test_typing_an_events_id_leads_to_it_and_a_number_to_its_events(them) -> None:
    client = signed_in(them.owner)
    found = client.get("/billing/credits/outbound/events/", {"text": "call-1"})
    assert found.status_code == 302 and found["Location"].endswith("/event/?id=call-1")
    assert "call-1" in client.get("/billing/credits/outbound/events/", {"text": "12125550100"}).content.decode()
    assert "No event fits" in client.get("/billing/credits/outbound/events/", {"text": "999"}).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "?kind=nonsense",
        "?first=yesterday&last=2026-99-99",
        "?last=9999-12-31&first=0001-01-01",
        "?first=2026-12-01&last=2026-01-01",
        "?text=1&last=0001-01-01",
        "?text=%00&first=%00",
    ],
)
def test_a_filter_that_makes_no_sense_breaks_nothing(them, query: str) -> None:
    for path in ("", "ledger.csv", "events/", "events.csv"):
        page(them.owner, f"/billing/credits/outbound/{path}{query}")


@pytest.mark.parametrize("key", ["older", "newer"])
def test_a_made_up_place_in_the_record_is_refused(them, key: str) -> None:
    for path in ("", "events/"):
        for nonsense in ("nonsense", "2026-11-03T12:00:00%2B00:00_%00"):
            page(them.owner, f"/billing/credits/outbound/{path}?{key}={nonsense}", 400)


def test_pages_of_the_ledger_go_back_and_forth_and_keep_the_filter(them) -> None:
    for index in range(60):
        record(them.northwind.id, [call(f"more-{index}", 6)])
    client = signed_in(them.owner)
    first = client.get("/billing/credits/outbound/?kind=usage").content.decode()
    older = unescape(re.search(r'rel="next" href="([^"#]+)', first)[1])
    assert "kind=usage" in older
    second = client.get(f"/billing/credits/outbound/{older}").content.decode()
    assert len(table(second, "Ledger of Outbound")) == 1 + 11 and 'rel="next"' not in second
    newer = unescape(re.search(r'rel="prev" href="([^"#]+)', second)[1])
    assert table(client.get(f"/billing/credits/outbound/{newer}").content.decode(), "Ledger of") == table(
        first, "Ledger of"
    )


def downloaded(client: Client, path: str) -> list[dict[str, str]]:
    response = client.get(path)
    assert response["Content-Type"].startswith("text/csv") and "attachment" in response["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_the_ledger_as_a_file_has_every_row_exactly(them) -> None:
    reserve(them.northwind, "=1+1", [Item("outbound", Decimal(60))])
    rows = downloaded(signed_in(them.owner), "/billing/credits/outbound/ledger.csv")
    assert [
        (row["Entry"], row["Amount"], row["Balance before"], row["Balance after"], row["Held after"]) for row in rows
    ] == [
        ("Held", "", "", "", "0.012000"),
        ("Usage", "-0.013200", "100.000000", "99.986800", ""),
        ("Adjustment", "100.000000", "0.000000", "100.000000", ""),
    ]
    assert rows[0]["Reference"] == "'=1+1"


def test_the_events_as_a_file_are_safe_to_open_in_a_spreadsheet(them) -> None:
    record(them.northwind.id, [call("=cmd|' /C calc'!A0")])
    rows = downloaded(signed_in(them.owner), "/billing/credits/outbound/events.csv")
    assert {row["Id"] for row in rows} == {"call-1", "'=cmd|' /C calc'!A0"}
    assert {(row["Quantity"], row["Billed quantity"], row["Cost"]) for row in rows} == {
        ("61.000000", "66.000000", "0.013200")
    }


def test_a_file_keeps_the_filter_of_its_page(them) -> None:
    client = signed_in(them.owner)
    html = client.get("/billing/credits/outbound/?kind=usage").content.decode()
    path = unescape(re.search(r'href="([^"]+ledger.csv[^"]*)"', html)[1])
    assert [row["Entry"] for row in downloaded(client, path)] == ["Usage"]


def test_the_rate_card_lists_rates_and_rates_a_number(them) -> None:
    a_rate(cents="5", prefix="49", initial=60, step=60, connect_fee=Decimal("0.01"), description="Germany")
    set_rate(NewRate("outbound", Decimal("0.9"), NOW - timedelta(days=1), "1", "Agreed"), SYSTEM, them.northwind.id)
    html = page(them.owner, "/billing/credits/rates/")
    assert [row[0] for row in table(html)[1:]] == ["–", "+1", "+49"]
    assert "Your rate" in html
    html = page(them.owner, "/billing/credits/rates/?type=outbound&number=%2B49+30-123&quantity=61")
    assert "61 s, billed 120 s (60 s steps) x 5.00 ¢/min + $0.01 connection fee = $0.11" in words(html)
    assert "Your rate" not in page(them.stranger, "/billing/credits/rates/")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=sms&number=4930", "There is no rate for SMS Credit to 4930: it would be refused, not charged."),
        ("type=outbound&number=call+me", "Write the number with its country code"),
        ("type=outbound&number=1&quantity=-5", "Write a quantity of 0 or more."),
        ("type=outbound&number=1&quantity=lots", "Enter a number."),
        ("type=nonsense&rows=x&page=y", "Outbound Minutes"),
    ],
)
def test_what_can_not_be_rated_is_explained(them, query: str, expected: str) -> None:
    assert expected in words(page(them.owner, f"/billing/credits/rates/?{query}"))


def test_a_transfer_of_another_wallet_is_not_found_under_this_one(them) -> None:
    transfer = re.search(r"/transfers/[^/]+/", page(them.owner, "/billing/credits/outbound/"))[0]
    page(them.owner, f"/billing/credits/sms{transfer}", 404)
    page(them.owner, f"/billing/credits/outbound/transfers/{new_id()}/", 404)


def test_the_stream_answers_all_rows_even_without_its_server(them) -> None:
    response = signed_in(them.owner).get("/billing/credits/stream")
    assert response["Content-Type"].startswith("text/event-stream")
    assert response.content.startswith(b"event: gauges\ndata: {") and response.content.count(b'"type":') == 7
