"""How usage, rates and movements of money are put in words."""

from decimal import Decimal

from tollbook.accounts.tables import Account, ZeroRule
from tollbook.rating.price import Terms
from tollbook.rating.tables import CreditType
from tollbook.usage.statement import Opened
from tollbook.web import formats

PER = {CreditType.Unit.SECONDS: "minute", CreditType.Unit.MESSAGES: "message", CreditType.Unit.SEGMENTS: "segment"}
ONE = {CreditType.Unit.MESSAGES: "message", CreditType.Unit.SEGMENTS: "segment"}
CENT_SIGN = {"USD": "¢", "CAD": "¢", "AUD": "¢", "NZD": "¢", "EUR": "ct", "GBP": "p"}

KINDS = {
    "usage": "Usage",
    "refill": "Refill",
    "adjustment": "Adjustment",
    "grant": "Promotional credit",
    "breakage": "Expired credit",
    "reserve": "Held",
    "extend": "Held more",
    "capture": "Hold ended, used",
    "release": "Hold released",
    "expire": "Hold expired",
}


def kind(code: str) -> str:
    """What a movement is called."""
    return KINDS.get(code, code.replace("_", " ").capitalize())


def quantity(value: Decimal, unit: str) -> str:
    """`1 min 06 s`, `1 message`, `3 segments`."""
    if unit == CreditType.Unit.SECONDS:
        return formats.duration(value)
    return f"{formats.number(value)} {ONE.get(CreditType.Unit(unit), unit)}{'' if value == 1 else 's'}"


def plain_quantity(value: Decimal, unit: str) -> str:
    """`66 s`, `1 message`: as arithmetic needs it."""
    return f"{formats.number(value)} s" if unit == CreditType.Unit.SECONDS else quantity(value, unit)


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


def arithmetic(
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
    return f"{text} = {formats.exact_money(cost, currency)}"


def arithmetic_of(opened: Opened, currency: str) -> str:
    """The arithmetic of one event that was debited."""
    used = opened.used
    return arithmetic(
        used.quantity, used.billed, used.rate_cents, used.connect_fee, used.cost, opened.terms, opened.unit, currency
    )


def zero_rule(account: Account) -> str:
    """What happens when a wallet is used up."""
    if account.zero_rule == ZeroRule.OVERDRAFT:
        limit = formats.money(account.overdraft_limit, account.currency)
        return f"Service goes on until a type is {limit} below zero; then new calls and messages of it stop."
    return "New calls and messages of a type stop; what is in progress finishes. A debit never waits for a refill."
