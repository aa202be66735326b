"""UBL 2.1: accepted by OASIS' schemas and by the rules of EN 16931 for UBL, and says what the Factur-X says."""

import os
from decimal import Decimal

import pytest
from lxml import etree

from tests.invoicing.document.einvoice.judges import broken_rules, schema_accepts
from tests.invoicing.document.einvoice.many import papers
from tests.invoicing.document.papers import line, paper
from tollbook.invoicing.document.einvoice.statement import statement
from tollbook.invoicing.document.einvoice.ubl import ubl
from tollbook.invoicing.document.paper import Paper

COUNT = int(os.environ.get("TOLLBOOK_EINVOICES", "40"))
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"


@pytest.mark.parametrize("one", papers(COUNT, seed=7), ids=lambda one: f"{one.number}-{one.currency}")
def test_every_kind_of_invoice_is_accepted_by_schema_and_rules(one: Paper):
    xml = ubl(statement(one))
    assert schema_accepts(xml)
    assert broken_rules(xml, "ubl") == []
    root = etree.fromstring(xml.encode())
    assert etree.QName(root).localname == ("CreditNote" if one.is_credit else "Invoice")
    sums = root.find(f"{CAC}LegalMonetaryTotal")
    assert Decimal(sums.findtext(f"{CBC}LineExtensionAmount")) == one.subtotal
    assert Decimal(sums.findtext(f"{CBC}TaxInclusiveAmount")) == one.total
    assert Decimal(root.findtext(f"{CAC}TaxTotal/{CBC}TaxAmount")) == one.tax


def test_instructions_for_payment_are_in_the_terms_while_something_is_owed():
    owed = ubl(statement(paper(payment_instructions="IBAN DE02")))
    paid = ubl(statement(paper(payment_instructions="IBAN DE02", amount_due=Decimal(0))))
    assert "IBAN DE02" in owed and "IBAN DE02" not in paid


def test_a_line_tells_the_days_it_pays_for():
    issued_on = paper().issued_on
    said = statement(paper(line(1, service_from=issued_on, service_until=issued_on)))
    assert "<cbc:StartDate>2026-11-03</cbc:StartDate><cbc:EndDate>2026-11-03</cbc:EndDate>" in ubl(said)
