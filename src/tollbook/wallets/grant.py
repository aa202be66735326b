"""How much of what was asked for a wallet can grant: pure arithmetic with whole numbers, in whole billing steps.

Quantities are in millionths of the credit type's unit, amounts in millionths of the account's currency. Everything
counts from the beginning of a hold, because the connect fee and the initial block are paid once in a call, not once in
every slice. Prices are those of `rating.price`, to which tests hold this file.
"""

from decimal import Decimal

import msgspec

MILLION = 1_000_000
LARGEST_QUANTITY = 100_000_000 * MILLION
LARGEST_AMOUNT = 1_000_000_000_000 * MILLION
_PER_PIECE = 100 * MILLION
_PER_MINUTE = 60 * _PER_PIECE


class Tariff(msgspec.Struct, frozen=True, gc=False):
    """A rate in whole numbers: millionths of a cent per unit (minute or piece), millionths of the currency, seconds.

    `minimum_micro` is the least that anything billed costs.
    """

    rate_e6: int
    connect_micro: int
    initial_seconds: int
    increment_seconds: int
    timed: bool
    minimum_micro: int = 0


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """One item as asked for, with the rate it falls under: either a quantity or an amount of money, more than zero."""

    type_code: str
    tariff: Tariff
    quantity: int | None = None
    amount: int | None = None
    to: str = ""
    sender: str = ""


class Slice(msgspec.Struct, frozen=True, gc=False):
    """What is set aside for one item from the beginning of its hold: the quantity granted and the money that covers it."""

    quantity: int = 0
    amount: int = 0


NOTHING = Slice()


def in_full(wanted: Wanted, so_far: Slice = NOTHING) -> Slice:
    """What all that is asked for makes, together with what is held. Money covers at least the first billing step."""
    if wanted.quantity is not None:
        quantity = so_far.quantity + wanted.quantity
        return Slice(quantity, max(so_far.amount, cost_of(wanted.tariff, quantity)))
    amount = max(so_far.amount + (wanted.amount or 0), cost_of(wanted.tariff, _least(wanted.tariff)))
    return Slice(max(so_far.quantity, quantity_for(wanted.tariff, amount)), amount)


def at_most(wanted: Wanted, so_far: Slice, available: int) -> Slice | None:
    """The most whole steps that `available` pays for beside what is held; None when that is not one more.

    For what was asked in vain in full, so never more than was asked.
    """
    quantity = quantity_for(wanted.tariff, so_far.amount + available)
    if quantity <= so_far.quantity:
        return None
    return Slice(quantity, max(so_far.amount, cost_of(wanted.tariff, quantity)))


def granted(wanted: Wanted, so_far: Slice, available: int, accept_less: bool) -> Slice | None:
    """What becomes of a wish: all of it, less of it if that is accepted, or None: nothing. Never more than is available."""
    full = in_full(wanted, so_far)
    if full.amount == so_far.amount or full.amount - so_far.amount <= available:
        return full
    return at_most(wanted, so_far, available) if accept_less else None


def is_final(wanted: Wanted, held: Slice, left: int, accept_less: bool) -> bool:
    """Whether the next wish of this kind would be in vain: the same again, or one step more where less is accepted."""
    if accept_less:
        step = 1 if wanted.tariff.timed else MILLION
        more = cost_of(wanted.tariff, held.quantity + step) - held.amount
    else:
        more = in_full(wanted, held).amount - held.amount
    return more > 0 and more > left


def cost_of(tariff: Tariff, quantity: int) -> int:
    """What `quantity` costs in all: rounded once, half away from zero (nothing here is negative)."""
    if quantity <= 0:
        return 0
    if not tariff.timed:
        each = (quantity * tariff.rate_e6 + _PER_PIECE // 2) // _PER_PIECE
        return max(tariff.minimum_micro, tariff.connect_micro + each)
    billed, step = tariff.initial_seconds * MILLION, tariff.increment_seconds * MILLION
    if quantity > billed:
        billed -= (billed - quantity) // step * step
    timed = (billed * tariff.rate_e6 + _PER_MINUTE // 2) // _PER_MINUTE
    return max(tariff.minimum_micro, tariff.connect_micro + timed)


def quantity_for(tariff: Tariff, amount: int) -> int:
    """The whole steps that `amount` pays for in full; zero when not even the first one."""
    left = amount - tariff.connect_micro
    if amount < tariff.minimum_micro:
        return 0
    if left < 0 or tariff.rate_e6 == 0:
        return 0 if left < 0 else LARGEST_QUANTITY
    units = left * (_PER_MINUTE if tariff.timed else _PER_PIECE) // tariff.rate_e6
    first = _least(tariff) if not tariff.timed else tariff.initial_seconds * MILLION
    if units < first:
        return 0
    step = MILLION if not tariff.timed else tariff.increment_seconds * MILLION
    return min(first + (units - first) // step * step, LARGEST_QUANTITY)


def _least(tariff: Tariff) -> int:
    """The least that is billed as a whole first step: any time at all, or one piece."""
    return 1 if tariff.timed else MILLION


def micro(value: Decimal) -> int:
    """A decimal of at most 6 places as millionths."""
    return int(value.scaleb(6))


def decimal(value: int) -> Decimal:
    """Millionths as a decimal."""
    return Decimal(value).scaleb(-6)
