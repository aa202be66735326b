"""Where it goes, and the statement: what the pages and their files say, to whom, and that it adds up."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.cast import a_rate, funded
from tests.people import People, grant, people
from tests.web.portal.test_credits import page, table, words
from tollbook.usage import fold
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reverse import Reversal, reverse
from tollbook.wallets.wallet import open_wallets

NOW = datetime.now(UTC)
WHERE, STATEMENT = "/billing/usage/", "/billing/statement/"


def call(id: str, seconds: int, to: str = "+12125550100", **attributes: str) -> Event:
    return Event(id, "outbound", Decimal(seconds), NOW - timedelta(minutes=1), to=to, attributes=attributes)


@pytest.fixture
def them(db, static_files) -> People:
    """Northwind spent a third of a cent too little to be even on each of three campaigns; Contoso spent too."""
    them = people()
    for account in (them.northwind, them.contoso):
        open_wallets(account)
    a_rate(cents="100", initial=1, step=1)
    funded(them.northwind)
    calls = [
        call("a", 2, campaign="Spring"),
        call("b", 2, campaign="Autumn", agent="Ann"),
        call("c", 2, "+442079460000"),
    ]
    record(them.northwind.id, calls)
    record(them.contoso.id, [call("x", 7777, campaign="Secret")])
    return them


@pytest.mark.parametrize("folded", [False, True])
def test_cost_by_campaign_agent_and_country_adds_up_to_the_printed_total(them: People, folded: bool) -> None:
    if folded:
        fold.fold_waiting()
    rows = table(page(them.owner, WHERE), "Cost by campaign")
    assert rows[0] == ["Campaign", "Drawn", "Events", "Cost", "Share"]
    assert [row[0] for row in rows[1:]] == ["No campaign", "Autumn", "Spring", "All"]
    assert [row[3] for row in rows[1:]] == ["$0.04", "$0.03", "$0.03", "$0.10"], "3.3333 cents each"
    assert {row[4] for row in rows[1:4]} == {"33 %"}
    assert [row[0] for row in table(page(them.owner, WHERE + "?by=agent"), "Cost by agent")[1:]] == [
        "No agent",
        "Ann",
        "All",
    ]
    html = page(them.owner, WHERE + "?by=country&type=outbound")
    assert [row[0] for row in table(html, "Cost by country")[1:]] == ["United States", "United Kingdom", "All"]
    assert table(html, "Cost by country")[1][3] == "4 s"
    assert "$0.10 in all; most for United States: $0.07, 67 %." in words(html)
    assert "Secret" not in page(them.owner, WHERE)


def test_its_file_has_days_and_exact_costs(them: People) -> None:
    rows = list(csv.DictReader(io.StringIO(page(them.owner, "/billing/usage.csv?by=country"))))
    assert [(row["Country"], row["Events"], row["Cost"]) for row in rows] == [
        ("US", "2", "0.066666"),
        ("GB", "1", "0.033333"),
    ]


def test_corrections_lower_it_below_zero_if_need_be(them: People) -> None:
    reverse(them.northwind.id, Reversal("r", "a", NOW))
    html = page(them.owner, WHERE)
    assert table(html, "Cost by campaign")[-2][:4] == ["Spring", "", "2", "$0.00"]


def test_the_statement_adds_up_and_names_every_movement(them: People) -> None:
    reverse(them.northwind.id, Reversal("r", "a", NOW))
    html = page(them.owner, STATEMENT)
    rows = table(html, "Statement by type")
    assert rows[0][1:] == ["Opening", "Refills", "Usage", "Usage corrected", "Adjustments", "Closing"]
    assert rows[-1] == ["All types", "$0.000000", "$0.000000", "−$0.099999", "$0.033333", "$100.000000", "$99.933334"]
    lines = table(html, "Outbound Minutes, day by day")
    assert [line[1:3] for line in lines[1:]] == [
        ["Opening balance", ""],
        ["Adjustment for a test · by Tollbook", "+$100.000000"],
        ["Usage corrected 1 event", "+$0.033333"],
        ["Usage", "−$0.099999"],
        ["Closing balance", ""],
    ]
    rows = list(csv.DictReader(io.StringIO(page(them.owner, "/billing/statement.csv"))))
    mine = [row for row in rows if row["Type"] == "Outbound Minutes"]
    assert sum(Decimal(row["Amount"]) for row in mine[:-1]) == Decimal(mine[-1]["Amount"]) == Decimal("99.933334")


@pytest.mark.parametrize("path", [WHERE, STATEMENT])
def test_days_that_make_no_sense_are_explained_or_ignored(them: People, path: str) -> None:
    assert "Nothing was used" in page(them.owner, WHERE + "?first=2020-01-01&last=2020-02-01")
    for asked in ("?first=2026-02-02&last=2026-02-01", "?first=0001-01-01", "?last=9999-12-31", "?first=x&by=x&type=x"):
        page(them.owner, path + asked)


@pytest.mark.parametrize("path", [WHERE, STATEMENT, "/billing/usage.csv", "/billing/statement.csv"])
def test_only_who_may_read_credits_sees_them(them: People, path: str) -> None:
    page(them.admin, path, 403)
    grant(them.owner, them.admin, credits="r")
    page(them.admin, path)
