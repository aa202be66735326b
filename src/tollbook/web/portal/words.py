"""How usage and movements of money are put in words."""

from decimal import Decimal

from tollbook.accounts.tables import Account, ZeroRule
from tollbook.rating.tables import CreditType
from tollbook.usage.statement import Opened
from tollbook.web import arithmetic, formats

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
    return arithmetic.plain_quantity(value, unit)


def arithmetic_of(opened: Opened, currency: str) -> str:
    """The arithmetic of one event that was debited."""
    used = opened.used
    return arithmetic.told(
        used.quantity, used.billed, used.rate_cents, used.connect_fee, used.cost, opened.terms, opened.unit, currency
    )


def zero_rule(account: Account) -> str:
    """What happens when a wallet is used up."""
    if account.zero_rule == ZeroRule.OVERDRAFT:
        limit = formats.money(account.overdraft_limit, account.currency)
        return f"Service goes on until a type is {limit} below zero; then new calls and messages of it stop."
    return "New calls and messages of a type stop; what is in progress finishes. A debit never waits for a refill."
