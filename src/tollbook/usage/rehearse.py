"""What recording a batch would answer, without recording it."""

from collections.abc import Sequence
from uuid import UUID

from tollbook.money.amount import ZERO
from tollbook.rating.deck import deck_of
from tollbook.usage.event import Event
from tollbook.usage.record import Rated, Recorded, conflict, known_bodies, rate_all


def rehearse(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """As `record` would answer now: what is new and its cost, what is known, what is rejected. Reads only, locks nothing."""
    rated, rejected = rate_all(deck_of(account_id), events)
    bodies = known_bodies(account_id, {one.event.id for one in rated})
    new: list[Rated] = []
    for one in rated:
        if one.event.id not in bodies:
            bodies[one.event.id] = one.digest
            new.append(one)
    conflicts = [conflict(one) for one in rated if bodies[one.event.id] != one.digest]
    return Recorded(
        accepted=len(new),
        duplicates=len(rated) - len(new) - len(conflicts),
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        cost=sum((one.priced.cost for one in new), ZERO),
    )
