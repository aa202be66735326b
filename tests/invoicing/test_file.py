"""The PDF: from the invoice's own copies, the same bytes for ever."""

import hashlib
import io
import threading
from datetime import date
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connections, transaction
from pypdf import PdfReader

from tests.invoicing.papers import issued, line, payment
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.invoicing.file import pdf
from tollbook.invoicing.seller import LARGEST_LOGO
from tollbook.invoicing.settle import settle
from tollbook.invoicing.tables import Invoice, InvoiceFile
from tollbook.money.period import period_number
from tollbook.postgres.scope import rows_of


def text(content: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def test_it_prints_what_was_issued(account: Account) -> None:
    period = period_number(account.anchor_on, 10)
    invoice = issued(account, line("1250.00"), line("300.00", "revenue:setup"), period=period)
    printed = text(pdf(account.id, invoice.number))
    for wanted in ("INV-000001", "Northwind Traders, Inc.", "1 Pike Street", "91-1234567", "PO-7", "$1,550.00"):
        assert wanted in printed
    assert "Due on Nov 17, 2026" in printed


def test_later_changes_of_account_seller_and_balance_change_no_byte(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, unseen = issued(account), issued(account)
    first = pdf(account.id, seen.number)
    Account.objects.filter(id=account.id).update(name="Renamed", address="Elsewhere", locale="de-de", po_number="X")
    monkeypatch.setattr(settings, "OPERATOR", settings.OPERATOR | {"name": "Bought by others", "address": "Mars"})
    paid = payment(account, "10.00")
    with transaction.atomic():
        settle(account.id, seen.id, paid.id, Decimal(10))
    assert pdf(account.id, seen.number) == first
    printed = text(pdf(account.id, unseen.number))
    assert "Northwind" in printed and "Renamed" not in printed and "Bought by others" not in printed


def test_the_sellers_logo_and_colour_of_the_day_of_issue_are_printed(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0h10v10z" fill="#c00"/></svg>'
    plain = issued(account)
    monkeypatch.setattr(settings, "OPERATOR", settings.OPERATOR | {"logo_svg": logo, "accent": "no colour"})
    with_logo = issued(account)
    monkeypatch.undo()
    assert (plain.seller["logo_svg"], with_logo.seller["logo_svg"], with_logo.seller["accent"]) == ("", logo, "")
    assert len(pdf(account.id, with_logo.number)) != len(pdf(account.id, plain.number))
    monkeypatch.setattr(settings, "OPERATOR", settings.OPERATOR | {"logo_svg": logo + " " * LARGEST_LOGO})
    assert issued(account).seller["logo_svg"] == ""


def test_the_kept_bytes_have_their_digest(account: Account) -> None:
    invoice = issued(account)
    content = pdf(account.id, invoice.number)
    kept = InvoiceFile.objects.get(account_id=account.id, invoice_id=invoice.id)
    assert bytes(kept.sha256) == hashlib.sha256(content).digest()


def keep(invoice: Invoice, content: bytes) -> None:
    """What an older release of the layout kept."""
    digest = hashlib.sha256(content).digest()
    made = {"sha256": digest, "content": content, "typeset_at": invoice.issued_at}
    InvoiceFile.objects.create(account_id=invoice.account_id, invoice_id=invoice.id, **made)


def test_what_an_older_release_typeset_stays(account: Account) -> None:
    invoice = issued(account)
    keep(invoice, b"an older layout")
    assert pdf(account.id, invoice.number) == b"an older layout"


def test_a_download_that_lost_the_race_answers_the_winners_bytes(account: Account) -> None:
    invoice, got = issued(account), []

    def download() -> None:
        with rows_of(account.id):
            got.append(pdf(account.id, invoice.number))
        connections.close_all()

    thread = threading.Thread(target=download)
    with transaction.atomic():
        keep(invoice, b"the winner's")
        thread.start()
        thread.join(1)  # it typesets, inserts, and waits for us
        assert thread.is_alive()
    thread.join()
    assert got == [b"the winner's"]


def test_first_downloads_at_once_get_the_same_bytes(account: Account) -> None:
    invoice, barrier, got = issued(account), threading.Barrier(2), []

    def download() -> None:
        barrier.wait()
        with rows_of(account.id):
            got.append(pdf(account.id, invoice.number))
        connections.close_all()

    threads = [threading.Thread(target=download) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(got) == 2 and got[0] == got[1] == pdf(account.id, invoice.number)
    assert InvoiceFile.objects.count() == 1


def test_paid_at_birth_says_how_and_asks_for_nothing(account: Account) -> None:
    note = "Paid on Nov 3, 2026 by Visa ending 4242"
    invoice = issued(account, line("50.00"), payment_note=note, due_on=date(2026, 11, 3))
    printed = text(pdf(account.id, invoice.number))
    assert note in printed
    assert "Due" not in printed.replace("Amount due", "")


def test_an_invoice_of_nothing_says_so(account: Account) -> None:
    assert "Nothing to pay." in text(pdf(account.id, issued(account, line("0.00")).number))


@pytest.mark.parametrize("locale", ["", "de", "de-de", "en-gb", "xx-yy"])
def test_any_locale_an_account_may_have_can_be_printed(account: Account, locale: str) -> None:
    account.locale = locale
    assert "1" in text(pdf(account.id, issued(account).number))


def test_another_accounts_invoice_is_not_found_by_engine_or_portal(account: Account) -> None:
    """lago #371, faveo #3685, Dolibarr #38947: another tenant's invoice PDF by guessing its id."""
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    invoice = issued(other)
    with pytest.raises(NotFound):
        pdf(account.id, invoice.number)
    for claimed in (account.id, other.id):
        with pytest.raises(NotFound), rows_of(account.id):
            pdf(claimed, invoice.number)
