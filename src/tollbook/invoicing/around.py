"""What stands around an invoice: its neighbours by number, and the invoices that billed an account's setup fees."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from tollbook.invoicing.tables import Invoice, InvoiceLine, OpenBalance

SETUP = "revenue:setup"


@dataclass(frozen=True, slots=True)
class Billed:
    """Where something was billed."""

    number: str
    issued_on: date


def neighbours(account_id: UUID, sequence: int) -> tuple[str | None, str | None]:
    """The numbers of the account's invoices before and after the one with this sequence."""
    mine = OpenBalance.objects.filter(account_id=account_id)
    before = mine.filter(sequence__lt=sequence).order_by("-sequence").values_list("number", flat=True).first()
    after = mine.filter(sequence__gt=sequence).order_by("sequence").values_list("number", flat=True).first()
    return before, after


def setup_fees_billed(account_id: UUID, subscription_ids: list[UUID]) -> dict[UUID, Billed]:
    """Which invoice billed each of these setup fees; those without one are missing."""
    lines = InvoiceLine.objects.filter(
        account_id=account_id, revenue_code=SETUP, subscription_id__in=subscription_ids
    ).values_list("subscription_id", "invoice_id")
    invoice_of = dict(lines)
    invoices = Invoice.objects.filter(account_id=account_id, id__in=set(invoice_of.values()))
    billed = {
        id: Billed(number, issued_on) for id, number, issued_on in invoices.values_list("id", "number", "issued_on")
    }
    return {subscription_id: billed[invoice_id] for subscription_id, invoice_id in invoice_of.items()}
