"""One line to be billed, and the lines that fall due together. Values only; `due` makes them, `invoicing` prints them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from tollbook.money.period import Period

RECURRING, SETUP, ONE_OFF = "revenue:recurring", "revenue:setup", "revenue:one_off"
DISCOUNT, MINIMUM = "revenue:discount", "revenue:minimum"


class Charge(msgspec.Struct, frozen=True, gc=False):
    """A line. `amount` has the minor unit of the account's currency and is below zero for what is given back.

    `cause` names what it is charged for and is the same whenever it is computed, so that it can be stored in a unique column
    and billed once. `detail` prints the arithmetic; `amount` need not be `quantity` × `unit_price` (proration, tiers).
    `service_from` and `service_until` are the days it pays for, both included; None is earned at once. `tax_code` is the
    component's tax category, empty for the operator's standard one.
    """

    account_id: UUID
    cause: str
    period: Period
    subscription_id: UUID | None
    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    revenue_code: str
    service_from: date | None = None
    service_until: date | None = None
    tax_code: str = ""


class Due(NamedTuple):
    """What falls due together, on the account's local day `bill_on`: the lines of one invoice, in the order they print.

    `cause` names the invoice. `period` is the account's billing period that begins on that day or contains it. Lines whose
    cause was billed before are to be left out, and lines that sum to less than zero wait for what falls due next
    (`due.billable` does both).
    """

    account_id: UUID
    bill_on: date
    period: Period
    cause: str
    charges: Sequence[Charge]
