"""When people call: business hours of the East Coast, a lunch dip, quiet weekends, bursts when a campaign starts.

Everything is drawn from one random generator per account, kind and day, so a day's records are the same whichever
days are generated around it.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
WEEKDAY_FACTOR = (1.15, 1.1, 1.0, 1.0, 0.85, 0.2, 0.12)  # Monday first
WORKDAY = {
    8: 0.5,
    9: 1.0,
    10: 1.25,
    11: 1.2,
    12: 0.7,
    13: 0.85,
    14: 1.15,
    15: 1.1,
    16: 0.95,
    17: 0.6,
    18: 0.3,
    19: 0.12,
}
WEEKEND = {9: 0.4, 10: 1.0, 11: 1.2, 12: 1.0, 13: 1.0, 14: 1.0, 15: 0.8, 16: 0.5}
BURST_CHANCE = 0.3
BURST_MINUTES = 40
BURST_SHARE = 0.6  # of a usual day, on top of it


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of one account and kind, with the dice for it."""

    on: date
    dice: random.Random

    @classmethod
    def of(cls, seed: int, account: str, kind: str, on: date) -> "Day":
        return cls(on, random.Random(f"{seed}/{account}/{kind}/{on}"))

    def moments(self, usual: float, bursts: bool = False) -> Iterator[datetime]:
        """Instants (UTC, whole seconds, in order) of the day's events; `usual` is how many an ordinary weekday has."""
        mean = usual * WEEKDAY_FACTOR[self.on.weekday()]
        found = [self._in_business() for _ in range(self._about(mean))]
        if bursts and mean and self.dice.random() < BURST_CHANCE and self.on.weekday() < 5:
            hour = self.dice.choice((10, 11, 14, 15))
            found += [self._in_burst(hour) for _ in range(self._about(mean * BURST_SHARE))]
        return iter(sorted(found))

    def _about(self, mean: float) -> int:
        return max(0, round(self.dice.gauss(mean, math.sqrt(mean))))

    def _in_business(self) -> datetime:
        hours = WORKDAY if self.on.weekday() < 5 else WEEKEND
        (hour,) = self.dice.choices(list(hours), list(hours.values()))
        return self._at(hour, self.dice.randrange(3600))

    def _in_burst(self, hour: int) -> datetime:
        return self._at(hour, int(self.dice.triangular(0, BURST_MINUTES * 60, BURST_MINUTES * 12)))

    def _at(self, hour: int, seconds: int) -> datetime:
        local = datetime.combine(self.on, time(hour), ZONE)
        return local.astimezone(UTC) + timedelta(seconds=seconds)

    def about_seconds(self, median: float, spread: float = 0.7, least: int = 3, most: int = 3_000) -> int:
        """A length of talk: mostly near the median, now and then very long, as lengths of calls are."""
        return min(most, max(least, round(self.dice.lognormvariate(math.log(median), spread))))

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability


def days_until(until: datetime, days: int) -> list[date]:
    """The local days that `days` times 24 hours before `until` touch, in order."""
    first = (until - timedelta(days=days)).astimezone(ZONE).date()
    last = until.astimezone(ZONE).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
