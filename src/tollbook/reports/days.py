"""A period of whole days. Books are kept in UTC, like the desk's pages: a day ends when it ends there."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tollbook.errors import Invalid

MOST_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class Days:
    """Days from `since` to `until`, both included. Raises Invalid when the last lies before the first."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if not 0 <= (self.until - self.since).days < MOST_DAYS:
            raise Invalid("The period ends after it begins, and has at most ten years.", field="until")

    @property
    def begins_at(self) -> datetime:
        """The first instant."""
        return datetime.combine(self.since, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return end_of(self.until)


def end_of(day: date) -> datetime:
    """The first instant after a day."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def last_month(today: date) -> Days:
    """The calendar month before the one of `today`: what is usually closed."""
    last = today.replace(day=1) - timedelta(days=1)
    return Days(last.replace(day=1), last)
