"""Pure arithmetic: the billed quantity and the cost of one quantity under one rate.

Rules (DESIGN, "Rating of time"): zero costs nothing, not even the connect fee. Time is billed as `initial_seconds`, then
in whole steps of `increment_seconds`, and rated per minute; messages and segments are billed as they are, and rated each.
`cost = connect_fee + billed units x rate_cents / 100`, rounded once, half away from zero, to 6 places, and at least
`minimum_charge`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

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
    minimum_charge: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Priced:
    """What a quantity is billed as (type's unit) and costs (account's currency, 6 places)."""

    billed: Decimal
    cost: Decimal


class ManyTerms(Protocol):
    """Rates in columns, a row for each event: millionths of a cent per unit, millionths of the currency, seconds."""

    @property
    def rate_e6(self) -> NDArray[np.int64]: ...

    @property
    def connect_micro(self) -> NDArray[np.int64]: ...

    @property
    def minimum_micro(self) -> NDArray[np.int64]: ...

    @property
    def initial(self) -> NDArray[np.int64]: ...

    @property
    def increment(self) -> NDArray[np.int64]: ...

    @property
    def timed(self) -> NDArray[np.bool_]: ...


def price(terms: Terms, quantity: Decimal) -> Priced:
    """The billed quantity and the cost of `quantity` (>= 0, in the type's unit) under `terms`."""
    if quantity <= 0:
        return Priced(ZERO, ZERO)
    billed = billed_seconds(terms, quantity) if terms.timed else quantity
    # One division, the last step: a quotient cut before the multiplication would round a second time.
    divisor = HUNDRED * SIXTY if terms.timed else HUNDRED
    return Priced(billed, max(terms.minimum_charge, to_micro(terms.connect_fee + billed * terms.rate_cents / divisor)))


def billed_seconds(terms: Terms, seconds: Decimal) -> Decimal:
    """Raw seconds as billed: `initial_seconds` at least, then whole steps of `increment_seconds`."""
    initial, step = Decimal(terms.initial_seconds), Decimal(terms.increment_seconds)
    if seconds <= initial:
        return initial
    return initial + ((seconds - initial) / step).to_integral_value(ROUND_CEILING) * step


def price_many(terms: ManyTerms, quantity_micro: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `price`, of many at once: billed quantities and costs, all in millionths. Exact: products that 64 bits can't hold
    are left to `price`. Raises OverflowError for a quantity or a cost that can't be told in 64 bits of millionths.
    """
    billed = np.where(terms.timed, _billed_micro(terms, quantity_micro), quantity_micro)
    divisor = np.where(terms.timed, _PER_MINUTE, _PER_PIECE)
    # Nothing here is negative, so half up is half away from zero. The bound leaves room for what floats can't tell.
    large = billed.astype(np.float64) * terms.rate_e6 > _LARGEST_PRODUCT
    product = billed * np.where(large, 0, terms.rate_e6)
    cost = np.maximum(terms.minimum_micro, terms.connect_micro + (product + divisor // 2) // divisor)
    nothing = quantity_micro <= 0
    billed[nothing] = cost[nothing] = 0
    for row in np.flatnonzero(large & ~nothing):
        billed[row], cost[row] = _price_one(terms, int(row), int(quantity_micro[row]))
    return billed, cost


_MICRO = 1_000_000
_PER_PIECE = 100 * _MICRO
_PER_MINUTE = 60 * _PER_PIECE
_LARGEST_PRODUCT = 2.0**62
_SOME_DAY = datetime(1970, 1, 1, tzinfo=UTC)


def _billed_micro(terms: ManyTerms, micro: NDArray[np.int64]) -> NDArray[np.int64]:
    initial, step = terms.initial * _MICRO, terms.increment * _MICRO
    return initial + np.maximum(0, -((initial - micro) // step)) * step


def _price_one(terms: ManyTerms, row: int, micro: int) -> tuple[int, int]:
    """One row by `price`, with whole numbers of millionths."""
    one = Terms(
        account_id=UUID(int=0),
        id=UUID(int=0),
        prefix="",
        rate_cents=Decimal(int(terms.rate_e6[row])).scaleb(-6),
        connect_fee=Decimal(int(terms.connect_micro[row])).scaleb(-6),
        initial_seconds=int(terms.initial[row]),
        increment_seconds=int(terms.increment[row]),
        timed=bool(terms.timed[row]),
        valid_from=_SOME_DAY,
        valid_until=None,
        minimum_charge=Decimal(int(terms.minimum_micro[row])).scaleb(-6),
    )
    priced = price(one, Decimal(micro).scaleb(-6))
    return int(priced.billed.scaleb(6)), int(priced.cost.scaleb(6))
