"""Events as the detail digest of their debit seals them (see `ledger.chain`)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tollbook.ledger.chain import digest_of_details, digest_of_first_details, instant
from tollbook.usage.event import microseconds

Detail = tuple[str, str, datetime, Decimal, Decimal]
"""What is sealed of an event: its id, type, instant, billed quantity and cost."""

DETAILS = ("event_id", "type_code", "occurred_at", "billed_quantity", "cost")


def seals(digest: bytes, rows: Sequence[Detail]) -> bool:
    """Whether a digest is that of these events (in order of their ids), as it is made now or as version 0.1 made it."""
    if digest == digest_of_details(line(*row) for row in rows):
        return True
    return digest == digest_of_first_details(first_line(*row) for row in rows)


def line(event_id: str, type_code: str, occurred_at: datetime, billed: Decimal, cost: Decimal) -> str:
    """The line of an event, for `digest_of_details`."""
    return f"{event_id}\t{type_code}\t{microseconds(occurred_at)}\t{int(billed * 1_000_000)}\t{int(cost * 1_000_000)}\n"


def first_line(event_id: str, type_code: str, occurred_at: datetime, billed: Decimal, cost: Decimal) -> str:
    """The line of an event as version 0.1 wrote it, for `digest_of_first_details`."""
    return f"{event_id}|{type_code}|{instant(occurred_at)}|{billed:.6f}|{cost:.6f}"
