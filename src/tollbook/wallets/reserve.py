"""Set money aside for things about to happen, or going on: many requests of many accounts in one transaction.

RFC 8506 calls it credit reservation. `available = balance - held + overdraft` is decided here, in order of arrival,
under the row locks of all wallets concerned, so calls side by side never overdraw. A refusal of one changes nothing
for the others. Order of locks: wallets (by account and id), then holds (by account and id).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
from django.db import OperationalError
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
    open_all,
)
from tollbook.wallets.hold import TERMINATE, Held, HoldIsOver, InsufficientCredit, Placed, no_such_hold
from tollbook.wallets.tables import HoldState

SHORTEST_TTL, USUAL_TTL, LONGEST_TTL = 10, 300, 86_400


class OpenedMeanwhile(OperationalError):
    """What was decided is out of date: the transaction must be repeated, as `in_transaction` does."""


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


def place_many(
    asked: Sequence[Reservation], purses: Mapping[Key, Purse], open_holds: Mapping[tuple[UUID, str], UUID]
) -> list[Placed | Refused]:
    """Place holds, each all or nothing or, with `accept_less`, in part; for each what was placed or why not.

    A refusal is InsufficientCredit, Invalid, or Conflict when the event has an open hold. Transaction: the caller's, who
    holds `purses` by `lock_for` these requests (afterwards they tell what is left) and read under these locks the
    `open_holds` of their events. Raises OpenedMeanwhile when one was opened nevertheless, from other wallets.
    """
    _take_nothing(purses)
    drafts: list[_Draft | Refused] = []
    holding = dict(open_holds)
    for one in asked:
        drafts.append(_drafted(one, purses, holding))
    openings = [draft.opening for draft in drafts if isinstance(draft, _Draft)]
    if openings and open_all(openings) != len(openings):
        raise OpenedMeanwhile("A hold for one of these events was opened this very moment.")
    changes = Changes()
    answers = [_placed(draft, changes) if isinstance(draft, _Draft) else draft for draft in drafts]
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
    """A hold that is granted and not written yet; `purses` are its items'."""

    asked: Reservation
    opening: Opening
    purses: list[Purse]
    granted: Granted


def _drafted(
    one: Reservation, purses: Mapping[Key, Purse], holding: dict[tuple[UUID, str], UUID]
) -> _Draft | Refused:
    """What becomes of one request, in order of arrival; `holding` are the open holds by event, then with this one's."""
    event = (one.account_id, one.event_id)
    if event in holding:
        return Conflict("A hold for this event is open already.", event_id=one.event_id, hold_id=str(holding[event]))
    found = [purses.get((one.account_id, item.type_code)) for item in one.items]
    theirs = [purse for purse in found if purse]
    if len(theirs) != len(found):
        missing = ", ".join(item.type_code for item, purse in zip(one.items, found, strict=True) if not purse)
        return Invalid(f"This account has no wallet for {missing}.", field="type")
    decision = _fault_of_items(one.items) or _decide(one, [NOTHING] * len(theirs), theirs)
    if not isinstance(decision, Granted):
        return decision
    now = theirs[0].now
    opening = Opening(one.account_id, new_id(), one.event_id, now, now + timedelta(seconds=one.ttl_seconds))
    holding[event] = opening.id
    return _Draft(one, opening, theirs, decision)


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


def _placed(draft: _Draft, changes: Changes) -> Placed:
    one, opening, items = draft.asked, draft.opening, []
    for place, (item, slice, purse) in enumerate(zip(one.items, draft.granted.slices, draft.purses, strict=True)):
        told = (item.type_code, decimal(slice.quantity), decimal(slice.amount), item.to, item.sender)
        held = Held(one.account_id, opening.id, place + 1, purse.wallet_id, *told)
        changes.set(held, one.event_id, purse, slice.amount)
        items.append(held)
    zero_rule = draft.purses[0].zero_rule
    return Placed(opening.id, one.event_id, tuple(items), opening.expires_at, draft.granted.final_unit, zero_rule)


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
    hold.expires_at = max(hold.expires_at, theirs[0].now + timedelta(seconds=one.ttl_seconds))
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
