"""Prepaid authorisation of something in progress, such as a live call: place, extend, capture, release.

Every call carries an Idempotency-Key, so the repeats that this client makes by itself are safe. Give one of your own to be
able to repeat a call after your process was killed. Amounts are in the account's currency.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec

from tollbook.client.door import Door

Answer = TypeVar("Answer")


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to hold or to capture: a quantity in the type's unit, or (holds only) an amount of money."""

    type: str
    quantity: Decimal | int | None = None
    amount: Decimal | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)


class Held(msgspec.Struct, frozen=True):
    """What is set aside: the quantity it covers, and the money."""

    type: str
    granted_quantity: Decimal
    held: Decimal


class Hold(msgspec.Struct, frozen=True):
    """An open hold; its items count from its beginning.

    `final_unit`: the next slice like this one would be refused; `final_unit_action` says what to do once what is granted is
    used up. `zero_rule`: the account's, `stop_new` or `overdraft`.
    """

    id: UUID
    event_id: str
    state: str
    items: tuple[Held, ...]
    expires_at: datetime
    final_unit: bool = False
    final_unit_action: str | None = None
    zero_rule: str = ""


class Debit(msgspec.Struct, frozen=True):
    """One debited event: raw and billed quantity, rate in cents per unit, cost."""

    id: str
    type: str
    quantity: Decimal
    billed_quantity: Decimal
    rate_cents: Decimal
    cost: Decimal


class Capture(msgspec.Struct, frozen=True):
    """A captured hold. `duplicates` counts debits that the call record had made already."""

    id: UUID
    event_id: str
    state: str
    accepted: int
    duplicates: int
    debits: tuple[Debit, ...]


class Release(msgspec.Struct, frozen=True):
    """A hold that was let go."""

    id: UUID
    state: str


class Holds:
    """The holds of one client. All raise Unavailable after the client's patience, and Refused."""

    def __init__(self, door: Door, patience_seconds: float) -> None:
        self._door = door
        self._patience = patience_seconds

    def place(
        self,
        event_id: str,
        items: Item | Sequence[Item],
        *,
        account: str | None = None,
        ttl_seconds: int | None = None,
        accept_less: bool = False,
        idempotency_key: str | None = None,
    ) -> Hold:
        """Set money aside for what is about to happen. Raises InsufficientCredit, which says what is available.

        `accept_less`: grant what there is credit for, rather than refuse.
        """
        asked = {"event_id": event_id, "account": account} | _asked(items, ttl_seconds, accept_less)
        return self._ask("/holds", asked, Hold, idempotency_key)

    def extend(
        self,
        hold_id: UUID,
        more: Item | Sequence[Item],
        *,
        ttl_seconds: int | None = None,
        accept_less: bool = False,
        idempotency_key: str | None = None,
    ) -> Hold:
        """Set more aside for something that goes on, and prolong. InsufficientCredit leaves the hold as it was."""
        asked = _asked(more, ttl_seconds, accept_less)
        return self._ask(f"/holds/{hold_id}/extend", asked, Hold, idempotency_key)

    def capture(
        self,
        hold_id: UUID,
        used: Item | Sequence[Item],
        occurred_at: datetime,
        *,
        attributes: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Capture:
        """Debit what was used, once, and let the rest go."""
        asked = {"items": _listed(used), "occurred_at": occurred_at, "attributes": attributes}
        return self._ask(f"/holds/{hold_id}/capture", asked, Capture, idempotency_key)

    def release(self, hold_id: UUID, reason: str = "", *, idempotency_key: str | None = None) -> Release:
        """Let the money go without a debit."""
        return self._ask(f"/holds/{hold_id}/release", {"reason": reason}, Release, idempotency_key)

    def _ask(self, path: str, body: dict[str, Any], kind: type[Answer], key: str | None) -> Answer:
        return self._door.ask(
            "POST",
            path,
            kind,
            content=msgspec.json.encode({name: value for name, value in body.items() if value is not None}),
            headers={"Content-Type": "application/json", "Idempotency-Key": key or uuid4().hex},
            patience_seconds=self._patience,
        )


def _listed(items: Item | Sequence[Item]) -> list[Item]:
    return [items] if isinstance(items, Item) else list(items)


def _asked(items: Item | Sequence[Item], ttl_seconds: int | None, accept_less: bool) -> dict[str, Any]:
    return {"items": _listed(items), "ttl_seconds": ttl_seconds, "accept_less": accept_less or None}
