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


class Quote(msgspec.Struct, frozen=True):
    """What a quantity would cost now: its rate in cents per unit, the billed quantity, the cost."""

    type: str
    to: str
    prefix: str
    rate_cents: Decimal
    connect_fee: Decimal
    initial_seconds: int
    increment_seconds: int
    quantity: Decimal
    billed_quantity: Decimal
    cost: Decimal
    description: str = ""
    is_own: bool = False
