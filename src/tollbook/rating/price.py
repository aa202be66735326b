"""Pure arithmetic: the billed quantity and the cost of one quantity under one rate.

Rules (DESIGN, "Rating of time"): zero costs nothing, not even the connect fee. Time is billed as `initial_seconds`, then
in whole steps of `increment_seconds`, and rated per minute; messages and segments are billed as they are, and rated each.
`cost = connect_fee + billed units x rate_cents / 100`, rounded once, half away from zero, to 6 places.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from uuid import UUID

from tollbook.money.amount import HUNDRED, SIXTY, ZERO, to_micro


@dataclass(frozen=True, slots=True)
class Terms:
    """One rate, as rating needs it. `timed` when quantity counts seconds. Times are aware; `valid_until` exclusive."""

    account_id: UUID
    id: UUID
    prefix: str
    rate_cents: Decimal
    connect_fee: Decimal
    initial_seconds: int
    increment_seconds: int
    timed: bool
    valid_from: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Priced:
    """What a quantity is billed as (type's unit) and costs (account's currency, 6 places)."""

    billed: Decimal
    cost: Decimal


def price(terms: Terms, quantity: Decimal) -> Priced:
    """The billed quantity and the cost of `quantity` (>= 0, in the type's unit) under `terms`."""
    if quantity <= 0:
        return Priced(ZERO, ZERO)
    billed = billed_seconds(terms, quantity) if terms.timed else quantity
    # One division, the last step: a quotient cut before the multiplication would round a second time.
    divisor = HUNDRED * SIXTY if terms.timed else HUNDRED
    return Priced(billed, to_micro(terms.connect_fee + billed * terms.rate_cents / divisor))


def billed_seconds(terms: Terms, seconds: Decimal) -> Decimal:
    """Raw seconds as billed: `initial_seconds` at least, then whole steps of `increment_seconds`."""
    initial, step = Decimal(terms.initial_seconds), Decimal(terms.increment_seconds)
    if seconds <= initial:
        return initial
    return initial + ((seconds - initial) / step).to_integral_value(ROUND_CEILING) * step
