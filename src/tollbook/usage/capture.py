"""Turn a hold into its usage events, and let the rest of its money go.

The event id that names a hold is the id of the first item's event; the event of every other item is `<event id>#<type>`.
Call records that bear these ids are the same events: whichever comes first is debited, the others are duplicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.postgres.retry import in_transaction
from tollbook.usage.event import Event
from tollbook.usage.record import Recorded, record_within
from tollbook.usage.reserve import Item, as_held, named
from tollbook.wallets import hold as holds
from tollbook.wallets.hold import Held, HoldIsOver, event_name
from tollbook.wallets.tables import HoldState


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture did: the hold's event id, the ids of the events it debited or found debited, and the counts."""

    event_id: str
    event_ids: tuple[str, ...]
    recorded: Recorded


class EventConflict(Conflict):
    """The event was debited before, with another body; nothing was changed."""

    code = "event_conflict"


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
    hold, held = holds.find(account.id, hold_id), holds.items_of(account.id, hold_id)
    told = [as_held(named(item, held), held) for item in used]
    if not told or len({item.type for item in told}) != len(told):
        raise Invalid("Say what was used: at least one item, each type once.", field="items")
    events = [_event(hold.event_id, item, held, occurred_at, attributes) for item in told]
    recorded = record_within(account.id, events)
    for rejection in recorded.rejected:
        refusal = EventConflict if rejection.code == EventConflict.code else Invalid
        raise refusal(rejection.message, reason=rejection.code)
    holds.close(account.id, hold_id, HoldState.CAPTURED, "captured")
    if holds.find(account.id, hold_id).state != HoldState.CAPTURED:
        raise HoldIsOver("This hold was released or has expired; send the usage as an event instead.")
    return Captured(hold.event_id, tuple(event.id for event in events), recorded)


def _event(
    event_id: str, item: Item, held: Sequence[Held], occurred_at: datetime, attributes: dict[str, Any]
) -> Event:
    if item.quantity is None:
        raise Invalid("What was used is a quantity.", field="quantity")
    position = next((one.position for one in held if one.type_code == item.type), len(held) + 1)
    return Event(
        id=event_name(event_id, position, item.type),
        type=item.type,
        quantity=item.quantity,
        occurred_at=occurred_at,
        to=item.to,
        sender=item.sender,
        attributes=attributes,
    )
