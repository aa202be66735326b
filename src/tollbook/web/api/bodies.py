"""What machines send, decoded from the raw bytes into types with exact decimals.

The framework's own decoding would turn JSON numbers into floats first, which can't hold a cent; so handlers take the
body as it came. Unknown members are refused: a misspelt `to` would otherwise be rated as if it were not there.
"""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from tollbook.errors import Invalid

Body = TypeVar("Body")
_PLACE = re.compile(r" - at `\$\.?(.*)`$")


class EventBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One usage event. `quantity` counts what its type counts (seconds, messages, segments); number or decimal string."""

    id: str
    type: str
    quantity: Decimal
    occurred_at: datetime
    account: str | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    attributes: dict[str, Any] | None = None


class ItemBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One item of a hold or a capture: a quantity in the type's unit, or (holds only) an amount of money."""

    type: str
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)


class PlaceBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A hold to place. One item may stand without the list; of several, the first becomes the event `event_id`, each
    further one `<event_id>#<type>`. `accept_less`: grant what there is credit for, in whole steps, rather than refuse."""

    event_id: str
    account: str | None = None
    items: list[ItemBody] | None = None
    type: str | None = None
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    ttl_seconds: int | None = None
    accept_less: bool = False


class ExtendBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How much more to hold. A bare quantity or amount is for a hold of one item. `accept_less` as for a hold to place."""

    items: list[ItemBody] | None = None
    quantity: Decimal | None = None
    amount: Decimal | None = None
    ttl_seconds: int | None = None
    accept_less: bool = False


class CaptureBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was used. A bare quantity is for a hold of one item. `event_id`, when given, must be the hold's. Call records
    that bear the ids of the events (see a hold to place) are the same events."""

    occurred_at: datetime
    items: list[ItemBody] | None = None
    quantity: Decimal | None = None
    event_id: str | None = None
    attributes: dict[str, Any] | None = None


class ReleaseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Why the hold is let go."""

    reason: str = ""


class QuoteBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Something to be rated: a quantity in the type's unit, or a message's text. Now, unless `occurred_at` says when."""

    type: str
    account: str | None = None
    to: str | None = None
    quantity: Decimal | None = None
    text: str | None = None
    occurred_at: datetime | None = None


class RuleBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A refill rule. Amounts in the account's currency, at its minor unit. `version`: the one that was seen, 0 for none."""

    automatic: bool
    refill_amount: Decimal
    minimum_before_refill: Decimal
    monthly_cap: Decimal
    max_charges_per_day: int = 3
    version: int | None = None


class RefillBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A refill to buy: an amount in the account's currency, at its minor unit."""

    amount: Decimal


class Malformed(ValueError):
    """Bytes that are not what they should be: a sentence, the member at fault and the event's id where they are known."""

    def __init__(self, message: str, field: str = "", id: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.id = id


def parse(kind: type[Body], data: bytes | msgspec.Raw) -> Body:
    """The bytes as `kind`. Raises Malformed."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        message, field = _told(str(error))
        raise Malformed(message, field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"This is not JSON: {error}.") from None
    except RecursionError:
        raise Malformed("This JSON is nested too deeply.") from None


def decode(kind: type[Body], body: bytes) -> Body:
    """A whole body as `kind`. Raises Invalid, with the field at fault when one is known."""
    try:
        return parse(kind, body)
    except Malformed as error:
        raise Invalid(error.message, **({"field": error.field} if error.field else {})) from None


def parsed_decimal(text: str, field: str) -> Decimal:
    """A decimal out of an address. Raises Invalid."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid(f"{field} is a decimal, such as 61 or 0.5.", field=field) from None


def _told(text: str) -> tuple[str, str]:
    """msgspec's message as a sentence, and the member it is about."""
    found = _PLACE.search(text)
    field = found[1] if found else ""
    sentence = _PLACE.sub("", text).replace("`", "“", 1).replace("`", "”", 1).replace("`", "“", 1).replace("`", "”", 1)
    return (f"{field}: {sentence}." if field else f"{sentence}."), field
