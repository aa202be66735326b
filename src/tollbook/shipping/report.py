"""What was done, counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_KINDS = 100  # of reasons, so that a file of nonsense can't fill the memory
OTHER = "other reasons, see the file of reasons"
FIRST_LINES = 5


@dataclass(slots=True)
class Tally:
    """How many rows met one reason, and the lines of the first few."""

    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """Every row is an event, a skip or a rejection; an event may be rejected by the server, too."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    skipped: dict[str, Tally] = field(default_factory=dict)
    rejected: dict[str, Tally] = field(default_factory=dict)

    def skip(self, reason: str, line: int) -> None:
        """Count a row that costs nothing."""
        _count(self.skipped, reason, line)

    def reject(self, kind: str, line: int) -> None:
        """Count a row that was not taken."""
        _count(self.rejected, kind, line)

    @property
    def skipped_rows(self) -> int:
        """How many rows cost nothing."""
        return sum(tally.count for tally in self.skipped.values())

    @property
    def rejected_rows(self) -> int:
        """How many rows were not taken."""
        return sum(tally.count for tally in self.rejected.values())


def by_count(tallies: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    """Reasons, the most frequent first."""
    return sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))


def _count(tallies: dict[str, Tally], reason: str, line: int) -> None:
    known = reason if reason in tallies or len(tallies) < MOST_KINDS else OTHER
    tally = tallies.setdefault(known, Tally())
    tally.count += 1
    if len(tally.lines) < FIRST_LINES:
        tally.lines.append(line)
