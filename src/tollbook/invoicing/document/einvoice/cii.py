"""EN 16931 as UN/CEFACT Cross Industry Invoice (D22B): the XML that Factur-X and ZUGFeRD carry, profile EN 16931.

Elements stand in the order of the schema. Amounts have at most two places.
"""

from collections.abc import Iterator
from datetime import date

from tollbook.invoicing.document.einvoice.elements import HEAD, compact, leaf, node
from tollbook.invoicing.document.einvoice.statement import Item, Statement, Tax, Who

PROFILE = "urn:cen.eu:en16931:2017"
_NAMESPACES = {
    "xmlns__rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "xmlns__ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "xmlns__qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
    "xmlns__udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}


def cii(said: Statement) -> str:
    """The whole document."""
    guideline = node("ram:GuidelineSpecifiedDocumentContextParameter", leaf("ram:ID", PROFILE))
    return HEAD + node(
        "rsm:CrossIndustryInvoice",
        node("rsm:ExchangedDocumentContext", guideline),
        node("rsm:ExchangedDocument", *_document(said)),
        node(
            "rsm:SupplyChainTradeTransaction",
            *(_item(item) for item in said.items),
            node("ram:ApplicableHeaderTradeAgreement", *_agreement(said)),
            "<ram:ApplicableHeaderTradeDelivery/>",
            node("ram:ApplicableHeaderTradeSettlement", *_settlement(said)),
        ),
        **_NAMESPACES,
    )


def _document(said: Statement) -> Iterator[str]:
    yield leaf("ram:ID", said.paper.number)
    yield leaf("ram:TypeCode", said.type_code)
    yield _day("ram:IssueDateTime", said.paper.issued_on)
    for note in (said.paper.notes, said.paper.tax_note):
        yield node("ram:IncludedNote", leaf("ram:Content", note))


def _item(item: Item) -> str:
    return node(
        "ram:IncludedSupplyChainTradeLineItem",
        node("ram:AssociatedDocumentLineDocument", leaf("ram:LineID", item.position)),
        node("ram:SpecifiedTradeProduct", leaf("ram:Name", item.name), leaf("ram:Description", item.description)),
        node(
            "ram:SpecifiedLineTradeAgreement",
            node("ram:NetPriceProductTradePrice", leaf("ram:ChargeAmount", item.price)),
        ),
        node("ram:SpecifiedLineTradeDelivery", leaf("ram:BilledQuantity", item.quantity, unitCode=item.unit)),
        node(
            "ram:SpecifiedLineTradeSettlement",
            node("ram:ApplicableTradeTax", *_rate(item)),
            _period(item.service_from, item.service_until),
            node("ram:SpecifiedTradeSettlementLineMonetarySummation", leaf("ram:LineTotalAmount", item.amount)),
        ),
    )


def _rate(taxed: Item | Tax) -> Iterator[str]:
    """How it is taxed; what is not taxed at all has no rate (BR-O-05)."""
    yield leaf("ram:TypeCode", "VAT")
    if isinstance(taxed, Tax):
        yield leaf("ram:ExemptionReason", taxed.reason)
        yield leaf("ram:BasisAmount", taxed.base)
    yield leaf("ram:CategoryCode", taxed.category)
    if taxed.category != "O":
        yield leaf("ram:RateApplicablePercent", taxed.rate)


def _agreement(said: Statement) -> Iterator[str]:
    yield node("ram:SellerTradeParty", *_who(said.seller, is_seller=True))
    yield node("ram:BuyerTradeParty", *_who(said.buyer))
    yield node("ram:BuyerOrderReferencedDocument", leaf("ram:IssuerAssignedID", said.paper.po_number))


def _who(who: Who, is_seller: bool = False) -> Iterator[str]:
    if is_seller:
        yield leaf("ram:ID", who.own_id)
    yield leaf("ram:Name", who.name)
    yield node(
        "ram:SpecifiedLegalOrganization",
        leaf("ram:ID", who.legal_id),
        leaf("ram:TradingBusinessName", who.trading_name),
    )
    if is_seller and who.phone:
        yield node(
            "ram:DefinedTradeContact",
            leaf("ram:DepartmentName", who.name),
            node("ram:TelephoneUniversalCommunication", leaf("ram:CompleteNumber", who.phone)),
        )
    yield node("ram:PostalTradeAddress", *_address(who))
    yield node("ram:URIUniversalCommunication", leaf("ram:URIID", who.email, schemeID="EM"))
    yield node("ram:SpecifiedTaxRegistration", leaf("ram:ID", who.vat_id, schemeID="VA"))
    if is_seller:
        yield node("ram:SpecifiedTaxRegistration", leaf("ram:ID", who.other_tax_id, schemeID="FC"))


def _address(who: Who) -> Iterator[str]:
    first, second, *others = (*who.address_lines, "", "")
    yield leaf("ram:LineOne", first)
    yield leaf("ram:LineTwo", second)
    yield leaf("ram:LineThree", ", ".join(line for line in others if line))
    yield leaf("ram:CountryID", who.country)


def _settlement(said: Statement) -> Iterator[str]:
    paper = said.paper
    yield leaf("ram:PaymentReference", paper.number)
    yield leaf("ram:InvoiceCurrencyCode", paper.currency)
    if paper.payment_instructions and said.due:
        # "1" is an instrument that is not defined: the instructions are for people to read.
        yield node(
            "ram:SpecifiedTradeSettlementPaymentMeans",
            leaf("ram:TypeCode", "1"),
            leaf("ram:Information", paper.payment_instructions),
        )
    for tax in said.taxes:
        yield node("ram:ApplicableTradeTax", leaf("ram:CalculatedAmount", tax.amount), *_rate(tax))
    yield _period(paper.period_start_on, paper.period_end_on)
    yield node(
        "ram:SpecifiedTradePaymentTerms",
        leaf("ram:Description", said.terms),
        _day("ram:DueDateDateTime", paper.due_on) if paper.due_on else "",
    )
    yield node("ram:SpecifiedTradeSettlementHeaderMonetarySummation", *_sums(said))
    if paper.corrects:
        yield node(
            "ram:InvoiceReferencedDocument",
            leaf("ram:IssuerAssignedID", paper.corrects.number),
            _day("ram:FormattedIssueDateTime", paper.corrects.issued_on, kind="qdt"),
        )


def _sums(said: Statement) -> Iterator[str]:
    paper = said.paper
    yield leaf("ram:LineTotalAmount", paper.subtotal)
    yield leaf("ram:TaxBasisTotalAmount", paper.subtotal)
    yield leaf("ram:TaxTotalAmount", paper.tax, currencyID=paper.currency)
    yield leaf("ram:GrandTotalAmount", paper.total)
    yield leaf("ram:TotalPrepaidAmount", said.prepaid or None)
    yield leaf("ram:DuePayableAmount", said.due)


def _period(start: date | None, end: date | None) -> str:
    if not start or not end:
        return ""
    return node("ram:BillingSpecifiedPeriod", _day("ram:StartDateTime", start), _day("ram:EndDateTime", end))


def _day(name: str, day: date, kind: str = "udt") -> str:
    return node(name, leaf(f"{kind}:DateTimeString", compact(day), format="102"))
