"""Who takes what became of a charge, by what it was for: for all that webhooks and comparisons tell."""

from datetime import datetime
from typing import cast

from django.db.models import Min, OuterRef, Subquery

from tollbook.payments import captured
from tollbook.payments.told import Settlers
from tollbook.refills.send import SENT
from tollbook.refills.settle import settle
from tollbook.refills.tables import Refill, RefillAttempt

SETTLERS: Settlers = {
    "refill": settle,
    "invoice": lambda account_id, our_id, answer, attempt: captured.settle(account_id, our_id, attempt, answer),
}


def open_since(gateway: str) -> datetime | None:
    """When the oldest charge of a refill that is still open was sent first to this gateway. As engine; reads only."""
    mine = RefillAttempt.objects.filter(account_id=OuterRef("account_id"), refill_id=OuterRef("id"), gateway=gateway)
    first = Subquery(mine.order_by("first_sent_at").values("first_sent_at")[:1])
    found = Refill.objects.filter(state__in=SENT).annotate(first=first).aggregate(at=Min("first"))["at"]
    return cast("datetime | None", found)
