"""Set money aside for something in progress (RFC 8506: reserve, then debit or release).

`available = balance - held + overdraft`, decided under the wallet's row lock in the transaction that changes `held`, so
calls side by side never overdraw. Lock order everywhere: wallets in id order, then the hold's row (a guarded update).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import connection

from tollbook.accounts.tables import Account, ZeroRule
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.money.amount import ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.wallets.tables import Hold, HoldItem, HoldState
from tollbook.wallets.wallet import Locked, lock

SQL = load(__file__)
SHORTEST_TTL, USUAL_TTL, LONGEST_TTL = 10, 300, 86_400


class InsufficientCredit(Refused):
    """The wallet has less than is to be held; `details["available"]` maps each type to what there is."""

    code = "insufficient_credit"


class HoldIsOver(Conflict):
    """The hold was captured, released or has expired; nothing was changed."""

    code = "hold_is_over"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one item of a hold asks for, already priced: quantity in the type's unit, amount in the account's currency."""

    type_code: str
    quantity: Decimal
    amount: Decimal
    to: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """An open hold, as it was answered. `final_unit` when what is left can't pay for another slice like the last one."""

    id: UUID
    event_id: str
    items: tuple[Wanted, ...]
    expires_at: datetime
    final_unit: bool = False


def overdraft_of(account: Account) -> Decimal:
    """How far below zero this account's available money may go, by its zero rule."""
    return account.overdraft_limit if account.zero_rule == ZeroRule.OVERDRAFT else ZERO


def ttl_of(seconds: int | None) -> timedelta:
    """A hold's time to live. Raises Invalid outside 10 seconds to a day."""
    if seconds is None:
        return timedelta(seconds=USUAL_TTL)
    if not SHORTEST_TTL <= seconds <= LONGEST_TTL:
        raise Invalid(f"ttl_seconds must be between {SHORTEST_TTL} and {LONGEST_TTL}.", field="ttl_seconds")
    return timedelta(seconds=seconds)


def place(account: Account, event_id: str, items: Sequence[Wanted], ttl: timedelta) -> Placed:
    """Hold the items' amounts, all or nothing. Transaction: the caller's; locks the wallets in id order.

    Raises InsufficientCredit (nothing held) and Conflict when an open hold exists for the event.
    """
    wallets = _locked(account.id, items)
    left = _take_from_available(account, wallets, items)
    hold_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(SQL["open_hold"], {"account_id": account.id, "id": hold_id, "event_id": event_id, "ttl": ttl})
        opened = cursor.fetchone()
        if opened is None:
            raise Conflict("A hold for this event is open already.", event_id=event_id)
        cursor.execute(SQL["add_items"], _item_columns(account.id, hold_id, wallets, items))
    _move(account.id, hold_id, event_id, "reserve", [(wallets[item.type_code].id, item.amount) for item in items])
    wake.tell(account.id)
    return Placed(hold_id, event_id, tuple(items), opened[1], _is_final(left, items))


def extend(account: Account, hold_id: UUID, more: Sequence[Wanted], ttl: timedelta) -> Placed:
    """Hold `more` beside what is held, and prolong. Transaction: the caller's; locks wallets, then the hold.

    Each of `more` must name the type of an item of the hold. Raises NotFound, HoldIsOver, Invalid, and
    InsufficientCredit, which leaves the hold as it was.
    """
    items = items_of(account.id, hold_id)
    wallets = _locked(account.id, more)
    left = _take_from_available(account, wallets, more)
    positions = {item.type_code: item.position for item in items}
    if any(wanted.type_code not in positions for wanted in more):
        raise Invalid("Only what is held can be extended; place another hold for another type.", field="items")
    with connection.cursor() as cursor:
        cursor.execute(SQL["extend_hold"], {"account_id": account.id, "id": hold_id, "ttl": ttl})
        row = cursor.fetchone()
        if row is None:
            raise HoldIsOver("This hold is over; place a new one.")
        cursor.execute(
            SQL["grow_items"],
            {
                "account_id": account.id,
                "hold_id": hold_id,
                "positions": [positions[wanted.type_code] for wanted in more],
                "quantities": [wanted.quantity for wanted in more],
                "amounts": [wanted.amount for wanted in more],
            },
        )
    _move(account.id, hold_id, row[0], "extend", [(wallets[wanted.type_code].id, wanted.amount) for wanted in more])
    wake.tell(account.id)
    held = tuple(map(_wanted, items_of(account.id, hold_id)))
    return Placed(hold_id, row[0], held, row[1], _is_final(left, more))


def close(account_id: UUID, hold_id: UUID, state: HoldState, reason: str = "") -> bool:
    """End an open hold as `state` and let its money go; False when it was over already.

    Transaction: the caller's. Locks: the hold's wallets (taken here, in id order; harmless when held already), then
    the hold.
    """
    items = items_of(account_id, hold_id)
    lock(account_id, {item.type_code for item in items})
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["close_hold"], {"account_id": account_id, "id": hold_id, "state": state.value, "reason": reason[:200]}
        )
        row = cursor.fetchone()
    if row is None:
        return False
    items = items_of(account_id, hold_id)
    kind = {"captured": "capture", "released": "release", "expired": "expire"}[state.value]
    _move(account_id, hold_id, row[0], kind, [(item.wallet_id, -item.amount) for item in items])
    wake.tell(account_id)
    return True


def release(account_id: UUID, hold_id: UUID, reason: str = "") -> None:
    """Let a hold's money go without a debit. Own transaction; safe to repeat. Raises NotFound and HoldIsOver."""
    in_transaction(lambda: release_within(account_id, hold_id, reason))


def release_within(account_id: UUID, hold_id: UUID, reason: str = "") -> None:
    """As `release`, inside the caller's transaction; locks the hold's wallets, then the hold."""
    if not reason.isprintable():
        raise Invalid("The reason must be printable text.", field="reason")
    if close(account_id, hold_id, HoldState.RELEASED, reason):
        return
    if find(account_id, hold_id).state != HoldState.RELEASED:
        raise HoldIsOver("This hold is over; there is nothing to release.")


def expire_due() -> int:
    """Close up to 500 holds whose time is over, each in its own transaction; answers how many."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["expired"])
        due = cursor.fetchall()
    return sum(
        in_transaction(partial(close, account_id, hold_id, HoldState.EXPIRED, "time to live over"))
        for account_id, hold_id in due
    )


def find(account_id: UUID, hold_id: UUID) -> Hold:
    """The hold. Raises NotFound."""
    hold = Hold.objects.filter(account_id=account_id, id=hold_id).first()
    if hold is None:
        raise NotFound("There is no such hold.")
    return hold


def account_of(hold_id: UUID) -> UUID:
    """The account that a hold belongs to, for a caller who may see every account. Raises NotFound."""
    account_id = Hold.objects.filter(id=hold_id).values_list("account_id", flat=True).first()
    if account_id is None:
        raise NotFound("There is no such hold.")
    return account_id


def items_of(account_id: UUID, hold_id: UUID) -> list[HoldItem]:
    """What the hold sets aside, in order of position. Raises NotFound."""
    items = list(HoldItem.objects.filter(account_id=account_id, hold_id=hold_id).order_by("position"))
    if not items:
        raise NotFound("There is no such hold.")
    return items


def open_for_events(account_id: UUID, event_ids: Sequence[str]) -> dict[str, UUID]:
    """The open holds of these events, by event id."""
    found = Hold.objects.filter(account_id=account_id, event_id__in=event_ids, state=HoldState.OPEN)
    return dict(found.values_list("event_id", "id"))


def _locked(account_id: UUID, items: Sequence[Wanted]) -> dict[str, Locked]:
    wallets = lock(account_id, {item.type_code for item in items})
    missing = [item.type_code for item in items if item.type_code not in wallets]
    if missing:
        raise Invalid(f"This account has no wallet for {', '.join(missing)}.", field="type")
    if len({item.type_code for item in items}) != len(items):
        raise Invalid("A hold names each type once.", field="items")
    return wallets


def _take_from_available(account: Account, wallets: dict[str, Locked], items: Sequence[Wanted]) -> dict[str, Decimal]:
    """What will be available in each wallet once the items are held. Raises InsufficientCredit."""
    overdraft = overdraft_of(account)
    available = {code: wallet.balance - wallet.held + overdraft for code, wallet in wallets.items()}
    if any(available[item.type_code] < item.amount or available[item.type_code] <= 0 for item in items):
        raise InsufficientCredit(
            "There is too little credit for this.",
            available={code: f"{max(amount, ZERO):.6f}" for code, amount in available.items()},
        )
    return {item.type_code: available[item.type_code] - item.amount for item in items}


def _is_final(left: dict[str, Decimal], slice: Sequence[Wanted]) -> bool:
    return any(left[item.type_code] < item.amount or left[item.type_code] <= 0 for item in slice)


def _item_columns(account_id: UUID, hold_id: UUID, wallets: dict[str, Locked], items: Sequence[Wanted]) -> dict:
    return {
        "account_id": account_id,
        "hold_id": hold_id,
        "positions": list(range(1, len(items) + 1)),
        "wallet_ids": [wallets[item.type_code].id for item in items],
        "type_codes": [item.type_code for item in items],
        "quantities": [item.quantity for item in items],
        "amounts": [item.amount for item in items],
        "destinations": [item.to for item in items],
        "senders": [item.sender for item in items],
    }


def _move(account_id: UUID, hold_id: UUID, event_id: str, kind: str, changes: Sequence[tuple[UUID, Decimal]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["move_held"],
            {
                "account_id": account_id,
                "hold_id": hold_id,
                "event_id": event_id,
                "kind": kind,
                "ids": [new_id() for _ in changes],
                "wallet_ids": [wallet_id for wallet_id, _ in changes],
                "amounts": [amount for _, amount in changes],
            },
        )


def _wanted(item: HoldItem) -> Wanted:
    return Wanted(item.type_code, item.quantity, item.amount, item.to, item.sender)
