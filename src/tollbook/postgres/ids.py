"""Identifiers: UUIDv7, so that new rows land at the right edge of every index."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): ordered by the millisecond of its making."""
    return uuid7()
