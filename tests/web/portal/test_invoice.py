"""One invoice: its page, its PDF, its lines; and that another account's is not there at all."""

import csv
import hashlib
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client

from tests.databases import Database
from tests.invoicing.papers import issued, line
from tests.people import People, grant, people
from tests.web.portal.reading import links, read, table
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import give_up
from tollbook.invoicing.issue import DraftLine
from tollbook.invoicing.settle import settle
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.payments.receive import receive
from tollbook.postgres.ids import new_id
from tollbook.wallets.credit import fund
from tollbook.wallets.wallet import lock, open_wallets

pytestmark = pytest.mark.usefixtures("static_files")

SEATS = DraftLine("Agent seats", "Monthly fee", Decimal(40), Decimal("24.995"), Decimal("999.80"), "revenue:recurring")
EVIL = DraftLine('=HYPERLINK("x")', "<b>bold</b>", Decimal("0.5"), Decimal(10), Decimal("5.00"), "revenue:recurring")


@pytest.fixture
def them(db: Database) -> People:
    return people()


@pytest.fixture
def owner(client: Client, them: People) -> Client:
    client.force_login(them.owner)
    return client


OWNER = "owner@northwind.example"


def pay(account: Account, invoice: Invoice, amount: str, of: str | None = None) -> None:
    """A card payment, applied to the invoice as far as `amount` goes."""
    with transaction.atomic():
        reference, gave = f"ch_{new_id()}", Decimal(of or amount)
        payment = receive(account.id, "simulated", reference, gave, "USD", "Visa •• 4242", OWNER)
        settle(account.id, invoice.id, payment.id, Decimal(amount))


def a_refill(account: Account) -> Invoice:
    """$500.00 of Outbound Minutes, bought and invoiced."""
    open_wallets(account)
    cause = str(new_id())
    bought = DraftLine(
        "Outbound Minutes", "Prepaid credit", Decimal(1), Decimal(500), Decimal(500), "wallet:outbound:paid"
    )
    with transaction.atomic():
        fund(account.id, lock(account.id, ["outbound"])["outbound"], Decimal(500), cause, "Refill", "Automatic refill")
        invoice = issued(
            account,
            bought,
            kind=InvoiceKind.REFILL,
            cause=cause,
            payment_note="Paid by Visa ending 4242",
            actor="Automatic refill",
        )
        pay(account, invoice, "500")
    return invoice


def day(value: date) -> str:
    return f"{value:%b} {value.day}, {value.year}"


def test_the_page_tells_what_it_is_for_and_what_is_owed(owner: Client, them: People) -> None:
    today = today_in(them.northwind)
    invoice = issued(them.northwind, SEATS, line("149.00"), issued_on=today, actor="Tollbook")
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert (
        page.one("h1").text == f"Invoice {invoice.number}"
        and "Posted" in page.one("header", **{"class": "page-head"}).text
    )
    assert f"$1,148.80 is due on {day(today + timedelta(days=14))}." in page.text
    lines = table(page, "Lines of the invoice")
    assert lines.header == ["Description", "Quantity", "Price", "Amount"]
    assert lines.rows == [
        ["Agent seats Monthly fee", "40", "$24.995", "$999.80"],
        ["Agent seats Monthly fee", "1", "$149.00", "$149.00"],
    ]
    assert lines.footer == ["Total $1,148.80", "Balance $1,148.80"]
    assert "No payments yet." in page.text
    assert f"Issued {day(today)} by Tollbook" in page.text


@pytest.mark.parametrize(
    ("age", "status", "sentence"),
    [
        (13, "Posted", "$10.00 is due on {due}."),
        (14, "Unpaid", "$10.00 was due on {due} and will be overdue from {overdue}."),
        (21, "Unpaid", "$10.00 was due on {due} and will be overdue from {overdue}."),
        (22, "Overdue", "$10.00 was due on {due} and is overdue since {overdue}."),
    ],
)
def test_its_state_is_a_pill_and_a_sentence(owner: Client, them: People, age: int, status: str, sentence: str) -> None:
    issued_on = today_in(them.northwind) - timedelta(days=age)
    invoice = issued(them.northwind, issued_on=issued_on)
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert status in page.one("header", **{"class": "page-head"}).text
    days = {"due": day(issued_on + timedelta(days=14)), "overdue": day(issued_on + timedelta(days=22))}
    assert sentence.format(**days) in page.text


def test_an_invoice_that_was_given_up_is_not_called_paid(owner: Client, them: People) -> None:
    invoice = issued(them.northwind)
    give_up(them.northwind, invoice.number, "Bankrupt", SYSTEM)
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert "Written off" in page.one("header", **{"class": "page-head"}).text
    assert f"$10.00 was written off on {day(today_in(them.northwind))}; nothing is owed." in page.text
    listed = read(owner.get("/billing/invoices/?status=written_off"))
    assert "Written off" in listed.text and invoice.number in listed.text
    assert invoice.number not in owner.get("/billing/invoices.csv?status=paid").getvalue().decode()
    assert "Written off" in owner.get("/billing/invoices.csv").getvalue().decode()


def test_parties_are_those_that_the_paper_prints(owner: Client, them: People) -> None:
    account = them.northwind
    account.legal_name, account.address, account.tax_id = (
        "Northwind, Inc.",
        "1 Pike Street\nSeattle, WA 98101",
        "91-1234567",
    )
    account.po_number = "PO-118"
    account.save()
    invoice = issued(account)
    account.address = "Moved away"
    account.save()
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    seller, buyer = (address.text for address in page.all("address"))
    assert seller.startswith("Tollbook")
    assert buyer == "Northwind Northwind, Inc. 1 Pike Street Seattle, WA 98101 United States Tax ID 91-1234567"
    assert "PO number PO-118" in page.text


def test_payments_tell_who_and_when_and_add_up(owner: Client, them: People) -> None:
    invoice = issued(them.northwind, line("100.00"), issued_on=today_in(them.northwind))
    pay(them.northwind, invoice, "30.00")
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert "$70.00 of $100.00 is due" in page.text
    assert table(page, "Lines of the invoice").footer == ["Total $100.00", "Paid $30.00", "Balance $70.00"]
    pay(them.northwind, invoice, "70.00", of="90.00")
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert f"Paid in full on {day(today_in(them.northwind))}." in page.text
    paid = table(page, "Payments of this invoice")
    assert paid.header == ["Received", "Paid with", "Reference", "Recorded by", "Applied", "Amount"]
    assert [(row[1], row[3], row[5]) for row in paid.rows] == [
        ("Visa •• 4242", "owner@northwind.example", "$30.00"),
        ("Visa •• 4242", "owner@northwind.example", "$70.00 of $90.00"),
    ]


def test_the_books_behind_it_stand_twice(owner: Client, them: People) -> None:
    setup = DraftLine("Onboarding", "", Decimal(1), Decimal(50), Decimal(50), "revenue:setup")
    invoice = issued(them.northwind, line("100.00"), setup, actor="Tollbook")
    pay(them.northwind, invoice, "150.00")
    books = table(read(owner.get(f"/billing/invoices/{invoice.number}/")), "Ledger entries behind this invoice")
    assert books.header == ["Posted", "What", "Account", "Debit", "Credit"]
    assert [row[1:] for row in books.rows] == [
        ["Invoice issued by Tollbook", "receivable", "$150.00", ""],
        ["", "revenue:setup", "", "$50.00"],
        ["", "revenue:recurring", "", "$100.00"],
        ["Payment received by owner@northwind.example", "cash:simulated", "$150.00", ""],
        ["", "clearing:simulated", "", "$150.00"],
        ["Payment applied", "clearing:simulated", "$150.00", ""],
        ["", "receivable", "", "$150.00"],
    ]


def test_a_refill_leads_to_its_wallet_and_its_credit(owner: Client, client: Client, them: People) -> None:
    invoice = a_refill(them.northwind)
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert links(page)["Outbound Minutes"] == "/billing/credits/outbound/"
    assert owner.get(links(page)["Credit added"]).status_code == 200
    books = table(page, "Ledger entries behind this invoice")
    assert ["Credit added by Automatic refill", "receivable", "$500.00", ""] in [row[1:] for row in books.rows]
    grant(them.owner, them.admin, invoices="r")
    client.force_login(them.admin)
    page = read(client.get(f"/billing/invoices/{invoice.number}/"))
    assert "Refill Outbound Minutes" in page.text
    assert not {"Outbound Minutes", "Credit added"} & links(page).keys()


def test_an_invoice_of_nothing_is_paid_at_birth(owner: Client, them: People) -> None:
    invoice = issued(them.northwind, line("0.00"))
    page = read(owner.get(f"/billing/invoices/{invoice.number}/"))
    assert "There was nothing to pay." in page.text and "This invoice came to zero" in page.text


def test_the_ones_before_and_after_are_the_accounts_own(owner: Client, them: People) -> None:
    first, _, second = issued(them.northwind), issued(them.contoso), issued(them.northwind)
    assert links(read(owner.get(f"/billing/invoices/{first.number}/")))[f"Next invoice, {second.number}"]
    page = links(read(owner.get(f"/billing/invoices/{second.number}/")))
    assert page[f"Previous invoice, {first.number}"] == f"/billing/invoices/{first.number}/"
    assert not [name for name in page if name.startswith("Next invoice")]


def test_what_people_named_things_is_text_not_markup(owner: Client, them: People) -> None:
    invoice = issued(them.northwind, EVIL)
    response = owner.get(f"/billing/invoices/{invoice.number}/")
    assert b"<b>bold</b>" not in response.content and "<b>bold</b>" in read(response).text


def test_the_pdf_is_the_same_bytes_at_every_download(owner: Client, them: People) -> None:
    invoice = issued(them.northwind)
    first, second = (owner.get(f"/billing/invoices/{invoice.number}.pdf") for _ in range(2))
    assert first["Content-Type"] == "application/pdf" and first.content.startswith(b"%PDF-")
    assert first["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert first["ETag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    pay(them.northwind, invoice, "10.00")
    assert second.content == first.content == owner.get(f"/billing/invoices/{invoice.number}.pdf").content


def test_who_has_the_pdf_already_is_told_so(owner: Client, them: People) -> None:
    path = f"/billing/invoices/{issued(them.northwind).number}.pdf"
    etag = owner.get(path)["ETag"]
    again = owner.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 304 and not again.content
    assert owner.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_lines_are_a_csv_that_a_spreadsheet_runs_nothing_of(owner: Client, them: People) -> None:
    invoice = issued(them.northwind, SEATS, EVIL)
    response = owner.get(f"/billing/invoices/{invoice.number}.csv")
    assert response["Content-Disposition"] == f'attachment; filename="{invoice.number}.csv"'
    assert list(csv.reader(io.StringIO(b"".join(response).decode(), newline=""))) == [
        ["Description", "Detail", "Quantity", "Unit Price", "Amount", "Currency"],
        ["Agent seats", "Monthly fee", "40", "24.995", "999.80", "USD"],
        ['\'=HYPERLINK("x")', "<b>bold</b>", "0.5", "10.00", "5.00", "USD"],
    ]


@pytest.mark.parametrize("form", ["/", ".pdf", ".csv"])
def test_another_accounts_invoice_is_not_there(owner: Client, client: Client, them: People, form: str) -> None:
    """getlago/lago#371, faveo-helpdesk#3685, Dolibarr#38947: a document was fetched by guessing its number."""
    foreign = issued(them.contoso).number
    assert owner.get(f"/billing/invoices/{foreign}{form}").status_code == 404
    assert owner.get(f"/billing/invoices/INV-999999{form}").status_code == 404
    client.force_login(them.stranger)
    assert client.get(f"/billing/invoices/{foreign}{form}").status_code == 200


@pytest.mark.parametrize("form", ["/", ".pdf", ".csv"])
def test_without_the_right_there_is_neither_page_nor_file(client: Client, them: People, form: str) -> None:
    own = issued(them.northwind).number
    client.force_login(them.admin)
    grant(them.owner, them.admin, subscriptions="rw", credits="rw", payments="rw")
    assert client.get(f"/billing/invoices/{own}{form}").status_code == 403
    client.logout()
    assert client.get(f"/billing/invoices/{own}{form}")["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("number", ["%00", "INV-1%00", "..", "INV 1", "INV-1.exe", "é", "x" * 41, "'", "%2e%2e%2fetc"])
def test_what_is_no_number_is_not_there(owner: Client, number: str) -> None:
    for form in ("/", ".pdf", ".csv"):
        assert owner.get(f"/billing/invoices/{number}{form}").status_code == 404
