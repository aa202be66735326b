"""What recording a batch would answer, without recording it."""

from collections.abc import Sequence
from uuid import UUID

from tollbook.usage import attributes
from tollbook.usage.batch import of_events
from tollbook.usage.event import Event
from tollbook.usage.known import bodies_of
from tollbook.usage.prepare import prepare
from tollbook.usage.record import Recorded, Rejection, conflict, millionths


def rehearse(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """As `record` would answer now: what is new and its cost, what is known, what is rejected. Locks nothing."""
    batch = of_events(account_id, events, [attributes.told(event.attributes) for event in events])
    prepared = prepare(batch, None)
    rows = prepared.rows
    known = bodies_of([(account_id, id) for id in rows.ids])
    new = [row for row in range(len(rows)) if (account_id, rows.ids[row]) not in known]
    places = [int(rows.places[row]) for row in new]
    bodies = {id: body for (_, id), body in known.items()} | {batch.ids[one]: prepared.body(one) for one in places}
    good = [place for place in range(len(batch)) if place not in prepared.faults]
    conflicts = [
        conflict(place, batch.ids[place]) for place in good if bodies[batch.ids[place]] != prepared.body(place)
    ]
    rejected = [
        Rejection(place, batch.ids[place][:200], fault.code, fault.message) for place, fault in prepared.faults.items()
    ]
    return Recorded(
        accepted=len(new),
        duplicates=len(good) - len(places) - len(conflicts),
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        cost=millionths(int(rows.cost_micro[new].sum())),
    )
