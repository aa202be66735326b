"""Whether a webhook comes from Stripe, and what it is about.

https://docs.stripe.com/webhooks#verify-manually: the header has a time and signatures; each is an HMAC-SHA256 of
"time.body". Beyond what the SDK does, the time must not lie in the future either, several secrets may be valid while one
is being replaced, and the signature is checked over the bytes that came, not over a decoded text.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from tollbook.payments.gateway import EventKind, GatewayEvent, NotGenuine

TOLERANCE = timedelta(minutes=5)
HEADER = "stripe-signature"
MOST_SIGNATURES = 20
KINDS: tuple[tuple[str, EventKind], ...] = (
    ("payment_intent.", "charge"),
    ("charge.dispute.", "dispute"),
    ("charge.refund.", "refund"),
    ("refund.", "refund"),
    ("charge.", "charge"),
    ("checkout.session.", "page"),
    ("payment_method.automatically_updated", "card"),
    ("payment_method.updated", "card"),
)
"""By the beginning of an event's type; the first that fits."""


def event_of(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> GatewayEvent:
    """The event in a genuine webhook. Raises NotGenuine."""
    verify(headers.get(HEADER, ""), body, secrets, now)
    try:
        event = json.loads(body)
        kind, reference = _about(event["type"], event["data"]["object"])
        return GatewayEvent(_word(event["id"]), kind, reference, datetime.fromtimestamp(event["created"], UTC))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, RecursionError) as error:
        raise NotGenuine(f"signed, but not an event: {type(error).__name__}") from None


def verify(header: str, body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Raises NotGenuine unless one of the `secrets` signed this body at a time within the tolerance of `now`."""
    sent, signatures = _parts(header)
    if abs(now.timestamp() - sent) > TOLERANCE.total_seconds():
        raise NotGenuine("signed too long ago, or in the future")
    signed = b"%d." % sent + body
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets if secret]
    fitting = sum(hmac.compare_digest(mine, theirs) for mine in expected for theirs in signatures)  # all are compared
    if fitting == 0:
        raise NotGenuine("not signed with any of our secrets")


def _parts(header: str) -> tuple[int, list[bytes]]:
    """The one time and the signatures of the known scheme."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode() for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12:
        raise NotGenuine("no time, or several")
    if not 1 <= len(signatures) <= MOST_SIGNATURES:
        raise NotGenuine("no signature, or too many")
    return int(times[0]), signatures


def _about(type_: str, thing: Mapping[str, Any]) -> tuple[EventKind, str]:
    kind: EventKind = next((kind for start, kind in KINDS if type_.startswith(start)), "other")
    if kind == "charge" and thing.get("object") == "charge":
        reference = thing.get("payment_intent")
        return ("charge", _word(reference)) if reference else ("other", _word(thing["id"]))
    return kind, _word(thing.get("id") or "none")


def _word(value: object) -> str:
    """An id as Stripe makes them; what is stored must not be anything else. Raises ValueError."""
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and 1 <= len(value) <= 120):
        raise ValueError("not an id")
    return value
