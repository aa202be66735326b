"""What is held, in the database: wallets locked with what they have available, holds opened and locked, changes written.

Everything is for many holds of many accounts at once, in a fixed number of statements. Order of locks: wallets (by
account and id), then holds (by account and id).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db import connection

from tollbook.accounts.tables import ZeroRule
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.wallets.hold import Held, as_json

SQL = load(__file__)

Key = tuple[UUID, str]
"""A wallet, by its account and type."""


@dataclass(frozen=True, slots=True)
class Purse:
    """A wallet under its row lock: what is held, and what is available by its account's zero rule."""

    wallet_id: UUID
    held: Decimal
    available: Decimal
    zero_rule: ZeroRule


@dataclass(slots=True)
class Going:
    """A hold under its row lock; `items` by type, in order of position. `now` is the database's clock."""

    event_id: str
    state: str
    expires_at: datetime
    now: datetime
    items: dict[str, Held]


class Opening(msgspec.Struct):
    """A hold on its way into the database."""

    account_id: UUID
    id: UUID
    event_id: str
    ttl_seconds: int


class _Move(msgspec.Struct):
    """A change of held money on its way into the database."""

    account_id: UUID
    id: UUID
    wallet_id: UUID
    hold_id: UUID
    event_id: str
    amount: Decimal
    held_before: Decimal


class _Prolonged(msgspec.Struct):
    """When a hold expires from now on."""

    account_id: UUID
    id: UUID
    expires_at: datetime


def lock_purses(keys: Collection[Key]) -> dict[Key, Purse]:
    """Lock these wallets, by account and id, until the transaction ends; those that exist."""
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["lock_purses"],
            {
                "account_ids": [account_id for account_id, _ in keys],
                "type_codes": [type_code for _, type_code in keys],
                "overdraft": ZeroRule.OVERDRAFT,
            },
        )
        rows = cursor.fetchall()
    return {
        (account_id, type_code): Purse(wallet_id, held, available, ZeroRule(zero_rule))
        for account_id, type_code, wallet_id, held, available, zero_rule in rows
    }


def open_holds(new: Sequence[Opening]) -> dict[UUID, datetime]:
    """Open these holds, in the order of their events; when each expires. A hold whose event has an open one is not in it."""
    if not new:
        return {}
    ordered = sorted(new, key=lambda one: (one.account_id.int, one.event_id))
    with connection.cursor() as cursor:
        cursor.execute(SQL["open_holds"], {"holds": as_json(ordered)})
        return dict(cursor.fetchall())


def open_of_events(events: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], UUID]:
    """The open holds of these events (account, event id)."""
    if not events:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["open_of_events"],
            {"account_ids": [event[0] for event in events], "event_ids": [event[1] for event in events]},
        )
        return {(account_id, event_id): hold_id for account_id, event_id, hold_id in cursor.fetchall()}


def lock_holds(keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Going]:
    """These holds (account, hold) with their items, locked by account and id; those that exist.

    Of items whose wallets the caller has locked, what is told is how they stand.
    """
    holds: dict[tuple[UUID, UUID], Going] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["lock_holds"],
            {"account_ids": [account_id for account_id, _ in keys], "hold_ids": [hold_id for _, hold_id in keys]},
        )
        for *columns, event_id, state, expires_at, now in cursor.fetchall():
            item = Held(*columns)
            hold = holds.setdefault((item.account_id, item.hold_id), Going(event_id, state, expires_at, now, {}))
            hold.items[item.type_code] = item
    return holds


class Changes:
    """What a group of requests changes in holds, gathered to be written in one statement."""

    def __init__(self, purses: Mapping[Key, Purse]) -> None:
        self._running = {key: purse.held for key, purse in purses.items()}
        self._items: dict[tuple[UUID, int], Held] = {}
        self._moves: list[_Move] = []
        self._prolonged: dict[UUID, _Prolonged] = {}

    def set(self, item: Held, event_id: str, added: Decimal) -> None:
        """What an item is now, `added` of its amount being new."""
        self._items[item.hold_id, item.position] = item
        if added:
            key = (item.account_id, item.type_code)
            before = self._running[key]
            self._running[key] = before + added
            self._moves.append(
                _Move(item.account_id, new_id(), item.wallet_id, item.hold_id, event_id, added, before)
            )

    def prolong(self, account_id: UUID, hold_id: UUID, expires_at: datetime) -> None:
        """When a hold expires from now on."""
        self._prolonged[hold_id] = _Prolonged(account_id, hold_id, expires_at)

    def write(self, kind: str) -> None:
        """Write all of it, as moves of this kind, and tell the accounts."""
        if not self._items:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                SQL["write_held"],
                {
                    "kind": kind,
                    "items": as_json(list(self._items.values())),
                    "moves": as_json(self._moves),
                    "prolonged": as_json(list(self._prolonged.values())),
                },
            )
        wake.tell_all(list({item.account_id for item in self._items.values()}))
