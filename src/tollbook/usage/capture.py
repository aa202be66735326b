"""Holds seen from usage: price what is to be held, and turn a hold into its usage event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.money.amount import HUNDRED, MICRO, SIXTY, ZERO
from tollbook.postgres.retry import in_transaction
from tollbook.rating.deck import deck_of
from tollbook.rating.price import Terms, price
from tollbook.usage.event import LARGEST_QUANTITY, Event
from tollbook.usage.record import Recorded, record_within
from tollbook.usage.tables import UsageEvent
from tollbook.wallets import hold as holds
from tollbook.wallets.hold import HoldIsOver, Placed, Wanted
from tollbook.wallets.tables import HoldState


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a hold as asked for: either a quantity (type's unit) or an amount (account's currency)."""

    type: str
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture did: the hold's event id, the ids of the events it debited or found debited, and the counts."""

    event_id: str
    event_ids: tuple[str, ...]
    recorded: Recorded


class EventConflict(Conflict):
    """The event was debited before, with another body; nothing was changed."""

    code = "event_conflict"


def reserve(account: Account, event_id: str, items: Sequence[Item], ttl_seconds: int | None = None) -> Placed:
    """Hold what the items will cost. Own transaction; locks the wallets. All or nothing.

    A hold covers at least the initial billing step of its rate. Raises Invalid (no rate, bad quantity),
    InsufficientCredit, Conflict when the event was debited already or has an open hold.
    """
    return in_transaction(lambda: reserve_within(account, event_id, items, ttl_seconds))


def reserve_within(account: Account, event_id: str, items: Sequence[Item], ttl_seconds: int | None = None) -> Placed:
    """As `reserve`, inside the caller's transaction."""
    if not 1 <= len(event_id) <= 200 or not event_id.isprintable():
        raise Invalid("event_id must have 1 to 200 printable characters.", field="event_id")
    ttl = holds.ttl_of(ttl_seconds)
    if UsageEvent.objects.filter(account_id=account.id, event_id=event_id).exists():
        raise Conflict("This event was debited already; there is nothing to hold.", event_id=event_id)
    return holds.place(account, event_id, _priced(account.id, items), ttl)


def extend(account: Account, hold_id: UUID, more: Sequence[Item], ttl_seconds: int | None = None) -> Placed:
    """Hold `more` for something that goes on. Own transaction. As `reserve`; a refusal leaves the hold as it was."""
    return in_transaction(lambda: extend_within(account, hold_id, more, ttl_seconds))


def extend_within(account: Account, hold_id: UUID, more: Sequence[Item], ttl_seconds: int | None = None) -> Placed:
    """As `extend`, inside the caller's transaction."""
    ttl = holds.ttl_of(ttl_seconds)
    destinations = {item.type_code: item for item in holds.items_of(account.id, hold_id)}
    known = [
        replace(item, to=item.to or destinations[item.type].to, sender=item.sender or destinations[item.type].sender)
        if item.type in destinations
        else item
        for item in more
    ]
    return holds.extend(account, hold_id, _priced(account.id, known), ttl)


def capture(
    account: Account, hold_id: UUID, used: Sequence[Item], occurred_at: datetime, attributes: dict[str, Any]
) -> Recorded:
    """Debit what was used and let the rest of the hold go. Own transaction; event keys, wallets, hold, in that order.

    The first item's event carries the hold's event id, each further one `<event id>#<type>`. What was used is debited even
    when it is more than was held. If the call record arrived before, nothing is debited again: it counts as duplicate.
    Raises NotFound, HoldIsOver for a released or expired hold, EventConflict when the event was debited with another
    body, and Invalid when an item can't be rated.
    """
    return in_transaction(lambda: capture_within(account, hold_id, used, occurred_at, attributes)).recorded


def capture_within(
    account: Account, hold_id: UUID, used: Sequence[Item], occurred_at: datetime, attributes: dict[str, Any]
) -> Captured:
    """As `capture`, inside the caller's transaction, which must hold no wallet lock yet; also says which events they are."""
    hold = holds.find(account.id, hold_id)
    held = {item.type_code: item for item in holds.items_of(account.id, hold_id)}
    if not used or len({item.type for item in used}) != len(used):
        raise Invalid("Say what was used: at least one item, each type once.", field="items")
    events = [_event(hold.event_id, place, item, held, occurred_at, attributes) for place, item in enumerate(used)]
    recorded = record_within(account.id, events)
    for rejection in recorded.rejected:
        refusal = EventConflict if rejection.code == EventConflict.code else Invalid
        raise refusal(rejection.message, reason=rejection.code)
    holds.close(account.id, hold_id, HoldState.CAPTURED, "captured")
    if holds.find(account.id, hold_id).state != HoldState.CAPTURED:
        raise HoldIsOver("This hold was released or has expired; send the usage as an event instead.")
    return Captured(hold.event_id, tuple(event.id for event in events), recorded)


def _event(
    event_id: str, place: int, item: Item, held: dict, occurred_at: datetime, attributes: dict[str, Any]
) -> Event:
    if item.quantity is None:
        raise Invalid("What was used is a quantity.", field="quantity")
    known = held.get(item.type)
    return Event(
        id=event_id if place == 0 else f"{event_id}#{item.type}",
        type=item.type,
        quantity=item.quantity,
        occurred_at=occurred_at,
        to=item.to or (known.to if known else ""),
        sender=item.sender or (known.sender if known else ""),
        attributes=attributes,
    )


def _priced(account_id: UUID, items: Sequence[Item]) -> list[Wanted]:
    deck, now = deck_of(account_id), datetime.now(UTC)
    if not items:
        raise Invalid("Say what to hold: at least one item.", field="items")
    return [_wanted(item, deck.find(item.type, item.to, now)) for item in items]


def _wanted(item: Item, terms: Terms | None) -> Wanted:
    if terms is None:
        raise Invalid(f"No rate for {item.type[:40]}{f' to {item.to[:64]}' if item.to else ''}.", field="type")
    if (item.quantity is None) == (item.amount is None):
        raise Invalid("Name either a quantity or an amount.", field="quantity")
    asked = item.quantity if item.quantity is not None else item.amount
    if asked is None or not asked.is_finite() or not 0 < asked <= LARGEST_QUANTITY:
        raise Invalid(f"What is to be held must be more than zero and at most {LARGEST_QUANTITY}.", field="quantity")
    if asked.quantize(MICRO) != asked:
        raise Invalid("What is to be held has at most 6 decimal places.", field="quantity")
    if max(len(item.to), len(item.sender)) > 64 or not (item.to + item.sender).isprintable():
        raise Invalid("to and from have at most 64 printable characters.", field="to")
    quantity = item.quantity if item.quantity is not None else quantity_for(terms, asked)
    return Wanted(item.type, quantity, item.amount or price(terms, quantity).cost, item.to, item.sender)


def quantity_for(terms: Terms, amount: Decimal) -> Decimal:
    """How many whole units of quantity `amount` pays for under `terms`; zero when not even the first step."""
    left = amount - terms.connect_fee
    if left < 0 or terms.rate_cents == 0:
        return ZERO if left < 0 else LARGEST_QUANTITY
    units = left * HUNDRED / terms.rate_cents
    if not terms.timed:
        return units.to_integral_value(ROUND_DOWN)
    seconds, initial, step = units * SIXTY, Decimal(terms.initial_seconds), Decimal(terms.increment_seconds)
    if seconds < initial:
        return ZERO
    return initial + ((seconds - initial) / step).to_integral_value(ROUND_DOWN) * step
