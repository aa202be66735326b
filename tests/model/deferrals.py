"""A slow, plain model of revenue that is earned by the day: whole cents, one day after another."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction


def half_away(value: Fraction) -> int:
    sign = -1 if value < 0 else 1
    return sign * int(abs(value) + Fraction(1, 2))


@dataclass
class Stretch:
    """What one invoice deferred for its days, in cents."""

    cents: int
    since: date
    until: date
    posted_on: date
    earned: int = 0
    base: int = 0
    begins: date = field(init=False)
    told: date | None = None

    def __post_init__(self) -> None:
        self.begins = self.since

    def left(self) -> int:
        return self.cents - self.earned

    def day(self, today: date) -> int:
        """What this day adds."""
        if today < max(self.since, self.posted_on) or not self.left() or (self.told and self.told >= today):
            return 0
        self.told = today
        if today >= self.until:
            reached = self.cents
        else:
            gone, whole = (today - self.begins).days + 1, (self.until - self.begins).days + 1
            reached = self.base + half_away(Fraction((self.cents - self.base) * gone, whole))
        added, self.earned = reached - self.earned, reached
        return added

    def credit(self, cents: int) -> int:
        """What of a credit comes off what is left; the rest was earned already."""
        same_way = cents * self.left() > 0
        part = (cents if abs(cents) <= abs(self.left()) else self.left()) if same_way else 0
        if part:
            self.cents -= part
            self.base = self.earned
            following = self.told + timedelta(days=1) if self.told else max(self.since, self.posted_on)
            self.begins = max(self.begins, following)
        return part
