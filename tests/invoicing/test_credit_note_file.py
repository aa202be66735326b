"""The file of a credit note: what it gives back of which invoice, the same bytes for ever, for machines too."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pypdf import PdfReader

from tests.invoicing.document.einvoice.judges import broken_rules, schema_accepts
from tests.invoicing.papers import issued
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.invoicing.file import credit_note_pdf, credit_note_xml
from tollbook.invoicing.tables import CreditNote, CreditNoteLine, DocumentFile
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import rows_of


@pytest.fixture
def note(account: Account) -> CreditNote:
    invoice = issued(account)
    made = CreditNote.objects.create(
        account_id=account.id, id=new_id(), number="CN-000001", seller_code="operator", series="CN", sequence=1,
        invoice_id=invoice.id, invoice_number=invoice.number, invoice_issued_on=invoice.issued_on, currency="USD",
        subtotal=Decimal(4), tax=Decimal("0.41"), total=Decimal("4.41"), issued_on=date(2026, 11, 20),
        issued_at=datetime.now(UTC), reason="An outage of 14 hours", seller=invoice.seller | {"tax_id": "94-3217745"},
        buyer=invoice.buyer,
    )  # fmt: skip
    CreditNoteLine.objects.create(
        account_id=account.id, credit_note_id=made.id, position=1, invoice_id=invoice.id, invoice_position=1,
        description="Agent seats", quantity=1, unit_price=4, amount=4, revenue_code="revenue:recurring",
        tax_category="S", tax_rate=Decimal("10.25"), tax_label="WA 10.25 %", tax=Decimal("0.41"),
    )  # fmt: skip
    return made


def test_it_says_what_is_given_back_and_why(account: Account, note: CreditNote) -> None:
    content = credit_note_pdf(account.id, note.number)
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())
    for said in ("Credit note CN-000001", "Corrects INV-000001, Nov 3, 2026", "An outage of 14 hours", "WA 10.25 % $0.41"):
        assert said in text
    assert "Total credited · USD $4.41" in text
    assert "Due" not in text


def test_its_bytes_are_kept(account: Account, note: CreditNote) -> None:
    with rows_of(account.id):
        content = credit_note_pdf(account.id, note.number)
    DocumentFile.objects.get(account_id=account.id, kind="credit_note", name=note.number)
    assert credit_note_pdf(account.id, note.number) == content


def test_machines_read_a_credit_note_of_positive_amounts(account: Account, note: CreditNote) -> None:
    xml = credit_note_xml(account.id, note.number)
    assert "<cbc:CreditNoteTypeCode>381<" in xml
    assert schema_accepts(xml) and broken_rules(xml, "ubl") == []


def test_one_that_is_not_there_is_not_found(account: Account) -> None:
    with pytest.raises(NotFound):
        credit_note_pdf(account.id, "CN-000009")
