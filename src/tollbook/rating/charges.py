"""Charge models beside the plain rate: pure arithmetic over what a period's usage comes to.

Units and amounts are decimals; a price is for one unit, in the currency. Every result is rounded once, half away from zero,
to 6 places. The vectors in conformance/charges.json, with their public sources, hold this file to what it says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from tollbook.errors import Invalid
from tollbook.money.amount import HUNDRED, ZERO, to_micro


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a price list, up to and with `up_to` units in all (None: without end). `price` is for a unit or a part of
    one; with `block`, for each block of so many units that is begun. `flat_fee` is for the tier itself, once it is reached.
    """

    up_to: Decimal | None
    price: Decimal
    flat_fee: Decimal = ZERO
    block: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of amounts, in per cent, and a fee for each. The first `free_events` are free, as far as their amounts come
    to `free_amount` at most (None: no such limit; neither: nothing is free).
    """

    rate: Decimal
    fee: Decimal = ZERO
    free_events: int | None = None
    free_amount: Decimal | None = None


def package(units: Decimal, size: Decimal, price: Decimal, free_units: Decimal = ZERO) -> Decimal:
    """So much for each package of `size` units that is begun, after the free ones."""
    _check_size(size)
    return to_micro(_blocks(max(ZERO, units - free_units), size) * price)


def graduated(units: Decimal, tiers: Sequence[Tier]) -> Decimal:
    """Each unit at the price of the tier it falls into (elsewhere called "all tiers")."""
    _check(tiers)
    total, below = ZERO, ZERO
    for tier in tiers:
        inside = (units if tier.up_to is None else min(units, tier.up_to)) - below
        if inside <= 0:
            break
        total += tier.flat_fee + _blocks(inside, tier.block) * tier.price
        below += inside
    return to_micro(total)


def volume(units: Decimal, tiers: Sequence[Tier]) -> Decimal:
    """All units at the price of the tier that the last one falls into (elsewhere called "top tier")."""
    _check(tiers)
    if units <= 0:
        return ZERO
    tier = next(tier for tier in tiers if tier.up_to is None or units <= tier.up_to)
    return to_micro(tier.flat_fee + _blocks(units, tier.block) * tier.price)


def percentage(amounts: Sequence[Decimal], terms: Percentage) -> Decimal:
    """A share of the amounts of a period, in the order in which they came, and a fee for each that is not free."""
    free_count, free_amount = _free(amounts, terms)
    chargeable = sum(amounts, ZERO) - free_amount
    return to_micro(chargeable * terms.rate / HUNDRED + (len(amounts) - free_count) * terms.fee)


def marginal(model: Callable[[Decimal], Decimal], before: Decimal, units: Decimal) -> Decimal:
    """What `units` more cost after `before` ones of the same period: how a prepaid wallet is debited event by event. The
    parts add up to what the model makes of the whole.
    """
    return model(before + units) - model(before)


def true_up(charged: Decimal, minimum: Decimal) -> Decimal:
    """What is missing of an agreed minimum."""
    return max(ZERO, minimum - charged)


def _blocks(units: Decimal, size: Decimal | None) -> Decimal:
    """How many blocks are begun; without blocks, the units themselves."""
    if size is None:
        return units
    whole = units // size
    return whole if whole * size == units else whole + 1


def _free(amounts: Sequence[Decimal], terms: Percentage) -> tuple[int, Decimal]:
    """How many of the first amounts are free of the fee, and how much is free of the share."""
    if terms.free_events is None and terms.free_amount is None:
        return 0, ZERO
    first = amounts[: len(amounts) if terms.free_events is None else terms.free_events]
    whole = sum(first, ZERO)
    if terms.free_amount is None:
        return len(first), whole
    return sum(total <= terms.free_amount for total in accumulate(first)), min(whole, terms.free_amount)


def _check(tiers: Sequence[Tier]) -> None:
    """Raise Invalid for tiers that do not follow each other without end."""
    ends = [tier.up_to for tier in tiers]
    bounds = [end for end in ends if end is not None]
    if not ends or ends[-1] is not None or len(bounds) != len(ends) - 1:
        raise Invalid("The last tier, and no other, is without end.", field="up_to")
    if any(low >= high for low, high in zip([ZERO, *bounds], bounds, strict=False)):
        raise Invalid("Each tier ends after the one before it.", field="up_to")
    for tier in tiers:
        _check_size(tier.block)


def _check_size(size: Decimal | None) -> None:
    if size is not None and size <= 0:
        raise Invalid("A block or a package has more than nothing in it.", field="block")
