"""What the operator's controller did: a rule of tax, a second seller, a credit note, a one-off invoice to be issued."""

from datetime import date
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Wanted, correct
from tollbook.invoicing import drafts, seller_profile, tax_rules
from tollbook.invoicing.issue import DraftLine
from tollbook.invoicing.tables import CreditNote, Invoice
from tollbook.invoicing.tax_rules import NewRule

EUROPE = {
    "name": "Tollbook Europe", "legal_name": "Tollbook Europe GmbH", "address": "Hafenstrasse 1\n20457 Hamburg",
    "country": "DE", "tax_id": "DE129273398", "series": "EU", "credit_series": "EUCN", "is_yearly": True,
}  # fmt: skip


def keep_books(accounts: dict[str, Account], actor: Actor) -> None:
    """Neither account of the demo is taxed: both are in the United States. Safe to repeat."""
    if not tax_rules.listed():
        vat = NewRule("DE", Decimal(19), "VAT", date(2021, 1, 1), is_reverse_charge=True)
        tax_rules.add(vat, actor)
    seller_profile.keep("eu", EUROPE, actor)
    northwind, contoso = accounts["northwind"], accounts["contoso"]
    order = Invoice.objects.filter(account_id=northwind.id, cause="order:chicago").first()
    if order and not CreditNote.objects.filter(account_id=northwind.id).exists():
        wanted = Wanted("One number could not be ported", {1: Decimal(15)}, id=uuid5(NAMESPACE_URL, f"demo:{order.id}"))
        correct(northwind, order.number, wanted, actor)
    line = DraftLine("Training day on site", "", Decimal(1), Decimal(900), Decimal(900), drafts.ONE_OFF)
    drafts.compose(contoso, [line], actor, uuid5(NAMESPACE_URL, "demo:training"))
