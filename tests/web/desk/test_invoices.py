"""Invoices of all accounts, one invoice with its books, and bank transfers."""

from datetime import timedelta

import pytest

from tests.cast import an_account
from tests.payments.test_transfer import an_invoice
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.invoicing.history import Filter, find
from tollbook.invoicing.register import newest
from tollbook.invoicing.status import Status
from tollbook.payments.tables import Payment

HOME = "/desk/accounts/northwind/invoices/INV-000001/"
PAY = f"{HOME}pay/"
PDF = "/desk/accounts/northwind/invoices/INV-000001.pdf"


def test_the_list_shows_all_accounts_newest_first_and_filters(desk: Desk, northwind: Account) -> None:
    contoso = an_account("contoso")
    an_invoice(northwind), an_invoice(contoso), an_invoice(northwind, cause="period:2026-12-01")
    page = desk.read("/desk/invoices/")
    assert page.index("INV-000003") < page.index("INV-000002") < page.index("INV-000001")
    assert "INV-000002" not in desk.read("/desk/invoices/", account="northwind")
    assert "INV-000001" not in desk.read("/desk/invoices/", number="inv-000002")
    assert "No invoices" in desk.read("/desk/invoices/", status="paid")
    assert "INV-000003" in desk.read("/desk/invoices/", status="posted")
    tomorrow = str(today_in(northwind) + timedelta(days=2))
    assert "No invoices" in desk.read("/desk/invoices/", since=tomorrow)
    assert "INV-000001" in desk.read("/desk/invoices/", until=tomorrow, before="2")
    assert "INV-000002" not in desk.read("/desk/invoices/", before="2")


def test_the_register_tells_the_status_as_the_accounts_own_page_does(desk: Desk, northwind: Account) -> None:
    invoice = an_invoice(northwind)
    for status in Status:
        found = [row.number for row in newest(Filter(frozenset({status})))]
        assert (invoice.number in found) == (find(northwind.id, invoice.number).status == status)


def test_the_pages_of_the_list_leave_nothing_out(desk: Desk, northwind: Account) -> None:
    contoso = an_account("contoso")
    for count in range(6):
        an_invoice(northwind if count % 3 else contoso, cause=f"period:2026-0{count + 1}-01")
    seen, before = [], None
    while rows := newest(Filter(), before=before, limit=2):
        seen += [row.sequence for row in rows]
        before = rows[-1].sequence
    assert seen == [6, 5, 4, 3, 2, 1]


def test_nonsense_in_the_filters_is_explained(desk: Desk) -> None:
    answer = desk.get("/desk/invoices/", since="soon", account="nobody")
    assert answer.status_code == 400
    assert "Enter a valid date." in words(answer) and "There is no account “nobody”." in words(answer)


def test_a_transfer_is_recorded_once_after_a_review(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    review = desk.review(PAY, amount="60", reference="SEPA 8812")
    assert "Open on the invoice $100.00 $40.00" in words(review) and "A part stays open." in words(review)
    assert Payment.objects.count() == 0
    for _ in range(2):
        assert desk.confirm(PAY, review)["Location"] == HOME
    page = desk.read(HOME)
    assert "Balance $40.00" in page and "SEPA 8812" in page and "Bank transfer recorded" in page
    assert "clearing:manual" in page and "cash:manual" in page and "revenue:recurring" in page
    assert Payment.objects.count() == 1 and len(trail(northwind.id, "payment.record")) == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"amount": "9999999"}, "$100.00 is open on INV-000001; is this amount right?"),
        ({"amount": "1.005"}, "more decimal places than 2"),
        ({"amount": "-5"}, "more than zero"),
        ({"reference": ""}, "This field is required."),
    ],
)
def test_nonsense_records_nothing(desk: Desk, northwind: Account, typed: dict[str, str], says: str) -> None:
    an_invoice(northwind)
    answer = desk.review(PAY, **{"amount": "60", "reference": "SEPA 8812"} | typed)
    assert answer.status_code == 400 and says in words(answer)
    assert Payment.objects.count() == 0


def test_the_document_is_the_customers_own(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    first, second = desk.get(PDF), desk.get(PDF)
    assert first["Content-Type"] == "application/pdf" and first.content[:5] == b"%PDF-"
    assert first.content == second.content


def test_a_paid_invoice_asks_for_no_transfer(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    desk.do(PAY, amount="100", reference="SEPA 1")
    assert desk.get(PAY).status_code == 409
    assert "Record a bank transfer" not in desk.read(HOME)


def test_search_finds_an_invoice_by_number_or_digits(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    for q in ("INV-000001", "inv-000001", "1"):
        assert "INV-000001" in desk.read("/desk/search/", q=q)


def test_what_belongs_to_another_account_is_not_found(desk: Desk, northwind: Account) -> None:
    an_account("contoso")
    an_invoice(northwind)
    for page in ("/", ".pdf", "/pay/"):
        assert desk.get(f"/desk/accounts/contoso/invoices/INV-000001{page}").status_code == 404
