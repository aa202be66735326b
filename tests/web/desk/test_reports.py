"""Reports at the desk: the figures, the files behind them, and forms that keep what was typed."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import funded
from tests.invoicing.test_deferral import deferred
from tests.payments.till import Till
from tests.web.desk.conftest import Desk
from tollbook.accounts.tables import Account
from tollbook.invoicing.deferral import recognise_due

TODAY = datetime.now(UTC).date()
PERIOD = {"since": TODAY.isoformat(), "until": TODAY.isoformat()}
PAGES = ("credit", "revenue", "aging", "journal")


def rows(desk: Desk, path: str, **query: str) -> list[dict[str, str]]:
    """A file as a spreadsheet reads it."""
    response = desk.get(path, **query)
    assert response.status_code == 200 and response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_prepaid_credit_is_rolled_forward_and_downloaded(desk: Desk, northwind: Account) -> None:
    funded(northwind, "sms", "7.123456")
    page = desk.read("/desk/reports/credit/", **PERIOD)
    assert "Bought credit, USD" in page and "$7.123456" in page and "disagree" not in page
    told = rows(desk, "/desk/reports/credit.csv", **PERIOD)
    [sms] = [row for row in told if (row["credit_type"], row["purse"]) == ("sms", "paid")]
    assert (sms["account"], Decimal(sms["closing"])) == (northwind.slug, Decimal("7.123456"))


def test_deferred_revenue_is_told_by_day_and_by_month_to_come(desk: Desk, northwind: Account) -> None:
    deferred(northwind, "40.00", since=0, days=40)
    recognise_due()
    page = desk.read("/desk/reports/revenue/", **PERIOD)
    assert "$39.00" in page and "−$1.00" in page and "Still to be earned" in page
    [row] = rows(desk, "/desk/reports/revenue.csv", **PERIOD)
    assert [Decimal(row[name]) for name in ("deferred", "earned", "closing")] == [40, -1, 39]


def test_what_is_owed_is_aged_and_opens_down_to_the_invoice(desk: Desk, db) -> None:
    till = Till(db)
    invoice = till.invoice("80.00", days_ago=60)
    page = desk.read("/desk/reports/aging/")
    assert "31-60 days" in page and "$80.00" in page
    assert invoice.number in desk.read("/desk/reports/aging/", account="northwind")
    [row] = rows(desk, "/desk/reports/aging.csv")
    assert (row["invoice"], row["bucket"]) == (invoice.number, "31-60 days")


@pytest.mark.parametrize(
    ("layout", "column"), [("days", "journal_id"), ("quickbooks", "Journal No"), ("xero", "*Narration")]
)
def test_the_journal_is_shown_and_comes_in_every_layout(desk: Desk, northwind: Account, layout: str, column: str) -> None:
    funded(northwind, "sms", "7.50")
    name = f"TB-{TODAY:%Y%m%d}-USD"
    assert name in desk.read("/desk/reports/journal/", layout=layout, **PERIOD)
    assert name in rows(desk, "/desk/reports/journal.csv", layout=layout, **PERIOD)[0][column]
    assert len(rows(desk, "/desk/reports/journal.csv", layout="entries", **PERIOD)) == 2


@pytest.mark.parametrize("page", PAGES)
def test_what_can_t_be_reported_is_said_beside_the_form(desk: Desk, page: str) -> None:
    assert desk.get(f"/desk/reports/{page}/", account="nobody").status_code == 400
    assert desk.get(f"/desk/reports/{page}.csv", account="nobody").status_code == 400
    if page != "aging":
        wrong = desk.get(f"/desk/reports/{page}/", since="2026-11-02", until="2026-11-01")
        assert wrong.status_code == 400 and "The period ends after it begins" in wrong.content.decode()
    assert page in ("credit", "revenue", "aging", "journal") and page in desk.get("/desk/reports/").content.decode()
