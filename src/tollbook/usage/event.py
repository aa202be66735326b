"""One thing consumed, as its sender tells it; and what makes it acceptable."""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tollbook.money.amount import MICRO

SOONEST_MINUTES = 10
TOO_LATE = "too_late"
LARGEST_QUANTITY = Decimal(100_000_000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


def fault_of(event: Event, types: Container[str], now: datetime, oldest: timedelta | None = None) -> Fault | None:
    """What is wrong with an event, before any price is looked up; None when nothing is. Attributes: see `attributes`."""
    if not 1 <= len(event.id) <= 200 or not event.id.isprintable():
        return Fault("bad_id", "The id must have 1 to 200 printable characters.")
    if event.type not in types:
        return Fault("unknown_type", f"There is no credit type “{event.type[:40]}”.")
    return _fault_of_quantity(event.quantity) or fault_of_time(event.occurred_at, now, oldest) or _fault_of_text(event)


def microseconds(at: datetime) -> int:
    """An instant as whole microseconds since 1970 (UTC)."""
    return (at - EPOCH) // _MICROSECOND


def _fault_of_quantity(quantity: Decimal) -> Fault | None:
    if not quantity.is_finite() or quantity < 0 or quantity > LARGEST_QUANTITY:
        return Fault("bad_quantity", f"The quantity must be between 0 and {LARGEST_QUANTITY}.")
    if quantity.quantize(MICRO) != quantity:
        return Fault("bad_quantity", "The quantity has more than 6 decimal places.")
    return None


def fault_of_time(occurred_at: datetime, now: datetime, oldest: timedelta | None) -> Fault | None:
    """What is wrong with when an event occurred; `oldest` is how long ago it may lie (None: however long)."""
    if occurred_at.tzinfo is None:
        return Fault("bad_time", "occurred_at needs a time zone, such as 2026-11-03T14:02:07Z.")
    if occurred_at < EPOCH:
        return Fault("bad_time", "occurred_at lies before 1970.")
    if occurred_at > now + timedelta(minutes=SOONEST_MINUTES):
        return Fault("in_the_future", f"occurred_at lies more than {SOONEST_MINUTES} minutes in the future.")
    if oldest is not None and occurred_at < now - oldest:
        return Fault(
            TOO_LATE, f"occurred_at lies more than {oldest.days} days in the past; ask the operator to import it."
        )
    return None


def _fault_of_text(event: Event) -> Fault | None:
    if len(event.to) > 64 or len(event.sender) > 64:
        return Fault("bad_number", "to and from have at most 64 characters.")
    if not (event.to + event.sender).isprintable():
        return Fault("bad_number", "to and from must be printable text.")
    return None
