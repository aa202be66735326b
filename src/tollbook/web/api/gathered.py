"""From the server's loop into a group and back: the answer of a gathered request, or a refusal that says what to do."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tollbook.errors import TryLater
from tollbook.postgres.gather import Full, Gatherer

Item = TypeVar("Item")
Answer = TypeVar("Answer")
DEADLINE_SECONDS = 30
BUSY = "More is being sent than is taken in. Nothing of this request was done; repeat it after `Retry-After` seconds."
LATE = (
    "This took too long to wait for; whether it was done is not known yet. Repeat the request: with the same ids nothing "
    "is done twice."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered past the framework."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


async def outcome(gatherer: Gatherer[Item, Answer], item: Item, weight: int = 1) -> Answer:
    """The item's answer. Raises what its work raised, and TryLater when there is no room or no answer in time."""
    try:
        future = gatherer.submit(item, weight)
    except Full:
        raise TryLater(BUSY, retry_after_seconds=1) from None
    late = asyncio.get_running_loop().call_later(DEADLINE_SECONDS, _give_up, future)
    try:
        return await future
    finally:
        late.cancel()


def _give_up(future: "asyncio.Future[Answer]") -> None:
    if not future.done():
        future.set_exception(TryLater(LATE, retry_after_seconds=5))
