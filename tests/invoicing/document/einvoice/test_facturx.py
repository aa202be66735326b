"""Factur-X: what the PDF carries is accepted by the schema and by the rules of EN 16931, and says what the paper says."""

import io
import os
from dataclasses import replace
from decimal import Decimal

import facturx
import pikepdf
import pytest
from lxml import etree

from tests.invoicing.document.einvoice.judges import broken_rules, schema_accepts
from tests.invoicing.document.einvoice.many import BUYERS, SELLERS, papers
from tests.invoicing.document.papers import line, paper
from tollbook.invoicing.document.einvoice.carry import declared
from tollbook.invoicing.document.einvoice.cii import cii
from tollbook.invoicing.document.einvoice.statement import statement
from tollbook.invoicing.document.paper import Paper
from tollbook.invoicing.document.typeset import typeset

COUNT = int(os.environ.get("TOLLBOOK_EINVOICES", "40"))
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def carried(pdf: bytes) -> str:
    """The XML inside, found as receivers find it."""
    name, xml = facturx.get_xml_from_pdf(pdf, check_xsd=False)
    assert name == "factur-x.xml"
    return xml.decode()


@pytest.mark.parametrize("one", papers(COUNT), ids=lambda one: f"{one.number}-{one.currency}")
def test_every_kind_of_invoice_carries_what_schema_and_rules_accept(one: Paper):
    pdf = typeset(one)
    xml = carried(pdf)
    assert schema_accepts(xml)
    assert broken_rules(xml, "facturx") == []
    assert amounts_of(xml) == (one.subtotal, one.tax, one.total)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []


def amounts_of(xml: str) -> tuple[Decimal, ...]:
    """Net, tax and total, once as they are written and once as the lines and groups sum up."""
    root = etree.fromstring(xml.encode())
    names = ("TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount")
    written = tuple(Decimal(root.findtext(f".//{RAM}{name}")) for name in names)
    sums = f"{RAM}SpecifiedTradeSettlementLineMonetarySummation/{RAM}LineTotalAmount"
    assert sum(Decimal(amount.text) for amount in root.iterfind(f".//{sums}")) == written[0]
    assert sum(Decimal(amount.text) for amount in root.iterfind(f".//{RAM}CalculatedAmount")) == written[1]
    return written


def test_the_metadata_declare_factur_x_beside_pdf_a_and_the_attachment_is_an_alternative():
    with pikepdf.open(io.BytesIO(typeset(paper()))) as opened:
        told = opened.open_metadata()
        fx = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
        assert told[f"{fx}ConformanceLevel"] == "EN 16931"
        assert (told[f"{fx}DocumentType"], told[f"{fx}Version"]) == ("INVOICE", "1.0")
        assert told[f"{fx}DocumentFileName"] == "factur-x.xml"
        assert told.pdfa_status == "3A"
        assert opened.Root.AF[0].AFRelationship == "/Alternative"
        assert opened.Root.AF[0].EF.F.Subtype == "/text/xml"


def test_an_invoice_that_en_16931_has_no_words_for_carries_nothing():
    fils = paper(line(1, amount="1.005"), currency="KWD")
    nowhere = paper(buyer=replace(BUYERS[0], country=""))
    untold = paper(line(1, tax_category="S", tax_rate=Decimal(19)), seller=replace(SELLERS["DE"], tax_id=""))
    reversed_for_nobody = paper(line(1, tax_category="AE"), seller=SELLERS["DE"], buyer=replace(BUYERS[1], tax_id=""))
    odd = paper(line(1, tax_category="XX"))
    none = paper(lines=(), subtotal=Decimal(0), total=Decimal(0), amount_due=Decimal(0))
    exported = paper(line(1, tax_category="G"), seller=SELLERS["US"])
    for one in (fils, nowhere, untold, reversed_for_nobody, exported, odd, none):
        assert statement(one) is None
        with pikepdf.open(io.BytesIO(typeset(one))) as opened:
            assert not opened.attachments


def test_lines_whose_sum_is_not_quantity_times_price_say_so_and_stay_exact():
    said = statement(
        paper(line(1, amount="45.16", quantity=Decimal(1), unit_price=Decimal(100), detail="14 of 31 days"))
    )
    item = said.items[0]
    assert (item.quantity, item.price, item.amount) == (1, Decimal("45.16"), Decimal("45.16"))
    assert item.description == "14 of 31 days\n1 at 100"


def test_a_discount_is_a_line_of_negative_quantity_since_prices_are_never_below_zero():
    said = statement(paper(line(1), line(2, "Discount", "-15.00", quantity=Decimal(1), unit_price=Decimal(-15))))
    assert (said.items[1].quantity, said.items[1].price) == (-1, 15)


def test_ids_of_tax_are_told_apart_by_the_country_they_name():
    def ids(party):
        who = statement(paper(line(1, tax_category="S"), seller=party)).seller
        return who.vat_id, who.other_tax_id, who.legal_id

    assert ids(SELLERS["FR"]) == ("FR32123456789", "", "")
    assert ids(SELLERS["GR"]) == ("EL123456783", "", "")
    assert ids(SELLERS["US"]) == ("", "94-3217745", "94-3217745")


def test_texts_of_people_cannot_leave_their_element():
    typed = '</ram:Name><evil a="1">&amp;\x00\ud800'
    xml = cii(statement(paper(line(1, typed), notes=typed)))
    assert schema_accepts(xml)
    assert "evil" not in {etree.QName(each).localname for each in etree.fromstring(xml.encode()).iter()}


def test_a_pdf_that_is_not_typst_s_is_not_touched():
    with pytest.raises(ValueError, match="metadata"):
        declared(b"%PDF-1.4\n%%EOF")
