"""Money set aside for something in progress (RFC 8506, credit control): what a hold is, and how it ends.

A hold is placed and extended by `reserve`; it ends captured, released or expired, once, and its money is let go. The
event id that names a hold names its first item's event; the event of every other item is `<event id>#<type>`. Order of
locks everywhere: wallets (by account and id), then holds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import groupby
from uuid import UUID

import msgspec
from django.db import connection

from tollbook.accounts.tables import ZeroRule
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.postgres import prepared
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.postgres.wake import CHANNEL
from tollbook.wallets.tables import Hold, HoldState

SQL = load(__file__)


TERMINATE = "terminate"
"""RFC 8506, Final-Unit-Action: end the service when what was granted is used up."""


class InsufficientCredit(Refused):
    """There is less than is to be held: nothing was changed.

    `details["available"]` maps each type to what there is, `lacking` names the types that have too little.
    """

    code = "insufficient_credit"


class HoldIsOver(Conflict):
    """The hold was captured, released or has expired; nothing was changed."""

    code = "hold_is_over"


class Held(msgspec.Struct, frozen=True):
    """One item of a hold: what was granted from its beginning, in the type's unit, and the money set aside for it."""

    account_id: UUID
    hold_id: UUID
    position: int
    wallet_id: UUID
    type_code: str
    quantity: Decimal
    amount: Decimal
    to: str
    sender: str


class Placed(msgspec.Struct, frozen=True):
    """An open hold, as it was answered.

    `final_unit`: what is granted now is the last there is, the next slice like this one would be refused. Then the
    service has to end when it is used up (RFC 8506, Final-Unit-Action TERMINATE): what is available goes down to zero
    or, where `zero_rule` allows an overdraft, down to its limit already.
    """

    id: UUID
    event_id: str
    items: tuple[Held, ...]
    expires_at: datetime
    final_unit: bool
    zero_rule: ZeroRule

    @property
    def final_unit_action(self) -> str | None:
        """What to do once the final unit is used up; None before."""
        return TERMINATE if self.final_unit else None


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a hold as `state`; or, with `position`, only that one of its items is captured and the rest goes on."""

    account_id: UUID
    hold_id: UUID
    state: HoldState
    reason: str = ""
    position: int | None = None


class _Part(msgspec.Struct):
    """One item whose money may have to be let go."""

    account_id: UUID
    hold_id: UUID
    position: int
    wallet_id: UUID
    move_id: UUID


class _End(msgspec.Struct):
    """An ending on its way into the database. `position` 0 stands for all items."""

    account_id: UUID
    hold_id: UUID
    state: str
    kind: str
    reason: str
    position: int


KINDS = {
    HoldState.CAPTURED: "capture",
    HoldState.RELEASED: "release",
    HoldState.EXPIRED: "expire",
}
"""What a move of held money is called when its hold ends so."""


def event_name(event_id: str, position: int, type_code: str) -> str:
    """The id of the event that an item of a hold becomes: the hold's own for the first, `<event id>#<type>` for others."""
    return event_id if position == 1 else f"{event_id}#{type_code}"


def end_many(endings: Sequence[Ending]) -> list[bool]:
    """End holds of any accounts and let their money go; for each whether it did, False when there was nothing to end.

    Transaction: the caller's. Locks: the holds' wallets (taken here, by account and id; harmless when held already),
    then the holds. An ending as expired does nothing to a hold that was prolonged meanwhile.
    """
    if not endings:
        return []
    told = {(one.account_id, one.hold_id, one.position or 0): one for one in reversed(endings)}
    parts = [_Part(*row, new_id()) for row in _lock_wallets(told)]
    endings_told = prepared.as_json([_end(one) for one in told.values()])
    with prepared.cursor() as cursor:
        cursor.execute(
            SQL["end_holds"], {"endings": endings_told, "parts": prepared.as_json(parts), "channel": CHANNEL}, prepare=True
        )
        ended = {(account_id, hold_id, position) for account_id, hold_id, position, _ in cursor.fetchall()}
    first = {id(one) for one in told.values()}
    return [id(one) in first and (one.account_id, one.hold_id, one.position or 0) in ended for one in endings]


def _lock_wallets(told: Collection[tuple[UUID, UUID, int]]) -> list[tuple[UUID, UUID, int, UUID]]:
    """Account, hold, position and wallet of each item of these holds, with the wallets locked."""
    with prepared.cursor() as cursor:
        cursor.execute(SQL["lock_wallets"], {"holds": prepared.as_json({key[:2] for key in told})}, prepare=True)
        return cursor.fetchall()


def _end(one: Ending) -> _End:
    return _End(one.account_id, one.hold_id, one.state.value, KINDS[one.state], one.reason[:200], one.position or 0)


def endings_for(events: Collection[tuple[UUID, str]]) -> tuple[list[Ending], set[tuple[UUID, str]]]:
    """How open holds end because these events (account, event id) are being debited, and which wallets that will lock.

    Plain read. The caller locks the wallets (account, type) together with those it debits, then calls `end_many`. The event
    that bears a hold's own id ends all of it; `<event id>#<type>` lets go what was held for that type alone.
    """
    names = [(account_id, event_id, "") for account_id, event_id in events]
    names += [(account_id, *parted(event_id)) for account_id, event_id in events if "#" in event_id]
    with prepared.cursor() as cursor:
        cursor.execute(SQL["held_for"], {"names": prepared.as_json(names)}, prepare=True)
        rows = cursor.fetchall()
    whole = {(account_id, hold_id) for account_id, hold_id, wanted, _, _ in rows if not wanted}
    endings = [Ending(*key, HoldState.CAPTURED, "call record arrived") for key in sorted(whole)]
    endings += [
        Ending(account_id, hold_id, HoldState.CAPTURED, position=position)
        for account_id, hold_id, wanted, _, position in rows
        if wanted and (account_id, hold_id) not in whole
    ]
    return endings, {(account_id, type_code) for account_id, _, _, type_code, _ in rows}


def parted(event_id: str) -> tuple[str, str]:
    """`<event id>#<type>` as the id of the hold's event and the type of its item."""
    name, _, type_code = event_id.rpartition("#")
    return name, type_code


def close(account_id: UUID, hold_id: UUID, state: HoldState, reason: str = "") -> bool:
    """End an open hold as `state` and let its money go; False when it was over already. As `end_many`, for one."""
    return end_many([Ending(account_id, hold_id, state, reason)])[0]


def release(account_id: UUID, hold_id: UUID, reason: str = "") -> None:
    """Let a hold's money go without a debit. Own transaction; safe to repeat. Raises NotFound and HoldIsOver."""
    in_transaction(lambda: release_within(account_id, hold_id, reason))


def release_within(account_id: UUID, hold_id: UUID, reason: str = "") -> None:
    """As `release`, inside the caller's transaction; locks the hold's wallets, then the hold."""
    outcome = release_many([Release(account_id, hold_id, reason)])[0]
    if outcome is not None:
        raise outcome


@dataclass(frozen=True, slots=True)
class Release:
    """A hold to let go without a debit, and why."""

    account_id: UUID
    hold_id: UUID
    reason: str = ""


def release_many(asked: Sequence[Release]) -> list[Refused | None]:
    """Let holds of any accounts go without a debit: for each None, or why not (Invalid, NotFound, HoldIsOver).

    A hold that was released before counts as released now. Transaction: the caller's; locks as `end_many`.
    """
    good = {place: one for place, one in enumerate(asked) if one.reason.isprintable()}
    ended = end_many([Ending(one.account_id, one.hold_id, HoldState.RELEASED, one.reason) for one in good.values()])
    left = {place: one for (place, one), done in zip(good.items(), ended, strict=True) if not done}
    states = _states({(one.account_id, one.hold_id) for one in left.values()})
    return [
        None if place in good and place not in left else _refusal_of_release(one, states.get((one.account_id, one.hold_id)))
        for place, one in enumerate(asked)
    ]


def _refusal_of_release(one: Release, state: str | None) -> Refused | None:
    if not one.reason.isprintable():
        return Invalid("The reason must be printable text.", field="reason")
    if state == HoldState.RELEASED:
        return None
    return HoldIsOver("This hold is over; there is nothing to release.") if state else no_such_hold()


def _states(keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], str]:
    found = Hold.objects.filter(account_id__in=[key[0] for key in keys], id__in=[key[1] for key in keys]) if keys else None
    return {} if found is None else {(one.account_id, one.id): one.state for one in found}


def expire_due() -> int:
    """Close up to 500 holds whose time is over, each account's in a transaction of its own; answers how many."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["expired"])
        due = sorted(cursor.fetchall())
    closed = 0
    for _, holds in groupby(due, key=lambda row: row[0]):
        endings = [Ending(account_id, hold_id, HoldState.EXPIRED, "time to live over") for account_id, hold_id in holds]
        closed += sum(in_transaction(partial(end_many, endings)))
    return closed


def no_such_hold() -> NotFound:
    """What is answered for a hold that is not there or another account's."""
    return NotFound("There is no such hold.")


def find(account_id: UUID, hold_id: UUID) -> Hold:
    """The hold. Raises NotFound."""
    hold = Hold.objects.filter(account_id=account_id, id=hold_id).first()
    if hold is None:
        raise no_such_hold()
    return hold


def account_of(hold_id: UUID) -> UUID:
    """The account that a hold belongs to, for a caller who may see every account. Raises NotFound."""
    account_id = Hold.objects.filter(id=hold_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise no_such_hold()
    return account_id


def items_of(account_id: UUID, hold_id: UUID) -> list[Held]:
    """What the hold sets aside, in order of position. Raises NotFound."""
    items = items_of_many([(account_id, hold_id)]).get((account_id, hold_id))
    if not items:
        raise no_such_hold()
    return items


def items_of_many(holds: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], list[Held]]:
    """As `items_of`, by account and hold; without those that are not there. One plain read."""
    found: dict[tuple[UUID, UUID], list[Held]] = {}
    with prepared.cursor() as cursor:
        cursor.execute(SQL["items"], {"holds": prepared.as_json(holds)}, prepare=True)
        for row in cursor.fetchall():
            item = Held(*row)
            found.setdefault((item.account_id, item.hold_id), []).append(item)
    return found
