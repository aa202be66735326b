"""Amounts: exact decimals, and the one rounding rule of Tollbook.

Inside, money has 6 places in the account's currency (`numeric(20,6)`). Invoices and cards have the currency's minor
unit. Rounding is half away from zero, once per event. Floats are refused: they cannot hold a cent.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext
from functools import cache

MICRO = Decimal("0.000001")
ZERO, SIXTY, HUNDRED = Decimal(0), Decimal(60), Decimal(100)
LARGEST = Decimal("99999999999999.999999")

_ROOM = Context(prec=60)
"""Places enough for any amount; a rounding that made a context of its own would take four times as long."""

# Commas only between thousands: a decimal comma would otherwise turn 12,50 into 1250.
_WRITTEN = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?|[+-]?\.\d+", re.ASCII)

_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
MINOR_PLACES = {currency: places for places, currencies in _PLACES.items() for currency in currencies.split()}
"""Decimal places of ISO 4217 minor units that differ from two, all of them."""


def to_micro(value: Decimal) -> Decimal:
    """`value` rounded to 6 places, half away from zero: the one rounding of an event's cost."""
    return _quantize(value, MICRO)


@cache
def minor_unit(currency: str) -> Decimal:
    """The smallest amount an invoice or a card charge can have: 0.01 for USD, 1 for JPY, 0.001 for KWD."""
    return Decimal(1).scaleb(-MINOR_PLACES.get(currency, 2))


def to_minor(value: Decimal, currency: str) -> Decimal:
    """`value` rounded to the currency's minor unit, half away from zero."""
    return _quantize(value, minor_unit(currency))


def parse_amount(text: str, currency: str | None = None) -> Decimal:
    """A decimal that a person or a machine wrote: `1234.5`, `1,234.50`, `$10`. Exact or refused, never rounded.

    With a currency, at most its minor places are taken; without, six. Raises ValueError with a sentence.
    """
    cleaned = text.strip().replace("\u2212", "-").replace("$", "")
    if not _WRITTEN.fullmatch(cleaned):
        raise ValueError(f"“{text}” is not an amount; write it like 250.00")
    value = Decimal(cleaned.replace(",", ""))
    if not value.is_finite() or abs(value) > LARGEST:
        raise ValueError(f"“{text}” is not an amount that can be booked")
    smallest = minor_unit(currency) if currency else MICRO
    rounded = _quantize(value, smallest)
    if rounded != value:
        raise ValueError(f"“{text}” has more decimal places than {max(0, -int(smallest.as_tuple().exponent))}")
    return rounded


def split(total: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """`total` in parts proportional to `weights`, each a multiple of `unit`, summing exactly to `total`.

    Largest remainder: what rounding down leaves is dealt, one unit each, to the parts that lost most (ties: the first).
    `total` must itself be a multiple of `unit`; weights must not be negative and not all zero.
    """
    whole = sum(weights, ZERO)
    if whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative and not all be zero")
    sign, size = (-1 if total < 0 else 1), abs(total)
    with localcontext() as context:
        context.prec = 60
        exact = [size * weight / whole for weight in weights]
        parts = [share.quantize(unit, ROUND_DOWN) for share in exact]
        missing = int((size - sum(parts, ZERO)) / unit)
        losses = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in losses[:missing]:
        parts[index] += unit
    return [sign * part for part in parts]


def whole_multiples_above(gap: Decimal, step: Decimal) -> int:
    """The smallest number of whole `step`s whose sum is strictly more than `gap`; at least 1. `step` must be positive."""
    if step <= 0:
        raise ValueError("the step must be positive")
    return max(1, int(gap // step) + 1)


def _quantize(value: Decimal, unit: Decimal) -> Decimal:
    if isinstance(value, float):
        raise TypeError("money is never a float")
    return value.quantize(unit, ROUND_HALF_UP, _ROOM)
