"""What Tollbook refuses, and why: the one family of errors that reaches a person or a machine.

A domain package raises a subclass of `Refused` when a request cannot be done as asked. It carries a decision, not
an HTTP status: `code` is stable and machine-readable, the message is a sentence that says what to do. `web/errors.py`
holds the one table that turns a class into a status. Anything else that escapes a verb is a defect of ours.
"""


class Refused(Exception):
    """Base of every refusal. `code` is snake_case and part of the public API; `details` is JSON-able."""

    code = "refused"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class NotFound(Refused):
    """No such thing in this account (also the answer for another account's things)."""

    code = "not_found"


class Invalid(Refused):
    """The input can't be taken as it is; `details` may name the field."""

    code = "invalid"


class Forbidden(Refused):
    """The actor lacks the right; the message names who can grant it."""

    code = "forbidden"


class Conflict(Refused):
    """The thing exists already in another shape, or its state does not allow this."""

    code = "conflict"


class TryLater(Refused):
    """Nothing was done; the same request may succeed after `details["retry_after_seconds"]`."""

    code = "try_later"
