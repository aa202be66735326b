"""Receipts and statements handed out: to whoever may see invoices or credits, never another account's."""

from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client

from tests.databases import Database
from tests.invoicing.papers import issued
from tests.people import People, grant, people
from tollbook.payments.receive import receive
from tollbook.payments.tables import Payment

pytestmark = pytest.mark.usefixtures("static_files")


@pytest.fixture
def them(db: Database) -> People:
    return people()


@pytest.fixture
def owner(them: People) -> Client:
    client = Client()
    client.force_login(them.owner)
    return client


@pytest.fixture
def payment(them: People) -> Payment:
    with transaction.atomic():
        return receive(them.northwind.id, "stripe", "ch_1", Decimal(20), "USD", "Visa ending 4242", "Tollbook")


def paths(payment: Payment) -> list[str]:
    return [
        f"/billing/receipts/{payment.id}.pdf",
        "/billing/account-statement.pdf?first=2026-10-01&last=2026-10-31",
        "/billing/account-statement.pdf",
        "/billing/usage-statement.pdf?first=2026-11-01&last=2026-11-30",
    ]


def test_each_is_a_pdf_with_a_name(owner: Client, payment: Payment) -> None:
    for path in paths(payment):
        response = owner.get(path)
        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response.content.startswith(b"%PDF-1.7")
        assert response["Content-Disposition"].startswith('attachment; filename="northwind-')


def test_another_account_s_receipt_is_not_found(them: People, payment: Payment) -> None:
    client = Client()
    client.force_login(them.stranger)
    assert client.get(paths(payment)[0]).status_code == 404


def test_whoever_may_not_see_invoices_gets_no_receipt(them: People, payment: Payment) -> None:
    client = Client()
    client.force_login(them.manager)
    assert [client.get(path).status_code for path in paths(payment)] == [403] * 4
    grant(them.owner, them.manager, invoices="r")
    assert [client.get(path).status_code for path in paths(payment)] == [200, 200, 200, 403]


def test_days_out_of_order_are_refused(owner: Client) -> None:
    for days in ("first=2026-11-03&last=2026-11-01", "first=0001-01-01&last=2026-11-01"):
        assert owner.get(f"/billing/account-statement.pdf?{days}").status_code in (400, 422)


def test_an_invoice_s_page_leads_to_its_xml_and_its_list_to_files(owner: Client, them: People) -> None:
    number = issued(them.northwind).number
    page = owner.get(f"/billing/invoices/{number}/").content.decode()
    assert f"/billing/invoices/{number}.xml" in page
    assert owner.get(f"/billing/invoices/{number}.xml")["Content-Type"] == "application/xml"
    listed = owner.get("/billing/invoices/?from=2026-11-01&to=2026-11-30").content.decode()
    statement = "account-statement.pdf?first=2026-11-01&amp;last=2026-11-30"
    for kind in ("invoices.csv", "invoices.xlsx", "invoices.zip", statement):
        assert f"/billing/{kind}" in listed
