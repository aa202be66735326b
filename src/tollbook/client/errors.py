"""What can go wrong, and which of it is worth a repeat."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any


class ClientError(Exception):
    """Base of everything that a client raises on its own account."""


class Unavailable(ClientError):
    """The server did not answer, or asked for patience, for too long. Whether it did what was asked is not known.

    Ask the same again, with the same ids: nothing is done twice.
    """


class Refused(ClientError):
    """The server will not do this, however often it is asked. `code` is stable, `problem` is the whole RFC 9457 answer."""

    def __init__(self, status: int, code: str, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{detail} ({status}, {code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.problem = dict(problem or {})


class InsufficientCredit(Refused):
    """There is too little credit for a hold. `available`: by credit type, in the account's currency."""

    @property
    def available(self) -> dict[str, Decimal]:
        """What there is, as far as the answer says it."""
        found = self.problem.get("available")
        return {str(code): _amount(text) for code, text in found.items()} if isinstance(found, dict) else {}


class NoPrice(ClientError):
    """There is no price for this; such an event would be rejected with this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class Full(ClientError):
    """There is no room for more events until the server has taken some. The events of this call were not taken."""


class SpoolFailed(ClientError):
    """The spool's disk does not do what it should. Events of this call are not acknowledged: send them again."""


class InUse(ClientError):
    """Another process works with this spool folder."""


class Closed(ClientError):
    """The client was closed before."""


class Undelivered(ClientError):
    """Not everything was delivered in time. `waiting` is how many events still wait, `lines` which ones, as JSON, where
    nothing else holds them (a client without a spool that was closed)."""

    def __init__(self, waiting: int, lines: tuple[bytes, ...] = (), reason: str = "") -> None:
        super().__init__(f"{waiting:,} events are not delivered yet{f': {reason}' if reason else '.'}")
        self.waiting = waiting
        self.lines = lines


def _amount(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)
