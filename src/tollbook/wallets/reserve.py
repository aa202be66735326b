"""Set money aside for things about to happen, or going on: many requests of many accounts in one transaction.

RFC 8506 calls it credit reservation. `available = balance - held + overdraft` is decided here, in order of arrival,
under the row locks of all wallets concerned, so calls side by side never overdraw. A refusal of one changes nothing
for the others. Order of locks: wallets (by account and id), then holds (by account and id).
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec.structs import replace

from tollbook.errors import Conflict, Invalid, Refused
from tollbook.money.amount import ZERO
from tollbook.postgres.ids import new_id
from tollbook.wallets.grant import LARGEST_QUANTITY, NOTHING, Slice, Wanted, granted, in_full, is_final
from tollbook.wallets.held import (
    Changes,
    Going,
    Key,
    Opening,
    Purse,
    lock_holds,
    lock_purses,
    open_holds,
    open_of_events,
)
from tollbook.wallets.hold import TERMINATE, Held, HoldIsOver, InsufficientCredit, Placed, no_such_hold
from tollbook.wallets.tables import HoldState

SHORTEST_TTL, USUAL_TTL, LONGEST_TTL = 10, 300, 86_400


@dataclass(frozen=True, slots=True)
class Reservation:
    """Something about to happen, named by its event id. With `accept_less` a part of each item is better than nothing."""

    account_id: UUID
    event_id: str
    items: Sequence[Wanted]
    ttl_seconds: int = USUAL_TTL
    accept_less: bool = False


@dataclass(frozen=True, slots=True)
class Extension:
    """More for a hold. Each of `items` is of a type that is held; its quantity or amount is how much *more*."""

    account_id: UUID
    hold_id: UUID
    items: Sequence[Wanted]
    ttl_seconds: int = USUAL_TTL
    accept_less: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """What a request gets: for each of its items all that is held for it now, and how much of that is new."""

    slices: list[Slice]
    added: list[Decimal]
    final_unit: bool


def ttl_of(seconds: int | None) -> int:
    """A hold's time to live, in seconds. Raises Invalid outside 10 seconds to a day."""
    if seconds is None:
        return USUAL_TTL
    if not SHORTEST_TTL <= seconds <= LONGEST_TTL:
        raise Invalid(f"ttl_seconds must be between {SHORTEST_TTL} and {LONGEST_TTL}.", field="ttl_seconds")
    return seconds


def lock_for(asked: Iterable[Reservation | Extension]) -> dict[Key, Purse]:
    """Lock the wallets that these requests are about, by account and id, until the transaction ends; those that exist."""
    return lock_purses({(one.account_id, item.type_code) for one in asked for item in one.items})


def place_many(asked: Sequence[Reservation], purses: Mapping[Key, Purse]) -> list[Placed | Refused]:
    """Place holds, each all or nothing or, with `accept_less`, in part; for each what was placed or why not.

    A refusal is InsufficientCredit, Invalid, or Conflict when the event has an open hold. Transaction: the caller's, who
    holds `purses` by `lock_for` these requests.
    """
    ids = [new_id() for _ in asked]
    opened: dict[int, datetime] = {}
    late: set[int] = set()
    while True:
        decided = _decide_new(asked, purses, opened, late)
        new = [place for place, one in enumerate(decided) if isinstance(one, Granted) and place not in opened]
        expiries = open_holds([_opening(asked[place], ids[place]) for place in new])
        opened |= {place: expiries[ids[place]] for place in new if ids[place] in expiries}
        if len(expiries) == len(new):
            break
        late |= set(new) - opened.keys()  # what they would have taken is free: decide again
    changes = Changes(purses)
    answers = [
        _place(one, ids[place], opened[place], decision, purses, changes) if isinstance(decision, Granted) else decision
        for place, (one, decision) in enumerate(zip(asked, decided, strict=True))
    ]
    changes.write("reserve")
    return answers


def extend_many(asked: Sequence[Extension], purses: Mapping[Key, Purse]) -> list[Placed | Refused]:
    """Hold more for what goes on, and prolong; for each the hold as it is then, or why not, which leaves it as it was.

    A refusal is NotFound, HoldIsOver, Invalid or InsufficientCredit. A hold may be asked about more than once.
    Transaction: the caller's, who holds `purses` by `lock_for` these requests. Locks: the holds.
    """
    holds = lock_holds({(one.account_id, one.hold_id) for one in asked})
    available = {key: purse.available for key, purse in purses.items()}
    changes, answers = Changes(purses), list[Placed | Refused]()
    for one in asked:
        hold = holds.get((one.account_id, one.hold_id))
        fault = _fault_of_extension(one, hold)
        if hold is None or fault:
            answers.append(fault or no_such_hold())
            continue
        so_far = [Slice(hold.items[item.type_code].quantity, hold.items[item.type_code].amount) for item in one.items]
        decision = _decide(one, so_far, purses, available)
        answers.append(_extend(one, hold, decision, purses, changes) if isinstance(decision, Granted) else decision)
    changes.write("extend")
    return answers


def _place(
    one: Reservation, id: UUID, expires_at: datetime, granted: Granted, purses: Mapping[Key, Purse], changes: Changes
) -> Placed:
    items = []
    for place, (item, slice) in enumerate(zip(one.items, granted.slices, strict=True)):
        purse = purses[one.account_id, item.type_code]
        about = (item.type_code, slice.quantity, slice.amount, item.to, item.sender)
        held = Held(one.account_id, id, place + 1, purse.wallet_id, *about)
        changes.set(held, one.event_id, slice.amount)
        items.append(held)
    return Placed(id, one.event_id, tuple(items), expires_at, granted.final_unit, purse.zero_rule)


def _extend(
    one: Extension, hold: Going, granted: Granted, purses: Mapping[Key, Purse], changes: Changes
) -> Placed:
    """`hold` tells what it is after this, for whoever asks about it next."""
    for item, slice, added in zip(one.items, granted.slices, granted.added, strict=True):
        held = replace(hold.items[item.type_code], quantity=slice.quantity, amount=slice.amount)
        hold.items[item.type_code] = held
        changes.set(held, hold.event_id, added)
    hold.expires_at = max(hold.expires_at, hold.now + timedelta(seconds=one.ttl_seconds))
    changes.prolong(one.account_id, one.hold_id, hold.expires_at)
    zero_rule = purses[one.account_id, one.items[0].type_code].zero_rule
    return Placed(one.hold_id, hold.event_id, tuple(hold.items.values()), hold.expires_at, granted.final_unit, zero_rule)


def _opening(one: Reservation, id: UUID) -> Opening:
    return Opening(one.account_id, id, one.event_id, one.ttl_seconds)


def _decide_new(
    asked: Sequence[Reservation], purses: Mapping[Key, Purse], opened: Container[int], late: Collection[int]
) -> list[Granted | Refused]:
    """What becomes of each, in order of arrival but those that are `opened` first, since what they got stays theirs.

    `late` are those whose event turned out to have an open hold.
    """
    available = {key: purse.available for key, purse in purses.items()}
    holding = open_of_events([(asked[place].account_id, asked[place].event_id) for place in sorted(late)])
    decided: dict[int, Granted | Refused] = {place: _open_already(asked[place], holding) for place in late}
    for place in sorted(range(len(asked)), key=lambda place: place not in opened):
        if place not in late:
            one = asked[place]
            fault = _fault_of_items(one.items) or _fault_of_wallets(one, purses)
            decided[place] = fault or _decide(one, [NOTHING] * len(one.items), purses, available)
    return [decided[place] for place in range(len(asked))]


def _decide(
    one: Reservation | Extension, so_far: Sequence[Slice], purses: Mapping[Key, Purse], available: dict[Key, Decimal]
) -> Granted | Refused:
    """Grant a request from what is available, which then is less; or refuse it, which leaves that as it was."""
    keys = [(one.account_id, item.type_code) for item in one.items]
    slices = []
    for item, key, held in zip(one.items, keys, so_far, strict=True):
        is_new_at_zero = held is NOTHING and available[key] <= 0
        slice = None if is_new_at_zero else granted(item, held, available[key], one.accept_less)
        if slice is None:
            return _too_little(one, so_far, purses, available)
        if slice.quantity > LARGEST_QUANTITY:
            return Invalid(f"A hold covers at most {LARGEST_QUANTITY}.", field="quantity")
        slices.append(slice)
    added = [slice.amount - held.amount for slice, held in zip(slices, so_far, strict=True)]
    for key, amount in zip(keys, added, strict=True):
        available[key] -= amount
    final = any(
        is_final(item, slice, available[key], one.accept_less)
        for item, slice, key in zip(one.items, slices, keys, strict=True)
    )
    return Granted(slices, added, final)


def _too_little(
    one: Reservation | Extension, so_far: Sequence[Slice], purses: Mapping[Key, Purse], available: Mapping[Key, Decimal]
) -> InsufficientCredit:
    lacking = []
    for item, held in zip(one.items, so_far, strict=True):
        there = available[one.account_id, item.type_code]
        if held is NOTHING and there <= 0 or granted(item, held, there, one.accept_less) is None:
            needed = in_full(item, held).amount - held.amount
            lacking.append((item.type_code, f"{item.type_code} has {max(there, ZERO):.6f} available and needs {needed:.6f}"))
    zero_rule = purses[one.account_id, one.items[0].type_code].zero_rule
    more = {"final_unit_action": TERMINATE} if isinstance(one, Extension) else {}
    return InsufficientCredit(
        f"There is too little credit for this: {'; '.join(sentence for _, sentence in lacking)}.",
        available={item.type_code: f"{max(available[one.account_id, item.type_code], ZERO):.6f}" for item in one.items},
        lacking=[type_code for type_code, _ in lacking],
        zero_rule=zero_rule.value,
        **more,
    )


def _fault_of_items(items: Sequence[Wanted]) -> Invalid | None:
    if not items:
        return Invalid("Say what to hold: at least one item.", field="items")
    if len({item.type_code for item in items}) != len(items):
        return Invalid("A hold names each type once.", field="items")
    return None


def _fault_of_wallets(one: Reservation, purses: Mapping[Key, Purse]) -> Invalid | None:
    missing = [item.type_code for item in one.items if (one.account_id, item.type_code) not in purses]
    return Invalid(f"This account has no wallet for {', '.join(missing)}.", field="type") if missing else None


def _fault_of_extension(one: Extension, hold: Going | None) -> Refused | None:
    if hold is None:
        return no_such_hold()
    if hold.state != HoldState.OPEN:
        return HoldIsOver("This hold is over; place a new one.")
    if any(item.type_code not in hold.items for item in one.items):
        return Invalid("Only what is held can be extended; place another hold for another type.", field="items")
    return _fault_of_items(one.items)


def _open_already(one: Reservation, holding: Mapping[tuple[UUID, str], UUID]) -> Conflict:
    hold_id = holding.get((one.account_id, one.event_id))
    told = {"hold_id": str(hold_id)} if hold_id else {}
    return Conflict("A hold for this event is open already.", event_id=one.event_id, **told)
