"""Month → invoice: timetable, billing run, lines, number, issue, ledger, payment, settled, Invoice History, PDF."""

import re
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

from django.db import transaction
from django.test import Client
from pypdf import PdfReader

from tests.cast import an_account
from tollbook.accounts import user
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Level
from tollbook.audit.books import audit
from tollbook.invoicing.run import bill
from tollbook.invoicing.settle import settle
from tollbook.invoicing.tables import Invoice
from tollbook.ledger.balance import sums
from tollbook.money.period import add_months
from tollbook.payments.receive import receive
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind


def anchored(day: date) -> date:
    """A billing anchor a year back whose last billing day is `day`."""
    return add_months(day, -12)


def test_a_month_becomes_an_invoice_that_is_paid_and_downloaded(db, client: Client) -> None:
    # A customer subscribes to 40 seats and pays a setup fee; the billing day was yesterday.
    account = an_account()
    yesterday = today_in(account) - timedelta(days=1)
    type(account).objects.filter(id=account.id).update(anchor_on=anchored(yesterday))
    account.refresh_from_db()
    offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("29.00"), SYSTEM)
    offer("setup", "Onboarding", FeeKind.SETUP, Decimal("1500.00"), SYSTEM)
    for code, quantity in (("seat", 40), ("setup", 1)):
        start(account, NewSubscription(code, yesterday, Decimal(quantity)), SYSTEM)

    # The timetable runs billing, twice: one invoice, number one, with its two lines.
    assert len(bill().issued) == 1
    assert bill().issued == []
    invoice = Invoice.objects.get(account_id=account.id)
    assert (invoice.number, invoice.total) == ("INV-000001", Decimal("2660.00"))
    assert sums(account.id) == {
        "receivable": Decimal(2660),
        "deferred:recurring": Decimal(-1160),
        "revenue:setup": Decimal(-1500),
    }

    # The customer sees it, owed.
    owner = user.add(account, "owner@northwind.example", "Olivia", Level.SUPER_ADMIN, None, SYSTEM)
    client.force_login(owner)
    page = client.get("/billing/invoices/").content.decode()
    assert "INV-000001" in page and "$2,660.00" in page and "Posted" in page

    # The bank transfer arrives and settles it; clearing returns to zero.
    with transaction.atomic():
        payment = receive(account.id, "manual", "wire-1", invoice.total, "USD", "Bank transfer", "finance")
        assert settle(account.id, invoice.id, payment.id, invoice.total) == 0
    assert sums(account.id)["receivable"] == sums(account.id)["clearing:manual"] == 0
    assert re.search(r"Paid", client.get("/billing/invoices/").content.decode())

    # The PDF is the same at every download and says what the invoice says.
    first, second = (client.get("/billing/invoices/INV-000001.pdf") for _ in range(2))
    assert first["Content-Type"] == "application/pdf"
    assert first.content == second.content
    text = "".join(sheet.extract_text() for sheet in PdfReader(BytesIO(first.content)).pages)
    assert all(words in text for words in ("INV-000001", "Agent seat", "Onboarding", "$2,660.00"))
    assert audit() == []
