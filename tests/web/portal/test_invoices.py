"""Invoice History as its readers see it, against a recomputation that shares nothing with the code under test."""

import csv
import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from tests.databases import Database
from tests.invoicing.papers import issued
from tests.many_invoices import Loaded, load
from tests.people import People, grant, people
from tests.web.portal.reading import Element, links, read, table
from tollbook.accounts.account import today_in
from tollbook.web import workbooks

pytestmark = pytest.mark.usefixtures("static_files")

COLUMNS = ["Invoice Number", "Amount", "Balance", "Status", "Invoice Date", "Action"]
STATUSES = ["Paid", "Written off", "Posted", "Unpaid", "Overdue"]


@pytest.fixture
def them(db: Database) -> People:
    return people()


@pytest.fixture
def made(db: Database, them: People) -> list[Loaded]:
    """132 invoices of five years, a third of them not paid."""
    return load(db, them.northwind, 132, until=today_in(them.northwind), open_share=0.35)


@pytest.fixture
def recent(db: Database, them: People) -> list[Loaded]:
    """As many invoices that most of them were issued lately, so that every status occurs."""
    return load(db, them.northwind, 2_000, until=today_in(them.northwind), open_share=0.5)


@pytest.fixture
def owner(client: Client, them: People) -> Client:
    client.force_login(them.owner)
    return client


def status(one: Loaded, today: date) -> str:
    if one.balance == 0:
        return "Written off" if one.written_off else "Paid"
    if today < one.due_on:
        return "Posted"
    return "Unpaid" if today <= one.grace_until_on else "Overdue"


def usd(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def day(value: date) -> str:
    return f"{value:%b} {value.day}, {value.year}"


def in_words(one: Loaded, today: date) -> list[str]:
    return [one.number, usd(one.total), usd(one.balance), status(one, today), day(one.issued_on)]


def shown(page: Element) -> list[list[str]]:
    """The rows of the table, without the icons."""
    return [row[:-1] for row in table(page, "Invoices").rows]


def all_pages(client: Client, address: str) -> list[list[str]]:
    """The rows of this page and of every page that its pager leads to."""
    rows: list[list[str]] = []
    while address:
        page = read(client.get(address))
        rows += shown(page)
        following = links(page).get("Next page")
        address = f"/billing/invoices/{following}" if following else ""
    return rows


def downloaded(client: Client, address: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(client.get(address)).decode(), newline="")))


# Filters as they stand in the address, and the same in plain Python.
FILTERS: dict[str, Callable[[Loaded, date], bool]] = {
    "": lambda one, today: True,
    "status=overdue": lambda one, today: status(one, today) == "Overdue",
    "status=posted&status=unpaid": lambda one, today: status(one, today) in ("Posted", "Unpaid"),
    "status=paid&from=2024-01-01&to=2025-12-31": lambda one, today: (
        status(one, today) == "Paid" and date(2024, 1, 1) <= one.issued_on <= date(2025, 12, 31)
    ),
    "number=01": lambda one, today: "01" in one.number,
    "number=inv-0000&status=overdue&status=paid&to=2026-06-30": lambda one, today: (
        "INV-0000" in one.number and status(one, today) in ("Overdue", "Paid") and one.issued_on <= date(2026, 6, 30)
    ),
}
PRESSING = ["Overdue", "Unpaid", "Posted", "Written off", "Paid"]
SORTS: dict[str, Callable[[list[Loaded], date], list[Loaded]]] = {
    "": lambda rows, today: sorted(rows, key=lambda one: (one.issued_on, one.sequence), reverse=True),
    "date": lambda rows, today: sorted(rows, key=lambda one: (one.issued_on, one.sequence)),
    "number": lambda rows, today: sorted(rows, key=lambda one: one.sequence),
    "-amount": lambda rows, today: sorted(rows, key=lambda one: (one.total, one.sequence), reverse=True),
    "balance": lambda rows, today: sorted(rows, key=lambda one: (one.balance, one.sequence)),
    "status": lambda rows, today: sorted(
        sorted(rows, key=lambda one: (one.issued_on, one.sequence), reverse=True),
        key=lambda one: PRESSING.index(status(one, today)),
    ),
}


def test_the_columns_and_words_are_those_of_the_contract(owner: Client, made: list[Loaded], them: People) -> None:
    page = read(owner.get("/billing/invoices/"))
    assert table(page, "Invoices").header == COLUMNS
    assert [row.text for row in page.all("h1")] == ["Billing"]
    today = today_in(them.northwind)
    newest = sorted(made, key=lambda one: one.sequence, reverse=True)[:25]
    assert shown(page) == [in_words(one, today) for one in newest]


def test_every_row_has_its_page_and_its_download_with_a_name(owner: Client, made: list[Loaded]) -> None:
    found = links(read(owner.get("/billing/invoices/")))
    assert found["INV-000132"] == "/billing/invoices/INV-000132/"
    assert found["Download invoice INV-000132 as PDF"] == "/billing/invoices/INV-000132.pdf"


def test_the_pager_counts_and_leads_on_and_back(owner: Client, made: list[Loaded]) -> None:
    pager = read(owner.get("/billing/invoices/?page=2")).one("nav", **{"aria-label": "Pages"})
    assert "26-50 of 132" in pager.text
    assert links(pager)["Previous page"] == "?page=1" and links(pager)["Next page"] == "?page=3"
    assert {links(pager)[f"Show {size} rows"] for size in (25, 50, 100)} == {"?rows=25", "?rows=50", "?rows=100"}
    first, last = (read(owner.get(f"/billing/invoices/?page={page}")) for page in (1, 6))
    assert "1-25 of 132" in first.text and "Previous page" not in links(first)
    assert "126-132 of 132" in last.text and "Next page" not in links(last)


@pytest.mark.parametrize("order", SORTS)
@pytest.mark.parametrize("filtered", FILTERS)
def test_filter_and_order_survive_paging_and_csv(
    owner: Client, made: list[Loaded], them: People, filtered: str, order: str
) -> None:
    today = today_in(them.northwind)
    wanted = SORTS[order]([one for one in made if FILTERS[filtered](one, today)], today)
    address = f"/billing/invoices/?{filtered}&rows=25" + (f"&sort={order}" if order else "")
    page = read(owner.get(address))
    if wanted:
        assert all_pages(owner, address) == [in_words(one, today) for one in wanted]
    else:
        assert "No invoices match these filters." in page.text
    assert downloaded(owner, links(page)["CSV"])[1:] == [
        [one.number, f"{one.total:.2f}", f"{one.balance:.2f}", status(one, today), one.issued_on.isoformat(), "USD"]
        for one in wanted
    ]


def test_all_five_statuses_are_told_by_word_and_found_by_filter(
    owner: Client, recent: list[Loaded], them: People
) -> None:
    today = today_in(them.northwind)
    for name in STATUSES:
        wanted = [one for one in recent if status(one, today) == name]
        page = read(owner.get(f"/billing/invoices/?status={name.lower().replace(' ', '_')}"))
        assert wanted and f"of {len(wanted):,}" in page.one("nav", **{"aria-label": "Pages"}).text
        assert {row[3] for row in shown(page)} == {name}


def test_every_status_tells_how_many_there_are_under_the_other_filters(
    owner: Client, made: list[Loaded], them: People
) -> None:
    today = today_in(them.northwind)
    form = read(owner.get("/billing/invoices/?status=paid&number=01")).one("form", **{"class": "filters"})
    these = [status(one, today) for one in made if "01" in one.number]
    assert form.one("fieldset").text == "Status " + " ".join(f"{name} {these.count(name)}" for name in STATUSES)


def test_a_column_sorts_both_ways_and_begins_again_at_the_first_page(owner: Client, made: list[Loaded]) -> None:
    page = read(owner.get("/billing/invoices/?status=paid&page=2"))
    found = {name: parse_qs(urlsplit(links(page)[name]).query) for name in COLUMNS[:-1]}
    assert {name: query["sort"] for name, query in found.items()} == {
        "Invoice Number": ["-number"], "Amount": ["-amount"], "Balance": ["-balance"], "Status": ["status"],
        "Invoice Date": ["date"],
    }  # fmt: skip
    assert all(query["status"] == ["paid"] and "page" not in query for query in found.values())
    turned = read(owner.get("/billing/invoices/?sort=-amount"))
    assert links(turned)["Amount"] == "?sort=amount"
    assert [head.attributes.get("aria-sort") for head in turned.one("thead").all("th")][1] == "descending"


def test_what_is_owed_stands_in_the_footer(owner: Client, made: list[Loaded], them: People) -> None:
    today = today_in(them.northwind)
    overdue = sum(status(one, today) == "Overdue" for one in made)
    owed = usd(sum(one.balance for one in made))
    assert table(read(owner.get("/billing/invoices/")), "Invoices").footer == [f"Owed: {owed}, {overdue} overdue"]
    these = [one for one in made if "01" in one.number]
    here = sum(status(one, today) == "Overdue" for one in these)
    assert table(read(owner.get("/billing/invoices/?number=01")), "Invoices").footer == [
        f"Owed on these: {usd(sum(one.balance for one in these))}, {here} overdue",
        f"Owed in all: {owed}, {overdue} overdue",
    ]
    paid = table(read(owner.get("/billing/invoices/?status=paid")), "Invoices").footer
    assert paid == ["Owed on these: $0.00", f"Owed in all: {owed}, {overdue} overdue"]


NONSENSE = [
    "page=abc", "page=0", "page=-1", "page=99999999999999999999", "page=1.5", "page=٣", "sort=drop", "sort=--date", "sort=-",
    "rows=7", "rows=1000000", "rows=abc", "status=nonsense", "status=", "unknown=1&x[]=2", "page=&sort=&rows=",
    "sort=date%00", "page=%00", "status=%00", "rows=%F0%9F%92%A9",
]  # fmt: skip


@pytest.mark.parametrize("query", NONSENSE)
def test_nonsense_in_the_address_is_ignored(owner: Client, made: list[Loaded], query: str) -> None:
    page = read(owner.get(f"/billing/invoices/?{query}", follow=True))
    assert len(shown(page)) == (7 if "99999" in query else 25)
    assert len(downloaded(owner, f"/billing/invoices.csv?{query}")) == 133


@pytest.mark.parametrize(
    ("query", "name", "typed", "sentence"),
    [
        ("from=99", "from", "99", "Write a day like 2026-11-03."),
        ("to=31.12.2025", "to", "31.12.2025", "Write a day like 2026-11-03."),
        ("from=2026-02-30", "from", "2026-02-30", "Write a day like 2026-11-03."),
        ("from=2026-05-02&to=2026-05-01", "to", "2026-05-01", "This day is before the first one."),
        ("number=%00", "number", "\0", "Null characters are not allowed."),
        (f"number={'9' * 41}", "number", "9" * 41, "Ensure this value has at most 40 characters (it has 41)."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(
    owner: Client, made: list[Loaded], query: str, name: str, typed: str, sentence: str
) -> None:
    response = owner.get(f"/billing/invoices/?{query}")
    page = read(response)
    assert response.status_code == 200 and sentence in page.one("form", **{"class": "filters"}).text
    [box] = [box for box in page.all("input") if box.attributes.get("name") == name]
    assert box.attributes["value"] == typed and box.attributes["aria-invalid"] == "true"
    assert box.attributes["type"] != "date", "a date picker shows nothing of what is not a date"
    assert shown(page)


def test_a_filter_that_was_left_empty_leaves_the_address(owner: Client, made: list[Loaded]) -> None:
    assert owner.get("/billing/invoices/?status=paid&from=&to=&number=")["Location"] == "/billing/invoices/?status=paid"
    assert owner.get("/billing/invoices/?from=&to=")["Location"] == "/billing/invoices/"


def test_the_form_keeps_order_and_page_size_and_what_was_chosen(owner: Client, made: list[Loaded]) -> None:
    page = read(
        owner.get("/billing/invoices/?status=paid&status=posted&from=2025-01-01&number=INV&sort=amount&rows=50")
    )
    boxes = [box.attributes for box in page.one("form", **{"class": "filters"}).all("input")]
    kept = {box["name"]: box.get("value", "") for box in boxes if box["type"] in ("hidden", "date", "search")}
    assert kept == {"sort": "amount", "rows": "50", "from": "2025-01-01", "to": "", "number": "INV"}
    assert [box["value"] for box in boxes if "checked" in box] == ["paid", "posted"]
    assert links(page)["Clear"] == "/billing/invoices/?sort=amount&rows=50"


def test_without_any_invoice_the_page_says_when_the_first_comes(owner: Client, them: People) -> None:
    page = read(owner.get("/billing/invoices/"))
    first = day(_next_billing_day(today_in(them.northwind)))
    assert "No invoices yet." in page.text
    assert f"Your first one will appear here after your first refill or billing date, {first}." in page.text
    assert not page.all("table") and not page.all("form")


def _next_billing_day(today: date) -> date:
    """People's accounts are billed on the 31st, or the last day of a shorter month."""
    tomorrow = today + timedelta(days=1)
    return (
        tomorrow.replace(day=28)
        + timedelta(days=4)
        - timedelta(days=(tomorrow.replace(day=28) + timedelta(days=4)).day)
    )


def test_when_nothing_matches_the_filters_can_be_cleared(owner: Client, made: list[Loaded]) -> None:
    page = read(owner.get("/billing/invoices/?number=zzz&sort=amount"))
    assert "No invoices match these filters." in page.text
    assert links(page)["Clear filters"] == "/billing/invoices/?sort=amount"


def test_the_csv_is_a_download_with_a_name(owner: Client, made: list[Loaded], them: People) -> None:
    response = owner.get("/billing/invoices.csv?status=paid")
    assert response.streaming and response["Content-Type"] == "text/csv; charset=utf-8"
    today = today_in(them.northwind).isoformat()
    assert response["Content-Disposition"] == f'attachment; filename="northwind-invoices-{today}.csv"'
    header = next(csv.reader(io.StringIO(b"".join(response).decode())))
    assert header == ["Invoice Number", "Amount", "Balance", "Status", "Invoice Date", "Currency"]


def test_the_excel_file_holds_what_the_csv_holds_as_numbers_and_days(owner: Client, made: list[Loaded]) -> None:
    response = owner.get("/billing/invoices.xlsx?status=paid&sort=amount")
    assert response["Content-Disposition"].endswith('.xlsx"')
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(response))).active
    header, *rows = sheet.iter_rows(values_only=True)
    told = downloaded(owner, "/billing/invoices.csv?status=paid&sort=amount")
    assert list(header) == told[0]
    assert [[row[0], f"{row[1]:.2f}", f"{row[2]:.2f}", row[3], f"{row[4]:%Y-%m-%d}", row[5]] for row in rows] == told[1:]


def test_the_zip_holds_the_pdf_of_each_invoice_that_is_shown_or_picked(owner: Client, them: People) -> None:
    numbers = [issued(them.northwind).number for _ in range(3)]
    response = owner.get("/billing/invoices.zip?sort=number")
    assert response.streaming and response["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as packed:
        assert packed.namelist() == [f"{number}.pdf" for number in numbers]
        assert packed.read(packed.namelist()[0]).startswith(b"%PDF-1.7")
    response = owner.get(f"/billing/invoices.zip?pick={numbers[1]}&pick=INV-999999")
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as packed:
        assert packed.namelist() == [f"{numbers[1]}.pdf"]


def test_the_boxes_of_a_page_pick_invoices_for_the_zip(owner: Client, them: People) -> None:
    """As a form that needs no script: each row names its invoice, the box above the table names all of them."""
    numbers = [issued(them.northwind).number for _ in range(27)][::-1]
    page = read(owner.get("/billing/invoices/?status=posted&status=unpaid&rows=25"))
    form = page.one("form", id="picked")
    hidden = [(one.attributes["name"], one.attributes["value"]) for one in form.all("input", type="hidden")]
    assert hidden == [("of", "picked"), ("back", "status=posted&status=unpaid&rows=25")]
    boxes = [one.attributes for one in page.one("tbody").all("input", type="checkbox")]
    assert [box["value"] for box in boxes] == numbers[:25] and {box["form"] for box in boxes} == {"picked"}
    assert boxes[0]["aria-label"] == f"Select invoice {numbers[0]}"
    [whole] = [one.attributes["value"] for one in form.all("input", type="checkbox")]
    for picks in ([whole], [whole, *numbers[:25]]):
        response = owner.get("/billing/invoices.zip", [*hidden, *(("pick", one) for one in picks)])
        with zipfile.ZipFile(io.BytesIO(b"".join(response))) as packed:
            assert packed.namelist() == [f"{number}.pdf" for number in numbers[:25]]


def test_without_a_tick_the_list_says_so_and_stays_as_it_was(owner: Client, them: People) -> None:
    issued(them.northwind)
    query = "status=posted&status=unpaid&rows=50"
    response = owner.get("/billing/invoices.zip", {"of": "picked", "back": query + "&next=//x.example"}, follow=True)
    assert response.redirect_chain == [(f"/billing/invoices/?{query}", 302)]
    assert "Tick the invoices that you want first." in response.content.decode()


def test_a_picked_invoice_is_in_the_zip_however_many_are_shown_before_it(
    owner: Client, them: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollbook.web.portal.invoices.MOST", 2)
    numbers = [issued(them.northwind).number for _ in range(4)]
    response = owner.get(f"/billing/invoices.zip?sort=number&pick={numbers[0]}&pick={numbers[3]}")
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as packed:
        assert packed.namelist() == [f"{numbers[0]}.pdf", f"{numbers[3]}.pdf"]
    for query in ("", "?" + "&".join(f"pick={number}" for number in numbers[:3])):
        assert owner.get(f"/billing/invoices.zip{query}").status_code == 400


def test_more_rows_than_a_worksheet_holds_are_refused(
    owner: Client, them: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "MOST_ROWS", 2)
    for status in (200, 200, 400):
        issued(them.northwind)
        assert owner.get("/billing/invoices.xlsx").status_code == status


def test_the_zip_comes_in_pieces_under_the_server(owner: Client, them: People) -> None:
    """As ASGI asks for it: each piece from a thread, no connection held between them."""
    for _ in range(3):
        issued(them.northwind)
    client = AsyncClient()
    client.cookies = owner.cookies

    async def pieces() -> list[bytes]:
        response = await client.get("/billing/invoices.zip")
        assert response.is_async
        return [piece async for piece in response]

    def served() -> list[bytes]:
        try:
            return async_to_sync(pieces)()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as a_thread_without_a_loop:
        taken = a_thread_without_a_loop.submit(served).result()
    assert len(taken) == 4
    with zipfile.ZipFile(io.BytesIO(b"".join(taken))) as packed:
        assert packed.testzip() is None and len(packed.namelist()) == 3


@pytest.mark.parametrize("path", ["/billing/invoices/", "/billing/invoices.csv", "/billing/invoices.zip"])
def test_only_those_who_may_read_invoices_see_any(client: Client, them: People, path: str) -> None:
    client.force_login(them.admin)
    grant(them.owner, them.admin, subscriptions="rw", credits="rw", payments="rw")
    assert client.get(path).status_code == 403
    grant(them.owner, them.admin, invoices="r")
    assert client.get(path).status_code == 200


def test_the_strip_above_says_what_is_due_and_leads_to_what_is_overdue(
    owner: Client, made: list[Loaded], them: People
) -> None:
    overdue = sum(status(one, today_in(them.northwind)) == "Overdue" for one in made)
    for path in ("/billing/invoices/", "/billing/subscriptions/"):
        page = read(owner.get(path))
        assert f"Amount due {usd(sum(one.balance for one in made))} {overdue} overdue" in page.one("dl").text
        assert links(page.one("dl"))[f"{overdue} overdue"] == "/billing/invoices/?status=overdue"


def test_another_accounts_invoices_are_not_listed_counted_or_owed(owner: Client, them: People) -> None:
    issued(them.contoso)
    assert "No invoices yet." in read(owner.get("/billing/invoices/")).text
    assert len(downloaded(owner, "/billing/invoices.csv")) == 1
    issued(them.northwind)
    page = read(owner.get("/billing/invoices/"))
    assert len(shown(page)) == 1 and "1-1 of 1" in page.text and "Owed: $10.00" in table(page, "Invoices").footer[0]


def test_a_longer_page_asks_the_database_no_more_often(owner: Client, made: list[Loaded]) -> None:
    def statements(rows: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert len(shown(read(owner.get(f"/billing/invoices/?rows={rows}")))) == rows
        return len(captured)

    assert statements(25) == statements(100) < 25
