"""Charge models of a component: what a quantity costs for a whole period, exactly, and that arithmetic as a sentence.

Per unit: quantity × price. Flat: the price, whatever the quantity. Graduated: each unit at its own tier's price; volume: all
units at the price of the tier that the last one falls into; package: so much for each package that is begun, after the
free units. The arithmetic of the last three is that of `rating.charges`, which conformance/charges.json holds to what
others publish.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from django.db import models

from tollbook.errors import Invalid
from tollbook.money.amount import LARGEST, MICRO, ZERO, minor_unit
from tollbook.money.written import with_symbol
from tollbook.rating.charges import Tier, graduated, package, volume


class Model(models.TextChoices):
    """How a quantity becomes an amount."""

    PER_UNIT = "per_unit", "Per unit"
    FLAT = "flat", "Flat"
    GRADUATED = "graduated", "Graduated tiers"
    VOLUME = "volume", "Volume tiers"
    PACKAGE = "package", "Packages"


class Price(msgspec.Struct, frozen=True, gc=False):
    """A price for a period. `amount` is for one (per unit), for all (flat), or for a package of `size` units; tiers
    have prices of their own. Up to 6 places, in the account's currency.
    """

    model: str
    amount: Decimal
    tiers: tuple[Tier, ...] = ()
    size: Decimal = Decimal(1)
    free_units: Decimal = ZERO

    def whole(self, quantity: Decimal) -> Decimal:
        """What `quantity` costs for a whole period, before any rounding to the currency."""
        if self.model == Model.PER_UNIT:
            return quantity * self.amount
        return _whole(self, quantity)


def of(model: str, amount: Decimal, scheme: Mapping[str, Any]) -> Price:
    """A price as it is stored: its model, its amount, and the `scheme` of tiers or packages (see `scheme_of`)."""
    if not scheme:
        return Price(model, amount)
    tiers = tuple(_tier(each) for each in scheme.get("tiers", ()))
    size, free = Decimal(scheme.get("size", 1)), Decimal(scheme.get("free_units", 0))
    return Price(model, amount, tiers, size, free)


def scheme_of(price: Price) -> dict[str, Any]:
    """What of a price is stored beside its model and amount: `{"tiers": [{"up_to", "price", "flat_fee"}]}` or `{"size",
    "free_units"}`, numbers as strings.
    """
    if price.tiers:
        return {"tiers": [_written(tier) for tier in price.tiers]}
    if price.model == Model.PACKAGE:
        return {"size": str(price.size), "free_units": str(price.free_units)}
    return {}


def check(price: Price) -> None:
    """Raise Invalid, with the field, unless this can be a price: nothing below zero, at most 6 places, tiers in order."""
    check_amount(price.amount)
    if price.model not in Model.values:
        raise Invalid(f"“{price.model}” is not a charge model.", field="model")
    tiered = price.model in (Model.GRADUATED, Model.VOLUME)
    if tiered != bool(price.tiers):
        raise Invalid("Graduated and volume prices have tiers; others have none.", field="tiers")
    for tier in price.tiers:
        check_amount(tier.price, "tiers")
        check_amount(tier.flat_fee, "tiers")
    if price.free_units < 0:
        raise Invalid("Free units are zero or more.", field="free_units")
    price.whole(Decimal(1))


def check_amount(amount: Decimal, field: str = "price") -> None:
    """Raise Invalid unless `amount` can be a price of one: not negative, at most 6 places."""
    if not amount.is_finite() or not 0 <= amount <= LARGEST or amount.quantize(MICRO) != amount:
        raise Invalid("A price is zero or more and has at most 6 decimal places.", field=field)


def told(price: Price) -> str:
    """A price in a few words, for the audit trail and for lists, without a currency: `24.995`, `10 up to 5, 8 beyond`."""
    if price.tiers:
        return f"{Model(price.model).label}: " + ", ".join(_tier_told(tier) for tier in price.tiers)
    amount = plain(price.amount)
    if price.model == Model.PACKAGE:
        free = f" after {plain(price.free_units)} free" if price.free_units else ""
        return f"{amount} for each {plain(price.size)}{free}"
    return f"{amount} flat" if price.model == Model.FLAT else amount


def arithmetic(price: Price, quantity: Decimal, currency: str) -> str:
    """How `quantity` comes to its amount: `10 × $5.00 + 5 × $4.00`; the plain price when there is nothing to explain."""
    if price.model == Model.FLAT:
        return exact(price.amount, currency)
    if price.model == Model.PACKAGE:
        begun = int(package(quantity, price.size, Decimal(1), price.free_units))
        free = f" after {plain(price.free_units)} free" if price.free_units else ""
        return f"{begun} × {exact(price.amount, currency)} for each {plain(price.size)}{free}"
    if price.model == Model.PER_UNIT:
        return f"{plain(quantity)} × {exact(price.amount, currency)}"
    return " + ".join(_parts(price, quantity, currency)) or exact(ZERO, currency)


def _parts(price: Price, quantity: Decimal, currency: str) -> Sequence[str]:
    below, parts = ZERO, []
    for tier in price.tiers:
        top = quantity if tier.up_to is None else min(quantity, tier.up_to)
        reached = tier.up_to is None or quantity <= tier.up_to
        inside = quantity if price.model == Model.VOLUME and reached else top - below
        if inside > 0 and (price.model == Model.GRADUATED or reached):
            parts.append(f"{plain(inside)} × {exact(tier.price, currency)}")
            parts += [exact(tier.flat_fee, currency)] if tier.flat_fee else []
        below = top
        if reached:
            break
    return parts


@lru_cache(maxsize=16384)
def _whole(price: Price, quantity: Decimal) -> Decimal:
    if price.model == Model.FLAT:
        return price.amount
    if price.model == Model.PACKAGE:
        return package(quantity, price.size, price.amount, price.free_units)
    return graduated(quantity, price.tiers) if price.model == Model.GRADUATED else volume(quantity, price.tiers)


def _tier(stored: Mapping[str, Any]) -> Tier:
    up_to = stored.get("up_to")
    return Tier(None if up_to is None else Decimal(up_to), Decimal(stored["price"]), Decimal(stored.get("flat_fee", 0)))


def _tier_told(tier: Tier) -> str:
    fee = f" and {plain(tier.flat_fee)}" if tier.flat_fee else ""
    return f"{plain(tier.price)}{fee} " + ("beyond" if tier.up_to is None else f"up to {plain(tier.up_to)}")


def _written(tier: Tier) -> dict[str, Any]:
    up_to = None if tier.up_to is None else str(tier.up_to)
    return {"up_to": up_to, "price": str(tier.price), "flat_fee": str(tier.flat_fee)}


def plain(value: Decimal) -> str:
    """`7.5`: a quantity without trailing zeros."""
    return f"{value.normalize():f}"


def exact(value: Decimal, currency: str) -> str:
    """`$0.0132`: an amount with every place it has and at least those of its currency."""
    trimmed = value.normalize()
    unit = min(minor_unit(currency), Decimal(1).scaleb(int(trimmed.as_tuple().exponent)))
    return with_symbol(trimmed.quantize(unit), currency)
