"""Lists in keyset pages: `{items, next}`, newest first. `next` is opaque; as `cursor` it goes on after the last item."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from tollbook.errors import Invalid

Item = TypeVar("Item")
Row = TypeVar("Row")
Place = TypeVar("Place")

USUAL, LARGEST = 100, 1_000
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=1_000)]
Limit = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=LARGEST)]
Since = Annotated[datetime | None, QueryParameter(description="From this instant on.")]
Until = Annotated[datetime | None, QueryParameter(description="Until before this instant.")]


class Page(msgspec.Struct, Generic[Item]):
    """Some items; `next` is null at the end."""

    items: list[Item]
    next: str | None


def cut(rows: Sequence[Row], limit: int, told: Callable[[Row], Item], place: Callable[[Row], str]) -> Page[Item]:
    """A page of `limit` rows out of one more than that, which tells whether there is a next one."""
    shown = rows[:limit]
    following = urlsafe_b64encode(place(shown[-1]).encode()).decode().rstrip("=") if len(rows) > limit else None
    return Page([told(row) for row in shown], following)


def place_of(cursor: str | None, read: Callable[[str], Place]) -> Place | None:
    """What `read` makes of the place that a cursor tells; None without one. Raises Invalid."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if not text.isprintable():
            raise ValueError(text)
        return read(text)
    except (ValueError, Invalid):
        raise Invalid("This cursor is none of ours; begin at the first page.", field="cursor") from None


def instants(since: datetime | None, until: datetime | None) -> None:
    """Raises Invalid for an instant without a time zone."""
    for name, value in (("since", since), ("until", until)):
        if value is not None and value.tzinfo is None:
            raise Invalid(f"{name} needs a time zone, such as 2026-11-03T14:02:07Z.", field=name)
