"""What is held, in the database: wallets locked with what they have available, holds opened and locked, changes written.

Everything is for many holds of many accounts at once, in a fixed number of statements. Order of locks: wallets (by
account and id), then holds (by account and id).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from tollbook.accounts.tables import ZeroRule
from tollbook.postgres import prepared
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.wake import CHANNEL
from tollbook.wallets.grant import micro
from tollbook.wallets.hold import Held

SQL = load(__file__)

Key = tuple[UUID, str]
"""A wallet, by its account and type."""


class Purse(msgspec.Struct):
    """A wallet under its row lock, in millionths: what is held, and what is available by its account's zero rule.

    `left` is what is available after what was decided so far. `now` is the database's clock.
    """

    wallet_id: UUID
    held: int
    available: int
    zero_rule: ZeroRule
    now: datetime
    left: int = 0


class Going(msgspec.Struct):
    """A hold under its row lock; `items` by type, in order of position."""

    event_id: str
    state: str
    expires_at: datetime
    items: dict[str, Held]


class Opening(msgspec.Struct):
    """A hold on its way into the database."""

    account_id: UUID
    id: UUID
    event_id: str
    opened_at: datetime
    expires_at: datetime


class _Move(msgspec.Struct):
    """A change of held money on its way into the database, in millionths written as such."""

    account_id: UUID
    id: UUID
    wallet_id: UUID
    hold_id: UUID
    event_id: str
    amount: str
    held_before: str


class _Prolonged(msgspec.Struct):
    """When a hold expires from now on."""

    account_id: UUID
    id: UUID
    expires_at: datetime


def lock_purses(keys: Collection[Key]) -> dict[Key, Purse]:
    """Lock these wallets, by account and id, until the transaction ends; those that exist."""
    with prepared.cursor() as cursor:
        cursor.execute(SQL["lock_purses"], {"keys": prepared.as_json(keys), "overdraft": ZeroRule.OVERDRAFT}, prepare=True)
        rows = cursor.fetchall()
    return {
        (account_id, type_code): Purse(wallet_id, micro(held), micro(available), ZeroRule(zero_rule), now)
        for account_id, type_code, wallet_id, held, available, zero_rule, now in rows
    }


def open_all(new: Sequence[Opening]) -> int:
    """Open these holds, in the order of their events; how many are. An event has at most one open hold."""
    ordered = sorted(new, key=lambda one: (one.account_id.int, one.event_id))
    with prepared.cursor() as cursor:
        cursor.execute(SQL["open_all"], {"holds": prepared.as_json(ordered)}, prepare=True)
        return cursor.rowcount


def lock_holds(keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Going]:
    """These holds (account, hold) with their items, locked by account and id; those that exist.

    Of items whose wallets the caller has locked, what is told is how they stand.
    """
    holds: dict[tuple[UUID, UUID], Going] = {}
    with prepared.cursor() as cursor:
        cursor.execute(SQL["lock_holds"], {"holds": prepared.as_json(keys)}, prepare=True)
        for *columns, event_id, state, expires_at in cursor.fetchall():
            item = Held(*columns)
            hold = holds.setdefault((item.account_id, item.hold_id), Going(event_id, state, expires_at, {}))
            hold.items[item.type_code] = item
    return holds


class Changes:
    """What a group of requests changes in holds, gathered to be written in one statement."""

    def __init__(self) -> None:
        self._items: dict[tuple[int, int], Held] = {}
        self._moves: list[_Move] = []
        self._prolonged: dict[UUID, _Prolonged] = {}

    def set(self, item: Held, event_id: str, purse: Purse, added: int) -> None:
        """What an item is now, `added` millionths of it being new and taken from this purse."""
        self._items[item.hold_id.int, item.position] = item
        if added:
            told = (f"{added}e-6", f"{purse.held}e-6")
            self._moves.append(_Move(item.account_id, new_id(), item.wallet_id, item.hold_id, event_id, *told))
            purse.held += added

    def prolong(self, account_id: UUID, hold_id: UUID, expires_at: datetime) -> None:
        """When a hold expires from now on."""
        self._prolonged[hold_id] = _Prolonged(account_id, hold_id, expires_at)

    def write(self, kind: str, account_ids: Collection[UUID]) -> None:
        """Write all of it, as moves of this kind, and tell these accounts."""
        if not self._items:
            return
        told = {
            "items": prepared.as_json(list(self._items.values())),
            "moves": prepared.as_json(self._moves),
            "prolonged": prepared.as_json(list(self._prolonged.values())),
            "account_ids": prepared.as_json(account_ids),
        }
        with prepared.cursor() as cursor:
            cursor.execute(SQL["write_held"], {"kind": kind, "channel": CHANNEL, **told}, prepare=True)
