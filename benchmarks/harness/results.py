"""Figures: a median with its spread, its floor and its aim. Printed as a table, and kept in benchmarks/results."""

import json
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import machine

FOLDER = Path(__file__).parent.parent / "results"


@dataclass(frozen=True)
class Figure:
    """One thing measured several times. The median is to be at least the `aim`, or `at_most` that."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float
    aim: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the aim is; None when there is none."""
        if self.aim is None:
            return None
        return self.median <= self.aim if self.at_most else self.median >= self.aim

    def __str__(self) -> str:
        sign = "" if self.aim is None else f"{'≤' if self.at_most else '≥'} {_short(self.aim)}"
        verdict = {None: "", True: "reached", False: "NOT REACHED"}[self.reached]
        spread = f"{_short(self.lowest)} .. {_short(self.highest)}"
        return f"{self.name:<62} {_short(self.median):>9} {self.unit:<11} {spread:>21} {sign:>10}  {verdict}"


def figure(name: str, unit: str, values: Sequence[float], aim: float | None = None, at_most: bool = False) -> Figure:
    """The figure of these repetitions."""
    return Figure(name, unit, statistics.median(values), min(values), max(values), aim, at_most)


def ratios(values: Sequence[float], floors: Sequence[float]) -> list[float]:
    """Each repetition by its own floor."""
    return [value / floor for value, floor in zip(values, floors, strict=True)]


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * share))]


def keep(benchmark: str, figures: Sequence[Figure], **details: object) -> int:
    """Print the figures and write them to results/<benchmark>.json; answers 1 when an aim was missed."""
    print(*figures, sep="\n", flush=True)
    result = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": machine.commit(),
        "machine": machine.described(),
        "busy_with_other_things": round(machine.busy_share(), 2),
        "python": platform.python_version(),
        **details,
        "figures": [_rounded(asdict(one)) | {"reached": one.reached} for one in figures],
    }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{benchmark}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return int(any(one.reached is False for one in figures))


def kept(benchmark: str) -> list[Figure]:
    """The figures of the last run; none when there is no result."""
    file = FOLDER / f"{benchmark}.json"
    told = json.loads(file.read_text())["figures"] if file.exists() else []
    return [Figure(**{name: value for name, value in one.items() if name != "reached"}) for one in told]


def forget(benchmark: str) -> None:
    """Remove the result of the last run."""
    (FOLDER / f"{benchmark}.json").unlink(missing_ok=True)


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in fields.items()}


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
