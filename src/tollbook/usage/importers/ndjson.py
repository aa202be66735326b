"""Tollbook's own format: the API's usage events, one JSON object per line.

    {"id": "msg-81", "type": "sms", "quantity": "2", "occurred_at": "2026-11-23T14:02:07Z", "to": "12125550142",
     "from": "18005550100", "attributes": {"campaign": "spring"}}

The sender's id is the event's id, unchanged. `occurred_at` must name its zone. `account`, when given, must be the
account that is imported into. Nothing is repaired here: what is no event is an error.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, BinaryIO

import msgspec

from tollbook.usage.event import Event
from tollbook.usage.importers import fields
from tollbook.usage.importers.lines import MAX_LINE_BYTES, Line, lines
from tollbook.usage.importers.row import Reading, Row, Unreadable, judge

_PLACES = -6
_MOST = Decimal(10) ** 12


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """The event as it stands in the file."""

    id: str
    type: str
    quantity: Decimal
    occurred_at: datetime
    account: str = ""
    to: str = ""
    sender: str = msgspec.field(default="", name="from")
    attributes: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(_Wire)


def rows(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    """Every line of the file that is not blank, in its order."""
    for line in lines(stream, MAX_LINE_BYTES):
        if not line.is_blank:
            yield judge(line.number, line.raw, partial(_event, line, reading))


def _event(line: Line, reading: Reading) -> Event:
    if line.cut:
        raise Unreadable("the line is too long for an event")
    wire = _wire(line.text)
    if wire.account and reading.account and wire.account != reading.account:
        raise Unreadable(f"the event belongs to another account, {fields.shown(wire.account)}")
    if not wire.id:
        raise Unreadable("id is empty")
    if wire.occurred_at.tzinfo is None:
        raise Unreadable("occurred_at names no zone; write Z or an offset like -05:00 after the time")
    return Event(
        id=fields.event_id(wire.id),
        type=wire.type,
        quantity=_quantity(wire.quantity),
        occurred_at=wire.occurred_at,
        to=_text(wire.to, "to"),
        sender=_text(wire.sender, "from"),
        attributes=fields.fit_deep(wire.attributes),
    )


def _wire(text: bytes) -> _Wire:
    try:
        return _decoder.decode(text)
    except UnicodeDecodeError as not_text:
        raise Unreadable("holds bytes that are not UTF-8") from not_text
    except msgspec.MsgspecError as broken:
        raise Unreadable(f"not an event: {broken}") from broken


def _quantity(quantity: Decimal) -> Decimal:
    exponent = quantity.as_tuple().exponent
    if not isinstance(exponent, int) or quantity < 0 or quantity >= _MOST:
        raise Unreadable("quantity must be a number from 0 to less than 1,000,000,000,000")
    if exponent < _PLACES and quantity != round(quantity, 6):
        raise Unreadable("quantity has more than 6 places")
    return quantity


def _text(text: str, name: str) -> str:
    if not fields.is_clean(text):
        raise Unreadable(f"{name} holds characters that are not text")
    return text
