"""Hold what something about to happen, or going on, will cost: rated here, decided by `wallets.reserve`.

Many requests of any accounts are one group: a fixed number of statements, however many they are. A request alone is a
group of one.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ParamSpec, TypeVar
from uuid import UUID

import msgspec
import numpy as np
from msgspec.structs import replace

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres import prepared
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.deck import decks_of, microseconds
from tollbook.usage.event import LARGEST_QUANTITY
from tollbook.wallets import hold as holds
from tollbook.wallets import reserve as reserving
from tollbook.wallets.grant import MILLION, Tariff, Wanted, decimal
from tollbook.wallets.hold import Held, Placed, event_name
from tollbook.wallets.reserve import Extension, Reservation

SQL = load(__file__)
LONGEST_ID = 200
Answer = TypeVar("Answer")
P = ParamSpec("P")


class Item(msgspec.Struct, frozen=True):
    """One item as asked for: either a quantity (type's unit) or an amount (account's currency), at most 6 places.

    Without a type it is about the only item of a hold.
    """

    type: str = ""
    quantity: Decimal | None = None
    amount: Decimal | None = None
    to: str = ""
    sender: str = ""


class Reserve(msgspec.Struct, frozen=True):
    """A hold to place for something about to happen. With `accept_less`, a part of each item is better than nothing."""

    account_id: UUID
    event_id: str
    items: Sequence[Item]
    ttl_seconds: int | None = None
    accept_less: bool = False


class Extend(msgspec.Struct, frozen=True):
    """How much more to hold for something that goes on."""

    account_id: UUID
    hold_id: UUID
    items: Sequence[Item]
    ttl_seconds: int | None = None
    accept_less: bool = False


def reserve_many(asked: Sequence[Reserve]) -> list[Placed | Refused]:
    """Place holds of any accounts, in order of arrival; for each the hold or why not. A refusal touches no other request.

    A refusal is Invalid (no rate, bad quantity), InsufficientCredit, or Conflict when the event was debited already or has
    an open hold. Transaction: the caller's, repeated as a whole by `in_transaction`. Locks: wallets, by account and id.
    """
    sound = [_tried(_sound_reservation, one) for one in asked]
    wanted = [
        _tried(_reservation, one, tariffs) if isinstance(one, Reserve) else one
        for one, tariffs in zip(sound, _tariffs_of(sound), strict=True)
    ]
    good = _good(wanted)
    purses = reserving.lock_for(good)
    debited, open_holds = _known(good)  # under the locks: who debits or holds meanwhile waits for them, or has been seen
    if debited:
        wanted = [_not_debited(one, debited) if isinstance(one, Reservation) else one for one in wanted]
    return _merged(wanted, reserving.place_many(_good(wanted), purses, open_holds))


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
    items = holds.items_of_many({(one.account_id, one.hold_id) for one in asked})
    sound = [_tried(_sound_extension, one, items.get((one.account_id, one.hold_id))) for one in asked]
    wanted = [
        _tried(_extension, one, tariffs) if isinstance(one, Extend) else one
        for one, tariffs in zip(sound, _tariffs_of(sound), strict=True)
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


def named(item: Item, held: Sequence[Held]) -> Item:
    """The item with its type, which need not be told of a hold that has only one. Raises Invalid."""
    if item.type:
        return item
    if len(held) > 1:
        raise Invalid("This hold has several items: list them.", field="items")
    return replace(item, type=held[0].type_code)


def as_held(item: Item, held: Sequence[Held]) -> Item:
    """The item to and from the numbers it is held for, unless it tells others."""
    known = next((one for one in held if one.type_code == item.type), None)
    return replace(item, to=item.to or known.to, sender=item.sender or known.sender) if known else item


def _sound_reservation(one: Reserve) -> Reserve:
    if not 1 <= len(one.event_id) <= LONGEST_ID or not one.event_id.isprintable():
        raise Invalid(f"event_id must have 1 to {LONGEST_ID} printable characters.", field="event_id")
    if len(one.items) > 1 and any(len(name) > LONGEST_ID for name in _names(one.event_id, one.items)):
        raise Invalid(f"“<event_id>#<type>” of a further item has at most {LONGEST_ID} characters.", field="event_id")
    _check_items(one.items)
    reserving.ttl_of(one.ttl_seconds)
    return one


def _sound_extension(one: Extend, held: Sequence[Held] | None) -> Extend:
    if held is None:
        raise holds.no_such_hold()
    told = replace(one, items=[as_held(named(item, held), held) for item in one.items])
    _check_items(told.items)
    reserving.ttl_of(one.ttl_seconds)
    return told


def _check_items(items: Sequence[Item]) -> None:
    if not items:
        raise Invalid("Say what to hold: at least one item.", field="items")
    for item in items:
        if (item.quantity is None) == (item.amount is None):
            raise Invalid("Name either a quantity or an amount.", field="quantity")
        if max(len(item.to), len(item.sender)) > 64 or not (item.to + item.sender).isprintable():
            raise Invalid("to and from have at most 64 printable characters.", field="to")


def _reservation(one: Reserve, tariffs: Sequence[Tariff | None]) -> Reservation:
    ttl = reserving.ttl_of(one.ttl_seconds)
    return Reservation(one.account_id, one.event_id, _wanted(one.items, tariffs), ttl, one.accept_less)


def _extension(one: Extend, tariffs: Sequence[Tariff | None]) -> Extension:
    ttl = reserving.ttl_of(one.ttl_seconds)
    return Extension(one.account_id, one.hold_id, _wanted(one.items, tariffs), ttl, one.accept_less)


def _wanted(items: Sequence[Item], tariffs: Sequence[Tariff | None]) -> list[Wanted]:
    wanted = []
    for item, tariff in zip(items, tariffs, strict=True):
        if tariff is None:
            raise Invalid(f"No rate for {item.type[:40]}{f' to {item.to[:64]}' if item.to else ''}.", field="type")
        told = (_millionths(item.quantity), _millionths(item.amount))
        wanted.append(Wanted(item.type, tariff, *told, item.to, item.sender))
    return wanted


def _millionths(asked: Decimal | None) -> int | None:
    if asked is None:
        return None
    if not asked.is_finite() or not 0 < asked <= LARGEST_QUANTITY:
        raise Invalid(f"What is to be held must be more than zero and at most {LARGEST_QUANTITY}.", field="quantity")
    told = int(asked * MILLION)
    if decimal(told) != asked:
        raise Invalid("What is to be held has at most 6 decimal places.", field="quantity")
    return told


def _tariffs_of(asked: Sequence[Reserve | Extend | Refused]) -> list[list[Tariff | None]]:
    """The rate that each item of each request falls under now, None where there is none; one search for all of them."""
    account_ids = list({one.account_id for one in asked if not isinstance(one, Refused)})
    decks = decks_of(account_ids)
    accounts = {account_id: place for place, account_id in enumerate(account_ids)}
    types = {type_code: place for place, type_code in enumerate(decks.type_codes)}
    items = [(accounts[one.account_id], item) for one in asked if not isinstance(one, Refused) for item in one.items]
    found = decks.find(
        np.array([account for account, _ in items], np.intp),
        np.array([types.get(item.type, -1) for _, item in items], np.intp),
        [item.to for _, item in items],
        np.full(len(items), microseconds(datetime.now(UTC))),
    )
    columns = (found.rate_e6, found.connect_micro, found.initial, found.increment, found.timed, found.minimum_micro)
    rows = zip(found.known.tolist(), *(column.tolist() for column in columns), strict=True)
    tariffs = iter([Tariff(*row) if known else None for known, *row in rows])
    return [[] if isinstance(one, Refused) else [next(tariffs) for _ in one.items] for one in asked]


def _names(event_id: str, items: Sequence[Item]) -> list[str]:
    """The ids of the events that the items of a hold become."""
    return [event_name(event_id, position, item.type) for position, item in enumerate(items, 1)]


def _events_of(one: Reservation) -> list[tuple[UUID, str]]:
    return [
        (one.account_id, event_name(one.event_id, position, item.type_code))
        for position, item in enumerate(one.items, 1)
    ]


def _known(asked: Sequence[Reservation]) -> tuple[set[tuple[UUID, str]], dict[tuple[UUID, str], UUID]]:
    """Those of the events these holds would become that are in the books; and the open holds of those they are named by."""
    events = [(*event, place == 0) for one in asked for place, event in enumerate(_events_of(one))]
    with prepared.cursor() as cursor:
        cursor.execute(SQL["known"], {"events": prepared.as_json(events)}, prepare=True)
        rows = cursor.fetchall()
    debited = {(account_id, event_id) for account_id, event_id, hold_id in rows if hold_id is None}
    return debited, {(account_id, event_id): hold_id for account_id, event_id, hold_id in rows if hold_id is not None}


def _not_debited(one: Reservation, debited: set[tuple[UUID, str]]) -> Reservation | Refused:
    known = [event_id for account_id, event_id in _events_of(one) if (account_id, event_id) in debited]
    return Conflict("This event was debited already; there is nothing to hold.", event_id=known[0]) if known else one


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
