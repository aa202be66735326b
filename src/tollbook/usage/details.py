"""An event as the detail digest of its debit seals it (see `ledger.chain`)."""

from datetime import datetime
from decimal import Decimal

from tollbook.ledger.chain import instant
from tollbook.usage.event import microseconds


def line(event_id: str, type_code: str, occurred_at: datetime, billed: Decimal, cost: Decimal) -> str:
    """The line of an event, for `digest_of_details`."""
    return f"{event_id}\t{type_code}\t{microseconds(occurred_at)}\t{int(billed * 1_000_000)}\t{int(cost * 1_000_000)}\n"


def first_line(event_id: str, type_code: str, occurred_at: datetime, billed: Decimal, cost: Decimal) -> str:
    """The line of an event as version 0.1 wrote it, for `digest_of_first_details`."""
    return f"{event_id}|{type_code}|{instant(occurred_at)}|{billed:.6f}|{cost:.6f}"
