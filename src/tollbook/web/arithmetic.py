"""How a cost comes about, in words: what was used, what is billed of it, by which rate. The same for people and machines."""

from dataclasses import replace
from decimal import Decimal

from tollbook.money.amount import ZERO
from tollbook.rating.price import Terms, price
from tollbook.rating.tables import CreditType
from tollbook.web import formats

PER = {CreditType.Unit.SECONDS: "minute", CreditType.Unit.MESSAGES: "message", CreditType.Unit.SEGMENTS: "segment"}
ONE = {CreditType.Unit.MESSAGES: "message", CreditType.Unit.SEGMENTS: "segment"}
CENT_SIGN = {"USD": "¢", "CAD": "¢", "AUD": "¢", "NZD": "¢", "EUR": "ct", "GBP": "p"}


def plain_quantity(value: Decimal, unit: str) -> str:
    """`66 s`, `1 message`, `3 segments`: as arithmetic needs it."""
    if unit == CreditType.Unit.SECONDS:
        return f"{formats.number(value)} s"
    return f"{formats.number(value)} {ONE.get(CreditType.Unit(unit), unit)}{'' if value == 1 else 's'}"


def rate(cents: Decimal, unit: str, currency: str) -> str:
    """`1.20 ¢/min`, `0.10 ¢`."""
    sign = CENT_SIGN.get(currency, "cents")
    return f"{formats.cents(cents)} {sign}" + ("/min" if unit == CreditType.Unit.SECONDS else "")


def steps(terms: Terms) -> str:
    """`6 s steps`, `first 30 s, then 6 s steps`; empty where every second counts by itself or nothing is timed."""
    if not terms.timed or (terms.initial_seconds, terms.increment_seconds) == (1, 1):
        return ""
    if terms.initial_seconds == terms.increment_seconds:
        return f"{terms.increment_seconds} s steps"
    return f"first {terms.initial_seconds} s, then {terms.increment_seconds} s steps"


def told(
    raw: Decimal, billed: Decimal, cents: Decimal, fee: Decimal, cost: Decimal, terms: Terms, unit: str, currency: str
) -> str:
    """How a cost comes about: `61 s, billed 66 s (6 s steps) x 1.20 ¢/min = $0.0132`."""
    if billed == 0:
        return f"{plain_quantity(raw, unit)}: nothing to bill = {formats.exact_money(cost, currency)}"
    text = plain_quantity(raw, unit)
    if billed != raw:
        text += f", billed {plain_quantity(billed, unit)}"
        text += f" ({steps(terms)})" if steps(terms) else ""
    text += f" x {rate(cents, unit, currency)}"
    if fee:
        text += f" + {formats.exact_money(fee, currency)} connection fee"
    unraised = price(replace(terms, minimum_charge=ZERO), raw).cost if terms.minimum_charge else cost
    if unraised < cost == terms.minimum_charge:
        return f"{text} = {formats.exact_money(unraised, currency)}, at least {formats.exact_money(cost, currency)}"
    return f"{text} = {formats.exact_money(cost, currency)}"
