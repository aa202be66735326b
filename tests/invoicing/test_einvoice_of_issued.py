"""From the books to the machine: what was issued and credited under real rules of tax is accepted by EN 16931's judges."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import facturx
import pytest
from django.conf import settings
from django.db import transaction

from tests.invoicing.document.einvoice.judges import broken_rules, schema_accepts
from tests.invoicing.papers import issued, line
from tests.invoicing.test_tax import rule
from tollbook.accounts.tables import Account
from tollbook.invoicing.credit_note import credit, planned
from tollbook.invoicing.file import credit_note_pdf, credit_note_xml, pdf, xml
from tollbook.invoicing.issue import DraftLine
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import Invoice

GERMAN = {"country": "DE", "tax_id": "DE123456788", "legal_name": "Tollbook GmbH"}
BUYERS = {
    "standard": {"country": "DE", "tax_id": ""},
    "reverse charge": {"country": "FR", "tax_id": "FR32123456789"},
    "exempt": {"country": "DE", "tax_exemption": "§ 4 Nr. 21 UStG"},
    "not taxed": {"country": "BR"},
    "yen": {"country": "DE", "currency": "JPY"},
}
SEATS = DraftLine("Seats", "14 of 31 days × 100.00", Decimal(1), Decimal(100), Decimal(45), "revenue:recurring")


@pytest.fixture(params=BUYERS)
def buyer(request: pytest.FixtureRequest, account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account in another situation each time, of a German seller."""
    monkeypatch.setattr(settings, "OPERATOR", settings.OPERATOR | GERMAN)
    rule("DE", "19")
    rule("FR", "20", is_reverse_charge=True, note="Reverse charge, Art. 196")
    Account.objects.filter(id=account.id).update(**BUYERS[request.param])
    account.refresh_from_db()
    return account


def invoice(account: Account, *more: DraftLine) -> Invoice:
    return issued(account, SEATS, line("7.00" if account.currency == "JPY" else "7.35"), line("-2.00"), *more)


def accepted(ubl: str, hybrid: bytes) -> Sequence[str]:
    _, inside = facturx.get_xml_from_pdf(hybrid, check_xsd=False)
    assert schema_accepts(ubl) and schema_accepts(inside.decode())
    return broken_rules(ubl, "ubl") + broken_rules(inside.decode(), "facturx")


def test_what_is_issued_and_credited_is_accepted(buyer: Account) -> None:
    made = invoice(buyer)
    assert accepted(xml(buyer.id, made.number), pdf(buyer.id, made.number)) == []
    for nets in ({1: Decimal(13)}, None):  # a part of a line, then all that is left
        with transaction.atomic():
            lock_settlements(buyer.id)
            note = credit(buyer, made, planned(made, "An outage", date(2026, 11, 20), "tests", nets))
        assert accepted(credit_note_xml(buyer.id, note.number), credit_note_pdf(buyer.id, note.number)) == []
