"""How usage and movements of money are put in words."""

from decimal import Decimal

from tollbook.accounts.tables import Account, ZeroRule
from tollbook.rating.price import price
from tollbook.rating.tables import CreditType
from tollbook.usage.statement import Opened
from tollbook.web import arithmetic, formats

KINDS = {
    "usage": "Usage",
    "refill": "Refill",
    "adjustment": "Adjustment",
    "grant": "Promotional credit",
    "reversal": "Usage corrected",
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
    return arithmetic.plain_quantity(value, unit)


def arithmetic_of(opened: Opened, currency: str) -> str:
    """The arithmetic of one event that was debited."""
    used = opened.used
    if used.quantity < 0:
        return _arithmetic_of_reversal(opened, currency)
    return arithmetic.told(
        used.quantity, used.billed, used.rate_cents, used.connect_fee, used.cost, opened.terms, opened.unit, currency
    )


def _arithmetic_of_reversal(opened: Opened, currency: str) -> str:
    """`61 s cost $0.0132, 30 s of it cost $0.006: −$0.0072`."""
    used, before = opened.used, opened.reversed_from
    assert before is not None, "a reversal has an original"
    costs = [price(opened.terms, amount).cost for amount in (before, before + used.quantity)]
    was, rest = (formats.exact_money(cost, currency) for cost in costs)
    left = arithmetic.plain_quantity(before + used.quantity, opened.unit)
    told = f"{arithmetic.plain_quantity(before, opened.unit)} cost {was}, {left} cost {rest}"
    return f"{told}: {formats.exact_money(used.cost, currency)}"


def zero_rule(account: Account) -> str:
    """What happens when a wallet is used up."""
    if account.zero_rule == ZeroRule.OVERDRAFT:
        limit = formats.money(account.overdraft_limit, account.currency)
        return f"Service goes on until a type is {limit} below zero; then new calls and messages of it stop."
    return "New calls and messages of a type stop; what is in progress finishes. A debit never waits for a refill."
