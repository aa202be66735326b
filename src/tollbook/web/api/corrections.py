"""Corrections among the events of POST /usage: those that carry `reverses` take another event back.

They are done after the events of their request, so that one request may hold an event and what takes it back. Each is a
transaction of its own; a sender who repeats the whole finds them known.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from tollbook.usage.record import KNOWN, NEW
from tollbook.usage.reverse import Reversal, Reversed, reverse_many
from tollbook.web.api.bodies import Malformed, parse

MOST = 500
"""How many corrections of a request are done; those behind them are to be sent again."""

LARGEST = 64 * 1024
"""More bytes than a correction can have."""

TOO_MANY = f"A request may hold {MOST} corrections; send this one again in another."


class ReversalBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A correction: takes the event `reverses` back, all that is left of it or `quantity` of it. `id` is its own."""

    id: str
    reverses: str
    occurred_at: datetime
    account: str | None = None
    type: str | None = None
    quantity: Decimal | None = None
    reason: str | None = None


class _Named(msgspec.Struct):
    reverses: Any = None


def read(piece: bytes | msgspec.Raw) -> ReversalBody | Malformed | None:
    """A piece of a batch as a correction; None for what names no event to take back."""
    if memoryview(piece).nbytes > LARGEST:
        return None
    try:
        if b"reverses" not in bytes(piece) or parse(_Named, piece).reverses is None:
            return None
        return parse(ReversalBody, piece)
    except Malformed as error:
        return error


def reversal(told: ReversalBody, actor: str) -> Reversal:
    """A correction as the domain takes it; `actor` is who sent it."""
    return Reversal(
        told.id, told.reverses, told.occurred_at, told.quantity, told.type or "", told.reason or "", actor
    )


def done(account_id: UUID, reversals: Sequence[Reversal], oldest: timedelta) -> tuple[int, int, list[tuple[int, Reversed]]]:
    """Do an account's corrections: how many are new, how many known, and the others by their place among these."""
    outcomes = reverse_many(account_id, reversals, oldest)
    states = [outcome.state for outcome in outcomes]
    refused = [(place, outcome) for place, outcome in enumerate(outcomes) if outcome.state not in (NEW, KNOWN)]
    return states.count(NEW), states.count(KNOWN), refused
