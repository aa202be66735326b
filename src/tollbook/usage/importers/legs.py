"""What every switch's format does with a leg once its columns are known."""

from uuid import UUID

from tollbook.usage.importers import fields
from tollbook.usage.importers.direction import Direction, DirectionRule, Leg
from tollbook.usage.importers.row import INTERNAL_LEG, Skip, Unreadable


def billable_direction(leg: Leg, rule: DirectionRule) -> Direction:
    """INBOUND or OUTBOUND by the rule; skips internal legs and refuses those that no part of the rule decides."""
    return decided(leg.direction(rule), leg)


def decided(direction: Direction | None, leg: Leg) -> Direction:
    """The direction, if it is one that is billed; skips internal legs and refuses undecided ones."""
    if direction is Direction.INTERNAL:
        raise Skip(INTERNAL_LEG)
    if direction is None:
        raise Unreadable(f"no rule tells the direction of context {fields.shown(leg.context)}; name it in a rules file")
    return direction


def rated_number(number: str, direction: Direction, rule: DirectionRule) -> str:
    """The number called. Outbound rates go by it, so there it must be one; inbound it may be a dialplan's `s`."""
    if direction is Direction.OUTBOUND:
        return fields.dialled(rule.rated_number(number.strip()), "the destination")
    return fields.party(number)


def freeswitch_id(uuid: str) -> str:
    """`freeswitch:{uuid}`: FreeSWITCH gives every channel a uuid, so it names the leg in either format."""
    try:
        return f"freeswitch:{UUID(uuid)}"
    except ValueError as no_uuid:
        raise Unreadable(f"uuid is not a UUID: {fields.shown(uuid)}") from no_uuid
