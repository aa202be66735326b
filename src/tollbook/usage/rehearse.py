"""What recording a batch would answer, without recording it."""

from collections.abc import Sequence
from uuid import UUID

from tollbook.money.amount import ZERO
from tollbook.rating.deck import deck_of
from tollbook.usage.event import Event
from tollbook.usage.record import LARGEST_BATCH, Recorded, Rejection, rate_all
from tollbook.usage.tables import UsageEvent


def rehearse(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """As `record` would answer now: what is new and its cost, what is known, what is rejected. Reads only, locks nothing."""
    rated, repeated, rejected = rate_all(deck_of(account_id), events[:LARGEST_BATCH])
    bodies = _known_bodies(account_id, [one.event.id for one in rated])
    new = [one for one in rated if one.event.id not in bodies]
    conflicts = [
        Rejection(one.index, one.event.id, "event_conflict", "This id was used before for an event with another body.")
        for one in rated
        if bodies.get(one.event.id, one.digest) != one.digest
    ]
    return Recorded(
        accepted=len(new),
        duplicates=repeated + len(rated) - len(new) - len(conflicts),
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        cost=sum((one.priced.cost for one in new), ZERO),
    )


def _known_bodies(account_id: UUID, event_ids: list[str]) -> dict[str, bytes]:
    known = UsageEvent.objects.filter(account_id=account_id, event_id__in=event_ids)
    return {event_id: bytes(digest) for event_id, digest in known.values_list("event_id", "body_digest")}
