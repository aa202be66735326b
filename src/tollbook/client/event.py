"""A usage event as it is sent, and what became of a batch."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

MOST_EVENTS = 10_000
"""How many events the server takes in one request."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing consumed. `id` is yours, unique per account for ever: it is what makes a repeat safe.

    `quantity` counts what its type counts (seconds, messages, segments), exactly: an int or a Decimal, never a float.
    `occurred_at` has a time zone. `account` may be left out when the key belongs to one account.
    """

    id: str
    type: str
    quantity: Decimal | int
    occurred_at: datetime
    account: str | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    attributes: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what would be another event by the time it arrives."""
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int | Decimal):
            raise TypeError(f"quantity is an int or a Decimal, not {type(self.quantity).__name__}")
        if self.occurred_at.tzinfo is None:
            raise ValueError("occurred_at needs a time zone: datetime(..., tzinfo=UTC)")


class Rejection(msgspec.Struct, frozen=True):
    """An event that was not taken: its place among those sent, its id, a stable code, a sentence."""

    index: int
    id: str
    code: str
    message: str


class Result(msgspec.Struct, frozen=True):
    """What became of the events: newly debited, known already, not taken."""

    accepted: int = 0
    duplicates: int = 0
    rejected: tuple[Rejection, ...] = ()

    @property
    def count(self) -> int:
        """How many events it is about."""
        return self.accepted + self.duplicates + len(self.rejected)

    def and_then(self, later: "Result") -> "Result":
        """This one and the one of the events that came after, counted together."""
        moved = (msgspec.structs.replace(one, index=one.index + self.count) for one in later.rejected)
        return Result(self.accepted + later.accepted, self.duplicates + later.duplicates, (*self.rejected, *moved))


def as_line(event: Event) -> bytes:
    """The event as one line of JSON, without its end. Raises TypeError and ValueError for attributes that are no JSON."""
    return msgspec.json.encode(event)


def id_of(line: bytes) -> str:
    """The id of an event that was written by `as_line`, or "" for any other line."""
    try:
        return msgspec.json.decode(line, type=_OnlyId).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


class _OnlyId(msgspec.Struct):
    id: str = ""
