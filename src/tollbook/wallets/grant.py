"""How much of what was asked for a wallet can grant: pure arithmetic, in whole billing steps.

Quantities are in the credit type's unit, amounts in the account's currency with 6 places. Everything counts from the
beginning of a hold, because the connect fee and the initial block are paid once in a call, not once in every slice.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from tollbook.money.amount import HUNDRED, MICRO, SIXTY, ZERO
from tollbook.rating.price import Terms, price

LARGEST_QUANTITY = Decimal(100_000_000)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item as asked for, with the rate it falls under: either a quantity or an amount of money, more than zero."""

    type_code: str
    terms: Terms
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """What is set aside for one item from the beginning of its hold: the quantity granted and the money that covers it."""

    quantity: Decimal = ZERO
    amount: Decimal = ZERO


NOTHING = Slice()


def in_full(wanted: Wanted, so_far: Slice = NOTHING) -> Slice:
    """What all that is asked for makes, together with what is held. Money covers at least the first billing step."""
    if wanted.quantity is not None:
        quantity = so_far.quantity + wanted.quantity
        return Slice(quantity, max(so_far.amount, price(wanted.terms, quantity).cost))
    amount = max(so_far.amount + (wanted.amount or ZERO), cost_of_first_step(wanted.terms))
    return Slice(max(so_far.quantity, quantity_for(wanted.terms, amount)), amount)


def at_most(wanted: Wanted, so_far: Slice, available: Decimal) -> Slice | None:
    """The most whole steps that `available` pays for beside what is held; None when not even one.

    For what was asked in vain in full, so never more than that.
    """
    quantity = quantity_for(wanted.terms, so_far.amount + available)
    if quantity <= so_far.quantity:
        return None
    return Slice(quantity, max(so_far.amount, price(wanted.terms, quantity).cost))


def granted(wanted: Wanted, so_far: Slice, available: Decimal, accept_less: bool) -> Slice | None:
    """What becomes of a wish: all of it, less of it if that is accepted, or None: nothing. Never more than is available."""
    full = in_full(wanted, so_far)
    if full.amount == so_far.amount or full.amount - so_far.amount <= available:
        return full
    return at_most(wanted, so_far, available) if accept_less else None


def is_final(wanted: Wanted, held: Slice, left: Decimal, accept_less: bool) -> bool:
    """Whether the next wish of this kind would be in vain: the same again, or one step more where less is accepted."""
    if accept_less:
        quantity = held.quantity + (MICRO if wanted.terms.timed else ONE)
        more = price(wanted.terms, quantity).cost - held.amount
    else:
        more = in_full(wanted, held).amount - held.amount
    return more > 0 and more > left


def cost_of_first_step(terms: Terms) -> Decimal:
    """What the least that can be billed costs: the initial block, or one message."""
    return price(terms, MICRO if terms.timed else ONE).cost


def quantity_for(terms: Terms, amount: Decimal) -> Decimal:
    """The whole steps that `amount` pays for under `terms`; zero when not even the first one."""
    left = amount - terms.connect_fee
    if left < 0 or terms.rate_cents == 0:
        return ZERO if left < 0 else LARGEST_QUANTITY
    units = left * HUNDRED * (SIXTY if terms.timed else ONE) / terms.rate_cents
    if units >= LARGEST_QUANTITY:
        return LARGEST_QUANTITY
    if not terms.timed:
        return units.to_integral_value(ROUND_DOWN)
    initial, step = Decimal(terms.initial_seconds), Decimal(terms.increment_seconds)
    if units < initial:
        return ZERO
    return initial + ((units - initial) / step).to_integral_value(ROUND_DOWN) * step
