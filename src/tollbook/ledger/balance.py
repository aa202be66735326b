"""What an account of the books holds, now or as of an instant."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from tollbook.ledger.tables import Entry, Transfer


def sums(account_id: UUID, as_of: datetime | None = None) -> dict[str, Decimal]:
    """The sum of entries of each account of the books (debit positive), up to and including `as_of` when given."""
    entries = Entry.objects.filter(account_id=account_id)
    if as_of is not None:
        posted = Transfer.objects.filter(account_id=account_id, posted_at__lte=as_of).values("id")
        entries = entries.filter(transfer_id__in=posted)
    return {row["code"]: row["total"] for row in entries.values("code").annotate(total=Sum("amount")).order_by("code")}
