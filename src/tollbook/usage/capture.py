"""Holds seen from usage: rate what is to be held, and turn a hold into its usage events.

The event id that names a hold is the id of the first item's event; the event of every other item is `<event id>#<type>`.
Call records that bear these ids are the same events: whichever comes first is debited, the others are duplicates.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, Refused
from tollbook.money.amount import MICRO
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.deck import Deck, deck_of
from tollbook.rating.price import Terms
from tollbook.usage.event import LARGEST_QUANTITY, Event
from tollbook.usage.record import Recorded, record_within
from tollbook.wallets import hold as holds
from tollbook.wallets import reserve as reserving
from tollbook.wallets.grant import Wanted
from tollbook.wallets.hold import HoldIsOver, Placed, event_name
from tollbook.wallets.reserve import Extension, Reservation
from tollbook.wallets.tables import HoldItem, HoldState

SQL = load(__file__)
LONGEST_ID = 200
Answer = TypeVar("Answer")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Item:
    """One item as asked for: either a quantity (type's unit) or an amount (account's currency).

    Without a type it is about the only item of a hold.
    """

    type: str = ""
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Reserve:
    """A hold to place for something about to happen. With `accept_less`, a part of each item is better than nothing."""

    account_id: UUID
    event_id: str
    items: Sequence[Item]
    ttl_seconds: int | None = None
    accept_less: bool = False


@dataclass(frozen=True, slots=True)
class Extend:
    """How much more to hold for something that goes on."""

    account_id: UUID
    hold_id: UUID
    items: Sequence[Item]
    ttl_seconds: int | None = None
    accept_less: bool = False


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture did: the hold's event id, the ids of the events it debited or found debited, and the counts."""

    event_id: str
    event_ids: tuple[str, ...]
    recorded: Recorded


class EventConflict(Conflict):
    """The event was debited before, with another body; nothing was changed."""

    code = "event_conflict"


def reserve_many(asked: Sequence[Reserve]) -> list[Placed | Refused]:
    """Place holds of any accounts, in order of arrival; for each the hold or why not. A refusal touches no other request.

    A refusal is Invalid (no rate, bad quantity), InsufficientCredit, or Conflict when the event was debited already or has
    an open hold. Transaction: the caller's, repeated as a whole by `in_transaction`. Locks: wallets, by account and id.
    """
    decks, now = _decks(asked), datetime.now(UTC)
    wanted = [_tried(_reservation, one, decks[one.account_id], now) for one in asked]
    good = _good(wanted)
    purses = reserving.lock_for(good)
    debited = _debited(good)  # under the locks: who debits meanwhile waits for them, or has been seen
    checked = [_not_debited(one, debited) if isinstance(one, Reservation) else one for one in wanted]
    return _merged(checked, reserving.place_many(_good(checked), purses))


def reserve(
    account: Account, event_id: str, items: Sequence[Item], ttl_seconds: int | None = None, accept_less: bool = False
) -> Placed:
    """Hold what the items will cost: all of it or, with `accept_less`, as many billing steps as there is credit for.

    Own transaction; locks the wallets. Raises what `reserve_many` answers as a refusal.
    """
    return in_transaction(lambda: reserve_within(Reserve(account.id, event_id, items, ttl_seconds, accept_less)))


def reserve_within(asked: Reserve) -> Placed:
    """As `reserve`, inside the caller's transaction."""
    return _only(reserve_many([asked]))


def extend_many(asked: Sequence[Extend]) -> list[Placed | Refused]:
    """Hold more for what goes on, of any accounts, in order of arrival; for each the hold as it is then, or why not.

    A refusal leaves its hold as it was and touches no other request: Invalid, NotFound, HoldIsOver, InsufficientCredit.
    Transaction: the caller's, repeated as a whole. Locks: wallets, by account and id, then the holds.
    """
    decks, now = _decks(asked), datetime.now(UTC)
    items = holds.items_of_many({(one.account_id, one.hold_id) for one in asked})
    wanted = [
        _tried(_extension, one, items.get((one.account_id, one.hold_id)), decks[one.account_id], now) for one in asked
    ]
    good = _good(wanted)
    return _merged(wanted, reserving.extend_many(good, reserving.lock_for(good)))


def extend(
    account: Account, hold_id: UUID, more: Sequence[Item], ttl_seconds: int | None = None, accept_less: bool = False
) -> Placed:
    """Hold `more` for something that goes on. Own transaction. Raises what `extend_many` answers as a refusal."""
    return in_transaction(lambda: extend_within(Extend(account.id, hold_id, more, ttl_seconds, accept_less)))


def extend_within(asked: Extend) -> Placed:
    """As `extend`, inside the caller's transaction."""
    return _only(extend_many([asked]))


def capture(
    account: Account, hold_id: UUID, used: Sequence[Item], occurred_at: datetime, attributes: dict[str, Any]
) -> Recorded:
    """Debit what was used and let the rest of the hold go. Own transaction; event keys, wallets, hold, in that order.

    What was used is debited even when it is more than was held. If a call record arrived before, nothing is debited again:
    it counts as duplicate. Raises NotFound, HoldIsOver for a released or expired hold, EventConflict when an event was
    debited with another body, and Invalid when an item can't be rated.
    """
    return in_transaction(lambda: capture_within(account, hold_id, used, occurred_at, attributes)).recorded


def capture_within(
    account: Account, hold_id: UUID, used: Sequence[Item], occurred_at: datetime, attributes: dict[str, Any]
) -> Captured:
    """As `capture`, inside the caller's transaction, which must hold no wallet lock yet; also says which events they are."""
    hold = holds.find(account.id, hold_id)
    held = holds.items_of(account.id, hold_id)
    known = [_named(item, held) for item in used]
    if not known or len({item.type for item in known}) != len(known):
        raise Invalid("Say what was used: at least one item, each type once.", field="items")
    events = [_event(hold.event_id, item, held, occurred_at, attributes) for item in known]
    recorded = record_within(account.id, events)
    for rejection in recorded.rejected:
        refusal = EventConflict if rejection.code == EventConflict.code else Invalid
        raise refusal(rejection.message, reason=rejection.code)
    holds.close(account.id, hold_id, HoldState.CAPTURED, "captured")
    if holds.find(account.id, hold_id).state != HoldState.CAPTURED:
        raise HoldIsOver("This hold was released or has expired; send the usage as an event instead.")
    return Captured(hold.event_id, tuple(event.id for event in events), recorded)


def _reservation(one: Reserve, deck: Deck, now: datetime) -> Reservation:
    if not 1 <= len(one.event_id) <= LONGEST_ID or not one.event_id.isprintable():
        raise Invalid(f"event_id must have 1 to {LONGEST_ID} printable characters.", field="event_id")
    wanted = _rated(one.items, deck, now)
    if any(len(name) > LONGEST_ID for name in _names(one.event_id, wanted)):
        raise Invalid(f"“<event_id>#<type>” of a further item has at most {LONGEST_ID} characters.", field="event_id")
    return Reservation(one.account_id, one.event_id, wanted, reserving.ttl_of(one.ttl_seconds), one.accept_less)


def _extension(one: Extend, held: Sequence[HoldItem] | None, deck: Deck, now: datetime) -> Extension:
    ttl = reserving.ttl_of(one.ttl_seconds)
    if held is None:
        raise holds.no_such_hold()
    known = [_as_held(_named(item, held), held) for item in one.items]
    return Extension(one.account_id, one.hold_id, _rated(known, deck, now), ttl, one.accept_less)


def _event(
    event_id: str, item: Item, held: Sequence[HoldItem], occurred_at: datetime, attributes: dict[str, Any]
) -> Event:
    if item.quantity is None:
        raise Invalid("What was used is a quantity.", field="quantity")
    known = _as_held(item, held)
    return Event(
        id=event_name(event_id, 1 if item.type == held[0].type_code else 2, item.type),
        type=item.type,
        quantity=item.quantity,
        occurred_at=occurred_at,
        to=known.to,
        sender=known.sender,
        attributes=attributes,
    )


def _named(item: Item, held: Sequence[HoldItem]) -> Item:
    """The item with its type, which need not be told of a hold that has only one."""
    if item.type:
        return item
    if len(held) > 1:
        raise Invalid("This hold has several items: list them.", field="items")
    return replace(item, type=held[0].type_code)


def _as_held(item: Item, held: Sequence[HoldItem]) -> Item:
    """The item to and from the numbers it is held for, unless it tells others."""
    known = next((one for one in held if one.type_code == item.type), None)
    return replace(item, to=item.to or known.to, sender=item.sender or known.sender) if known else item


def _rated(items: Sequence[Item], deck: Deck, now: datetime) -> list[Wanted]:
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
    return Wanted(item.type, terms, item.quantity, item.amount, item.to, item.sender)


def _names(event_id: str, items: Sequence[Wanted]) -> list[str]:
    """The ids of the events that these items of a hold become."""
    return [event_name(event_id, place, item.type_code) for place, item in enumerate(items, 1)]


def _debited(asked: Sequence[Reservation]) -> set[tuple[UUID, str]]:
    """Those of the events these holds would become that are in the books."""
    keys = [(one.account_id, name) for one in asked for name in _names(one.event_id, one.items)]
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["debited"], {"account_ids": [key[0] for key in keys], "event_ids": [key[1] for key in keys]}
        )
        return set(cursor.fetchall())


def _not_debited(one: Reservation, debited: set[tuple[UUID, str]]) -> Reservation | Refused:
    known = [name for name in _names(one.event_id, one.items) if (one.account_id, name) in debited]
    return Conflict("This event was debited already; there is nothing to hold.", event_id=known[0]) if known else one


def _decks(asked: Iterable[Reserve | Extend]) -> dict[UUID, Deck]:
    return {account_id: deck_of(account_id) for account_id in {one.account_id for one in asked}}


def _tried(work: Callable[P, Answer], *arguments: P.args, **named: P.kwargs) -> Answer | Refused:
    try:
        return work(*arguments, **named)
    except Refused as refusal:
        return refusal


def _good(answers: Iterable[Answer | Refused]) -> list[Answer]:
    return [one for one in answers if not isinstance(one, Refused)]


def _merged(checked: Iterable[object], answers: Iterable[Placed | Refused]) -> list[Placed | Refused]:
    """What was refused at once, and the answers to the others in their places."""
    rest = iter(answers)
    return [one if isinstance(one, Refused) else next(rest) for one in checked]


def _only(answers: Sequence[Placed | Refused]) -> Placed:
    answer = answers[0]
    if isinstance(answer, Refused):
        raise answer
    return answer
