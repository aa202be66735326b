"""What an import did: counts, reasons with their first lines, and cost, by type and in all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tollbook.money.amount import ZERO
from tollbook.usage.event import Event
from tollbook.usage.importers.row import Row
from tollbook.usage.record import Recorded

FIRST_LINES = 5


@dataclass(slots=True)
class Tally:
    """How many rows met one reason, and the lines of the first few."""

    count: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < FIRST_LINES:
            self.lines.append(line)


@dataclass(slots=True)
class TypeSum:
    """One credit type: what the file holds of it, and what became of that.

    `quantity` is what was read, in the type's unit; `cost` is what was debited now, in the account's currency, 6 places.
    """

    read: int = 0
    quantity: Decimal = ZERO
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    cost: Decimal = ZERO


@dataclass(slots=True)
class Summary:
    """One import. Every row is an event read, a skip or a rejection; an event read may be rejected too."""

    rows: int = 0
    line: int = 0  # where the last row that is done begins
    types: dict[str, TypeSum] = field(default_factory=dict)
    skipped: dict[str, Tally] = field(default_factory=dict)
    rejected: dict[str, Tally] = field(default_factory=dict)
    rejects_path: Path | None = None

    @property
    def events(self) -> int:
        """Events debited now."""
        return sum(one.accepted for one in self.types.values())

    @property
    def duplicates(self) -> int:
        return sum(one.duplicates for one in self.types.values())

    @property
    def cost(self) -> Decimal:
        return sum((one.cost for one in self.types.values()), ZERO)

    @property
    def rejected_rows(self) -> int:
        return sum(tally.count for tally in self.rejected.values())

    @property
    def skipped_rows(self) -> int:
        return sum(tally.count for tally in self.skipped.values())

    def reading(self, row: Row) -> None:
        """Count a row that was read."""
        self.rows += 1
        self.line = row.line
        if row.event:
            self._count(row.event)
        elif row.skipped:
            self.skipped.setdefault(row.skipped, Tally()).add(row.line)

    def _count(self, event: Event) -> None:
        one = self.types.setdefault(event.type, TypeSum())
        one.read += 1
        one.quantity += event.quantity

    def rejecting(self, row: Row, kind: str) -> None:
        """Count a row that was rejected for this kind of reason."""
        self.rejected.setdefault(kind, Tally()).add(row.line)

    def recording(self, type_code: str, recorded: Recorded) -> None:
        """Count what became of a batch of one type."""
        one = self.types.setdefault(type_code, TypeSum())
        one.accepted += recorded.accepted
        one.duplicates += recorded.duplicates
        one.rejected += len(recorded.rejected)
        one.cost += recorded.cost


def by_count(tallies: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    """Reasons, the most frequent first."""
    return sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))
