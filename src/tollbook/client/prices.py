"""Wallets, and what something would cost. Amounts are in the account's currency."""

from datetime import datetime
from decimal import Decimal

import msgspec


class Wallet(msgspec.Struct, frozen=True):
    """One wallet, as of now: available = balance - held + overdraft limit. `rate_cents`: one unit, to a destination that is
    not listed. The refill fields are None without a rule."""

    type: str
    name: str
    unit: str
    currency: str
    balance: Decimal
    held: Decimal
    available: Decimal
    used_percent: Decimal
    rate_cents: Decimal | None = None
    granted: Decimal = Decimal(0)
    funded_at: datetime | None = None
    automatic_refill: bool = False
    refill_amount: Decimal | None = None
    minimum_before_refill: Decimal | None = None


class Wallets(msgspec.Struct, frozen=True):
    """Every wallet of an account, in the order of the credit types."""

    items: tuple[Wallet, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be rated: a quantity in the type's unit, or a message's text. Now, unless `occurred_at` says when."""

    type: str
    account: str | None = None
    to: str | None = None
    quantity: Decimal | int | None = None
    text: str | None = None
    occurred_at: datetime | None = None


class Quote(msgspec.Struct, frozen=True):
    """What one thing would cost, and why: the rate in cents per unit, what is billed, the cost, the arithmetic in words."""

    index: int
    account: str
    type: str
    to: str
    quantity: Decimal
    billed_quantity: Decimal
    prefix: str
    rate_cents: Decimal
    connect_fee: Decimal
    initial_seconds: int
    increment_seconds: int
    cost: Decimal
    currency: str
    arithmetic: str = ""
    description: str = ""
    is_own: bool = False
    encoding: str | None = None


class NoQuote(msgspec.Struct, frozen=True):
    """Something without a price: its place among the questions, a stable code, why. Such an event would be rejected."""

    index: int
    code: str
    message: str


class Quotes(msgspec.Struct, frozen=True):
    """The prices, and what has none, each in the order of the questions."""

    quotes: tuple[Quote, ...]
    rejected: tuple[NoQuote, ...]
