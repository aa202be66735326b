"""Events that tests send. Needs no Django, so that a child process may import it, too."""

from datetime import UTC, datetime

from tollbook.client.event import Event

NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def call(number: int, quantity: int = 60, **more: object) -> Event:
    """An outbound call of the account, an event of its own for each number."""
    fields = {"account": "northwind", "type": "outbound", "occurred_at": NOON, "to": "+12125550100"} | more
    return Event(id=f"call-{number}", quantity=quantity, **fields)
