"""Events: https://docs.stripe.com/api/events."""

from tests.gateway import shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, created_fits, endpoint, page

KEPT_SECONDS = 30 * 86_400
"""https://docs.stripe.com/api/events: events of the last 30 days can be asked for."""


@endpoint("GET", "/v1/events/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/events/retrieve"""
    return call.books.find("event", call.id)


@endpoint("GET", "/v1/events", type=shapes.text, types=shapes.words, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/events/list; a type may end in `.*`."""
    kinds = call.params.get("types", [call.params["type"]] if "type" in call.params else [])
    oldest = call.books.clock.second() - KEPT_SECONDS

    def fits(event: Object) -> bool:
        return event["created"] >= oldest and created_fits(call.params, event) and _is_of(event["type"], kinds)
    return page(call, "event", "/v1/events", fits)


def _is_of(kind: str, kinds: list[str]) -> bool:
    return not kinds or any(kind == each or (each.endswith(".*") and kind.startswith(each[:-1])) for each in kinds)
