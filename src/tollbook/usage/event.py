"""One thing consumed, as its sender tells it; and what makes it acceptable."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from tollbook.money.amount import MICRO

SOONEST_MINUTES = 10
LARGEST_ATTRIBUTES = 8_000
LARGEST_QUANTITY = Decimal(100_000_000)


@dataclass(frozen=True, slots=True)
class Event:
    """A call leg, a message, a transcription. `id` is the sender's own, unique per account for ever."""

    id: str
    type: str
    quantity: Decimal
    occurred_at: datetime
    to: str = ""
    sender: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an event can't be taken: a stable code and a sentence."""

    code: str
    message: str


def fault_of(event: Event, types: frozenset[str], now: datetime) -> Fault | None:
    """What is wrong with an event, before any price is looked up; None when nothing is."""
    if not 1 <= len(event.id) <= 200 or not event.id.isprintable():
        return Fault("bad_id", "The id must have 1 to 200 printable characters.")
    if event.type not in types:
        return Fault("unknown_type", f"There is no credit type “{event.type[:40]}”.")
    return _fault_of_quantity(event.quantity) or _fault_of_time(event.occurred_at, now) or _fault_of_text(event)


def body_digest(event: Event) -> bytes:
    """16 bytes that tell bodies apart: type, quantity, instant, to and from. Attributes may differ between two tellings."""
    instant = event.occurred_at.astimezone(UTC).isoformat()
    text = "\x1f".join((event.type, str(event.quantity.normalize()), instant, event.to, event.sender))
    return blake2b(text.encode(), digest_size=16).digest()


def _fault_of_quantity(quantity: Decimal) -> Fault | None:
    if not quantity.is_finite() or quantity < 0 or quantity > LARGEST_QUANTITY:
        return Fault("bad_quantity", f"The quantity must be between 0 and {LARGEST_QUANTITY}.")
    if quantity.quantize(MICRO) != quantity:
        return Fault("bad_quantity", "The quantity has more than 6 decimal places.")
    return None


def _fault_of_time(occurred_at: datetime, now: datetime) -> Fault | None:
    if occurred_at.tzinfo is None:
        return Fault("bad_time", "occurred_at needs a time zone, such as 2026-11-03T14:02:07Z.")
    if occurred_at > now + timedelta(minutes=SOONEST_MINUTES):
        return Fault("in_the_future", f"occurred_at lies more than {SOONEST_MINUTES} minutes in the future.")
    return None


def attributes_json(event: Event) -> str:
    """The attributes as JSON text that PostgreSQL takes. Raises ValueError for what JSON or Unicode does not allow."""
    text = json.dumps(event.attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if "\\u0000" in text:
        raise ValueError("a NUL character")
    text.encode()
    return text


def _fault_of_text(event: Event) -> Fault | None:
    if len(event.to) > 64 or len(event.sender) > 64:
        return Fault("bad_number", "to and from have at most 64 characters.")
    if not (event.to + event.sender).isprintable():
        return Fault("bad_number", "to and from must be printable text.")
    try:
        size = len(attributes_json(event))
    except (TypeError, ValueError, RecursionError):
        return Fault("bad_attributes", "The attributes must be JSON: valid Unicode, no NUL characters, finite numbers.")
    if size > LARGEST_ATTRIBUTES:
        return Fault("bad_attributes", f"The attributes take more than {LARGEST_ATTRIBUTES} characters of JSON.")
    return None
