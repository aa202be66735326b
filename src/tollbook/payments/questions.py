"""What a person at the desk is asked about one payment or refill: a line for each question, until somebody answers.

A second question never takes the place of one that nobody has answered, and a click answers only what its page showed.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tollbook.errors import Conflict, Refused


class Asked(Protocol):
    """A payment or a refill."""

    @property
    def needs_person_at(self) -> datetime | None: ...

    @property
    def question(self) -> str: ...


UNSAID = "The gateway does not say whether this was charged. Look at its dashboard."
UNBOOKED = "was charged, and can't be booked"
LONGEST = 300


def with_another(asked: str, another: str, *, is_open: bool) -> str | None:
    """What is asked now; None when that was asked before, whether somebody has answered it since or not.

    `asked` is what was asked last, `is_open` whether it still waits for its answer.
    """
    line = another[:LONGEST].replace("\n", " ")
    if line in asked.split("\n"):
        return None
    return f"{asked}\n{line}" if is_open and asked else line


def without(asked: str, answered: Sequence[str]) -> str:
    """What is left of open questions once those that begin with one of `answered` are answered by themselves."""
    return "\n".join(line for line in asked.split("\n") if line and not line.startswith(tuple(answered)))


def unbooked(reference: str, error: Exception) -> str:
    """Why a charge that was captured does not stand in the books yet."""
    told = error.message.rstrip(".") if isinstance(error, Refused) else type(error).__name__
    return f"{reference} {UNBOOKED}: {told[:150]}. It is tried again."


def waits_unbooked(asked: Asked) -> bool:
    """Whether a charge was captured that does not stand in the books yet: no other card may be charged for it."""
    return asked.needs_person_at is not None and UNBOOKED in asked.question


def is_about(asked: str, reference: str) -> bool:
    """Whether one of the questions says of the charge `reference` that it is not what it should be."""
    return any(line.startswith(f"{reference}: ") for line in asked.split("\n"))


def mark(asked: str) -> str:
    """What a page carries from what it showed to the click."""
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def refuse_unseen(asked: str, seen: str) -> None:
    """Raise Conflict unless the page that is answered, with the mark `seen`, showed what is asked now."""
    if mark(asked) != seen:
        raise Conflict("Something else was asked meanwhile. Read it, and answer again.")
