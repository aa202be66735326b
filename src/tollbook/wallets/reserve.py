"""Set money aside for things about to happen, or going on: many requests of many accounts in one transaction.

RFC 8506 calls it credit reservation. `available = balance - held + overdraft` is decided here, in order of arrival,
under the row locks of all wallets concerned, so calls side by side never overdraw. A refusal of one changes nothing
for the others. Order of locks: wallets (by account and id), then holds (by account and id).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres.ids import new_id
from tollbook.wallets.grant import (
    LARGEST_AMOUNT,
    LARGEST_QUANTITY,
    NOTHING,
    Slice,
    Wanted,
    decimal,
    granted,
    in_full,
    is_final,
    micro,
)
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


class Reservation(msgspec.Struct, frozen=True):
    """Something about to happen, named by its event id. With `accept_less` a part of each item is better than nothing."""

    account_id: UUID
    event_id: str
    items: Sequence[Wanted]
    ttl_seconds: int = USUAL_TTL
    accept_less: bool = False


class Extension(msgspec.Struct, frozen=True):
    """More for a hold. Each of `items` is of a type that is held; its quantity or amount is how much *more*."""

    account_id: UUID
    hold_id: UUID
    items: Sequence[Wanted]
    ttl_seconds: int = USUAL_TTL
    accept_less: bool = False


class Granted(msgspec.Struct, frozen=True):
    """What a request gets: for each of its items all that is held for it from now on, and how much of that is new."""

    slices: list[Slice]
    added: list[int]
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
    holds `purses` by `lock_for` these requests; afterwards they tell what is left.
    """
    drafts = [_Draft(one, new_id(), *_purses_of(one, purses)) for one in asked]
    while True:
        _decide_new(drafts, purses)
        new = [draft for draft in drafts if draft.granted and not draft.is_open]
        late = open_holds([_opening(draft) for draft in new]) if new else None
        if not late:
            break
        for draft in new:
            draft.is_open = draft.id not in late
        _refuse_twins([draft for draft in new if not draft.is_open])  # what they took is free again: decide anew
    changes = Changes()
    answers = [_placed(draft, draft.granted, changes) if draft.granted else _refusal(draft) for draft in drafts]
    changes.write("reserve", {account_id for account_id, _ in purses})
    return answers


def extend_many(asked: Sequence[Extension], purses: Mapping[Key, Purse]) -> list[Placed | Refused]:
    """Hold more for what goes on, and prolong; for each the hold as it is then, or why not, which leaves it as it was.

    A refusal is NotFound, HoldIsOver, Invalid or InsufficientCredit. A hold may be asked about more than once.
    Transaction: the caller's, who holds `purses` by `lock_for` these requests; afterwards they tell what is left. Locks:
    the holds.
    """
    holds = lock_holds({(one.account_id, one.hold_id) for one in asked})
    _take_nothing(purses)
    changes = Changes()
    answers = [_extended(one, holds.get((one.account_id, one.hold_id)), purses, changes) for one in asked]
    changes.write("extend", {account_id for account_id, _ in purses})
    return answers


class _Draft(msgspec.Struct):
    """A hold that is being decided about: `fault` stands for good, `granted` or `refused` until something changes."""

    asked: Reservation
    id: UUID
    purses: list[Purse]
    fault: Refused | None = None
    granted: Granted | None = None
    refused: Refused | None = None
    is_open: bool = False


def _purses_of(one: Reservation, purses: Mapping[Key, Purse]) -> tuple[list[Purse], Refused | None]:
    """The purses of a request's items; or none of them, and what is wrong."""
    found = [purses.get((one.account_id, item.type_code)) for item in one.items]
    there = [purse for purse in found if purse]
    if len(there) == len(found):
        fault = _fault_of_items(one.items)
        return ([] if fault else there), fault
    missing = ", ".join(item.type_code for item, purse in zip(one.items, found, strict=True) if not purse)
    return [], Invalid(f"This account has no wallet for {missing}.", field="type")


def _decide_new(drafts: Sequence[_Draft], purses: Mapping[Key, Purse]) -> None:
    """Decide in order of arrival; but first about what is open, since what it got stays its own."""
    _take_nothing(purses)
    for draft in sorted(drafts, key=lambda draft: not draft.is_open):
        outcome = draft.fault or _decide(draft.asked, [NOTHING] * len(draft.purses), draft.purses)
        draft.granted, draft.refused = (outcome, None) if isinstance(outcome, Granted) else (None, outcome)


def _take_nothing(purses: Mapping[Key, Purse]) -> None:
    for purse in purses.values():
        purse.left = purse.available


def _decide(one: Reservation | Extension, so_far: Sequence[Slice], purses: Sequence[Purse]) -> Granted | Refused:
    """Grant a request from what is left in its items' purses, which then is less; or refuse it, which takes nothing."""
    slices: list[Slice] = []
    for item, held, purse in zip(one.items, so_far, purses, strict=True):
        slice = _slice_of(item, held, purse, one.accept_less)
        if slice is None:
            return _too_little(one, so_far, purses)
        if slice.quantity > LARGEST_QUANTITY or slice.amount > LARGEST_AMOUNT:
            return Invalid(f"A hold covers at most {decimal(LARGEST_QUANTITY):f}.", field="quantity")
        slices.append(slice)
    added, is_last = [], False
    for item, held, purse, slice in zip(one.items, so_far, purses, slices, strict=True):
        added.append(slice.amount - held.amount)
        purse.left -= slice.amount - held.amount
        is_last = is_last or is_final(item, slice, purse.left, one.accept_less)
    return Granted(slices, added, is_last)


def _slice_of(item: Wanted, held: Slice, purse: Purse, accept_less: bool) -> Slice | None:
    """Nothing new begins at zero, not even what costs nothing; what goes on may use up what is paid for."""
    return None if held is NOTHING and purse.left <= 0 else granted(item, held, purse.left, accept_less)


def _too_little(one: Reservation | Extension, so_far: Sequence[Slice], purses: Sequence[Purse]) -> InsufficientCredit:
    available = {item.type_code: _told(max(purse.left, 0)) for item, purse in zip(one.items, purses, strict=True)}
    needed = {
        item.type_code: _told(in_full(item, held).amount - held.amount)
        for item, held, purse in zip(one.items, so_far, purses, strict=True)
        if _slice_of(item, held, purse, one.accept_less) is None
    }
    short = "; ".join(f"{code} has {available[code]} available and needs {amount}" for code, amount in needed.items())
    more = {"final_unit_action": TERMINATE} if isinstance(one, Extension) else {}
    return InsufficientCredit(
        f"There is too little credit for this: {short}.",
        available=available,
        lacking=list(needed),
        zero_rule=purses[0].zero_rule.value,
        **more,
    )


def _told(amount: int) -> str:
    return f"{decimal(amount):.6f}"


def _opening(draft: _Draft) -> Opening:
    now = draft.purses[0].now
    return Opening(draft.asked.account_id, draft.id, draft.asked.event_id, now, now + _ttl(draft.asked))


def _ttl(one: Reservation | Extension) -> timedelta:
    return timedelta(seconds=one.ttl_seconds)


def _refuse_twins(drafts: Sequence[_Draft]) -> None:
    """Refuse for good what has an open hold already, and name that."""
    open_ones = open_of_events({(draft.asked.account_id, draft.asked.event_id) for draft in drafts})
    for draft in drafts:
        hold_id = open_ones.get((draft.asked.account_id, draft.asked.event_id))
        told = {"hold_id": str(hold_id)} if hold_id else {}
        says = "A hold for this event is open already."
        draft.fault = Conflict(says, event_id=draft.asked.event_id, **told)


def _refusal(draft: _Draft) -> Refused:
    if draft.refused is None:
        raise AssertionError("unreachable: what is not granted is refused")
    return draft.refused


def _placed(draft: _Draft, granted: Granted, changes: Changes) -> Placed:
    one, items = draft.asked, []
    for place, (item, slice, purse) in enumerate(zip(one.items, granted.slices, draft.purses, strict=True)):
        told = (item.type_code, decimal(slice.quantity), decimal(slice.amount), item.to, item.sender)
        held = Held(one.account_id, draft.id, place + 1, purse.wallet_id, *told)
        changes.set(held, one.event_id, purse, slice.amount)
        items.append(held)
    expires_at = draft.purses[0].now + _ttl(one)
    return Placed(draft.id, one.event_id, tuple(items), expires_at, granted.final_unit, draft.purses[0].zero_rule)


def _extended(one: Extension, hold: Going | None, purses: Mapping[Key, Purse], changes: Changes) -> Placed | Refused:
    """One extension, of which `hold` tells afterwards, for whoever asks about it next."""
    if hold is None:
        return no_such_hold()
    fault = _fault_of_extension(one, hold)
    if fault:
        return fault
    so_far = [hold.items[item.type_code] for item in one.items]
    theirs = [purses[one.account_id, item.type_code] for item in one.items]
    decision = _decide(one, [Slice(micro(held.quantity), micro(held.amount)) for held in so_far], theirs)
    if not isinstance(decision, Granted):
        return decision
    for held, slice, purse, added in zip(so_far, decision.slices, theirs, decision.added, strict=True):
        grown = replace(held, quantity=decimal(slice.quantity), amount=decimal(slice.amount))
        hold.items[held.type_code] = grown
        changes.set(grown, hold.event_id, purse, added)
    hold.expires_at = max(hold.expires_at, theirs[0].now + _ttl(one))
    changes.prolong(one.account_id, one.hold_id, hold.expires_at)
    items = tuple(hold.items.values())
    return Placed(one.hold_id, hold.event_id, items, hold.expires_at, decision.final_unit, theirs[0].zero_rule)


def _fault_of_extension(one: Extension, hold: Going) -> Refused | None:
    if hold.state != HoldState.OPEN:
        return HoldIsOver("This hold is over; place a new one.")
    if any(item.type_code not in hold.items for item in one.items):
        return Invalid("Only what is held can be extended; place another hold for another type.", field="items")
    return _fault_of_items(one.items)


def _fault_of_items(items: Sequence[Wanted]) -> Invalid | None:
    if not items:
        return Invalid("Say what to hold: at least one item.", field="items")
    if len({item.type_code for item in items}) != len(items):
        return Invalid("A hold names each type once.", field="items")
    return None
