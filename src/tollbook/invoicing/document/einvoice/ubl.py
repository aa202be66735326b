"""EN 16931 as UBL 2.1: an Invoice, or a CreditNote. Elements stand in the order of the schemas."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from tollbook.invoicing.document.einvoice.cii import PROFILE
from tollbook.invoicing.document.einvoice.elements import HEAD, leaf, node
from tollbook.invoicing.document.einvoice.statement import Item, Statement, Tax, Who

_NAMESPACES = {
    "xmlns__cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "xmlns__cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


def ubl(said: Statement) -> str:
    """The whole document."""
    kind = "CreditNote" if said.paper.is_credit else "Invoice"
    return HEAD + node(
        kind,
        *_document(said, kind),
        *_parties(said),
        *_payment(said),
        _taxes(said),
        node("cac:LegalMonetaryTotal", *_sums(said)),
        *(_item(item, kind, said.paper.currency) for item in said.items),
        xmlns=f"urn:oasis:names:specification:ubl:schema:xsd:{kind}-2",
        **_NAMESPACES,
    )


def _document(said: Statement, kind: str) -> Iterator[str]:
    paper = said.paper
    yield leaf("cbc:CustomizationID", PROFILE)
    yield leaf("cbc:ID", paper.number)
    yield _day("cbc:IssueDate", paper.issued_on)
    if kind == "Invoice":
        yield _day("cbc:DueDate", paper.due_on)
    yield leaf(f"cbc:{kind}TypeCode", said.type_code)
    yield leaf("cbc:Note", paper.notes)
    yield leaf("cbc:Note", paper.tax_note)
    yield leaf("cbc:DocumentCurrencyCode", paper.currency)
    yield _period(paper.period_start_on, paper.period_end_on)
    yield node("cac:OrderReference", leaf("cbc:ID", paper.po_number))
    if paper.corrects:
        corrected = (leaf("cbc:ID", paper.corrects.number), _day("cbc:IssueDate", paper.corrects.issued_on))
        yield node("cac:BillingReference", node("cac:InvoiceDocumentReference", *corrected))


def _parties(said: Statement) -> Iterator[str]:
    yield node("cac:AccountingSupplierParty", node("cac:Party", *_who(said.seller, is_seller=True)))
    yield node("cac:AccountingCustomerParty", node("cac:Party", *_who(said.buyer, is_seller=False)))


def _who(who: Who, is_seller: bool) -> Iterator[str]:
    yield leaf("cbc:EndpointID", who.email, schemeID="EM")
    if is_seller:
        yield node("cac:PartyIdentification", leaf("cbc:ID", who.own_id))
    yield node("cac:PartyName", leaf("cbc:Name", who.trading_name))
    yield node("cac:PostalAddress", *_address(who))
    yield _tax_scheme(who.vat_id, "VAT")
    if is_seller:
        yield _tax_scheme(who.other_tax_id, "TAX")
    yield node("cac:PartyLegalEntity", leaf("cbc:RegistrationName", who.name), leaf("cbc:CompanyID", who.legal_id))
    if is_seller:
        yield node("cac:Contact", leaf("cbc:Telephone", who.phone))


def _tax_scheme(id: str, scheme: str) -> str:
    if not id:
        return ""
    return node("cac:PartyTaxScheme", leaf("cbc:CompanyID", id), node("cac:TaxScheme", leaf("cbc:ID", scheme)))


def _address(who: Who) -> Iterator[str]:
    first, second, *others = (*who.address_lines, "", "")
    yield leaf("cbc:StreetName", first)
    yield leaf("cbc:AdditionalStreetName", second)
    yield node("cac:AddressLine", leaf("cbc:Line", ", ".join(line for line in others if line)))
    yield node("cac:Country", leaf("cbc:IdentificationCode", who.country))


def _payment(said: Statement) -> Iterator[str]:
    if said.paper.payment_instructions and said.due:
        # "1" is an instrument that is not defined: the instructions are for people to read.
        yield node("cac:PaymentMeans", leaf("cbc:PaymentMeansCode", "1"), leaf("cbc:PaymentID", said.paper.number))
    yield node("cac:PaymentTerms", leaf("cbc:Note", _terms(said)))


def _terms(said: Statement) -> str:
    instructions = said.paper.payment_instructions if said.due else ""
    return "\n".join(text for text in (said.terms, instructions) if text)


def _taxes(said: Statement) -> str:
    currency = said.paper.currency
    groups = (
        node(
            "cac:TaxSubtotal",
            _amount("cbc:TaxableAmount", tax.base, currency),
            _amount("cbc:TaxAmount", tax.amount, currency),
            _category("cac:TaxCategory", tax),
        )
        for tax in said.taxes
    )
    return node("cac:TaxTotal", _amount("cbc:TaxAmount", said.paper.tax, currency), *groups)


def _category(name: str, taxed: Tax | Item) -> str:
    """How it is taxed; what is not taxed at all has no rate (BR-O-05)."""
    return node(
        name,
        leaf("cbc:ID", taxed.category),
        leaf("cbc:Percent", taxed.rate if taxed.category != "O" else None),
        leaf("cbc:TaxExemptionReason", taxed.reason if isinstance(taxed, Tax) else None),
        node("cac:TaxScheme", leaf("cbc:ID", "VAT")),
    )


def _sums(said: Statement) -> Iterator[str]:
    paper, currency = said.paper, said.paper.currency
    yield _amount("cbc:LineExtensionAmount", paper.subtotal, currency)
    yield _amount("cbc:TaxExclusiveAmount", paper.subtotal, currency)
    yield _amount("cbc:TaxInclusiveAmount", paper.total, currency)
    if said.prepaid:
        yield _amount("cbc:PrepaidAmount", said.prepaid, currency)
    yield _amount("cbc:PayableAmount", said.due, currency)


def _item(item: Item, kind: str, currency: str) -> str:
    counted = {"Invoice": "cbc:InvoicedQuantity", "CreditNote": "cbc:CreditedQuantity"}[kind]
    return node(
        f"cac:{kind}Line",
        leaf("cbc:ID", item.position),
        leaf(counted, item.quantity, unitCode=item.unit),
        _amount("cbc:LineExtensionAmount", item.amount, currency),
        _period(item.service_from, item.service_until),
        node(
            "cac:Item",
            leaf("cbc:Description", item.description),
            leaf("cbc:Name", item.name),
            _category("cac:ClassifiedTaxCategory", item),
        ),
        node("cac:Price", _amount("cbc:PriceAmount", item.price, currency)),
    )


def _period(start: date | None, end: date | None) -> str:
    if not start or not end:
        return ""
    return node("cac:InvoicePeriod", _day("cbc:StartDate", start), _day("cbc:EndDate", end))


def _amount(name: str, amount: Decimal, currency: str) -> str:
    return leaf(name, amount, currencyID=currency)


def _day(name: str, day: date | None) -> str:
    return leaf(name, day.isoformat() if day else None)
