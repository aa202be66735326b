"""The geometry of charts drawn on the server as SVG: bars per day, and a step line of a balance.

Everything is in percent of the plot's width and height, so one drawing fits 390 px and 2560 px. A chart's title
states what it shows ("Outbound used $312.40 in 30 days, most on Nov 12"); its table twin repeats every point.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil, floor, log10

from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from tollbook.web import formats

MOST_STEPS = 600


@dataclass(frozen=True)
class Tick:
    """A label on an axis; `at` in percent from the left or the top. `sparse` ones go first when it is narrow."""

    at: float
    text: str
    sparse: bool = False


@dataclass(frozen=True)
class Bar:
    """One bar; `x`, `width`, `y`, `height` in percent of the plot, `text` is its value as read."""

    x: float
    y: float
    width: float
    height: float
    label: str
    text: str


@dataclass(frozen=True)
class Chart:
    """What `parts/chart_bars.html` and `parts/chart_step.html` draw. `rows` is the table twin: label and value."""

    title: str
    columns: tuple[str, str]
    unit: str
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    rows: list[tuple[str, str]]
    bars: list[Bar]
    line: str = ""
    area: str = ""
    zero: float = 100.0
    mark: Tick | None = None

    @property
    def drawn_bars(self) -> SafeString:
        """The bars as SVG, in one string: a page may have hundreds, and a template takes its time over each."""
        return mark_safe("".join(map(_rect, self.bars)))


def bars(
    title: str,
    points: Sequence[tuple[str, Decimal]],
    *,
    columns: tuple[str, str],
    unit: str,
    written: Callable[[Decimal], str] = formats.money,
) -> Chart:
    """A bar per point `(label, value)`, in the order given. `unit` names the value axis, `written` prints a value."""
    scale = _Scale([value for _, value in points])
    slot = 100 / max(len(points), 1)
    return Chart(
        title=title, columns=columns, unit=unit, zero=scale.at(Decimal(0)),
        y_ticks=scale.ticks(written),
        x_ticks=_labels([label for label, _ in points], slot),
        rows=[(label, written(value)) for label, value in points],
        bars=[
            _bar(index * slot, slot, scale, value, label, written(value))
            for index, (label, value) in enumerate(points)
        ],
    )  # fmt: skip


def steps(
    title: str,
    points: Sequence[tuple[datetime, Decimal]],
    *,
    until: datetime,
    columns: tuple[str, str],
    unit: str,
    mark: tuple[str, Decimal] | None = None,
    written: Callable[[Decimal], str] = formats.money,
) -> Chart:
    """A value that stays until it changes: each point `(when, value from then on)`, oldest first, the last one until
    `until`. `mark` draws a dashed level, such as the refill threshold. Thousands of points are thinned for drawing
    (the last of each column stays); the table twin lists the latest of them.
    """
    if not points:
        return Chart(title=title, columns=columns, unit=unit, y_ticks=[], x_ticks=[], rows=[], bars=[])
    scale = _Scale([value for _, value in points] + ([mark[1]] if mark else []))
    start = points[0][0]
    span = max((until - start).total_seconds(), 1.0)
    drawn = _thinned([((when - start).total_seconds() / span * 100, scale.at(value)) for when, value in points])
    line = _step_path(drawn)
    return Chart(
        title=title, columns=columns, unit=unit, zero=scale.at(Decimal(0)),
        y_ticks=scale.ticks(written),
        x_ticks=_days(start, until),
        rows=[(formats.moment(when), written(value)) for when, value in points[-MOST_STEPS:]],
        bars=[], line=line, area=f"{line}V{scale.at(Decimal(0)):g}H{drawn[0][0]:g}Z",
        mark=Tick(scale.at(mark[1]), mark[0]) if mark else None,
    )  # fmt: skip


class _Scale:
    """A value axis from a round number at or below the least value (or zero) to one at or above the greatest."""

    def __init__(self, values: Sequence[Decimal]) -> None:
        low, high = float(min([*values, Decimal(0)])), float(max([*values, Decimal(0)]))
        self.step = _round_step((high - low or 1.0) / 4)
        self.low = floor(low / self.step) * self.step
        self.high = max(ceil(high / self.step) * self.step, self.low + self.step)

    def at(self, value: Decimal) -> float:
        """Percent from the top."""
        return round((self.high - float(value)) / (self.high - self.low) * 100, 3)

    def ticks(self, written: Callable[[Decimal], str]) -> list[Tick]:
        count = round((self.high - self.low) / self.step)
        levels = [Decimal(repr(round(self.low + index * self.step, 9))) for index in range(count + 1)]
        return [Tick(self.at(level), _short(level, written)) for level in levels]


def _short(level: Decimal, written: Callable[[Decimal], str]) -> str:
    """`$250`, `$40M`: an axis has little room, and its levels are round."""
    millions = abs(level) >= 1_000_000
    return written(level / 1_000_000 if millions else level).removesuffix(".00") + ("M" if millions else "")


def _round_step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough * 0.999)


def _bar(x: float, slot: float, scale: _Scale, value: Decimal, label: str, text: str) -> Bar:
    top, bottom = sorted((scale.at(value), scale.at(Decimal(0))))
    gap = slot * 0.2
    return Bar(round(x + gap / 2, 3), top, round(slot - gap, 3), round(bottom - top, 3), label, text)


def _rect(bar: Bar) -> str:
    return (
        f'<rect class="chart-bar" x="{bar.x:g}%" y="{bar.y:g}%" width="{bar.width:g}%" height="{bar.height:g}%">'
        f"<title>{escape(bar.label)}: {escape(bar.text)}</title></rect>"
    )


def _labels(labels: Sequence[str], slot: float) -> list[Tick]:
    every = max(1, ceil(len(labels) / 8))
    chosen = range(0, len(labels), every)
    return [Tick(round((index + 0.5) * slot, 3), labels[index], place % 2 == 1) for place, index in enumerate(chosen)]


def _days(start: datetime, until: datetime) -> list[Tick]:
    """Midnights of the current zone, at most eight of them; hours when all lies within two days."""
    span = until - start
    if span <= timedelta(days=2):
        spots = [start + span * part / 4 for part in range(4)]
        clock = "H:i:s" if span < timedelta(minutes=10) else "H:i"
        return [
            Tick(25.0 * part, format_date(timezone.localtime(spot), clock), part % 2 == 1)
            for part, spot in enumerate(spots)
        ]
    first = timezone.localtime(start).replace(hour=0, minute=0, second=0, microsecond=0)
    every = max(1, ceil(span.days / 8))
    midnights = [first + timedelta(days=every * count) for count in range(1, 9)]
    inside = [midnight for midnight in midnights if start < midnight < until - span / 20]
    return [
        Tick(round((midnight - start) / span * 100, 3), format_date(midnight, "M j"), place % 2 == 1)
        for place, midnight in enumerate(inside)
    ]


def _thinned(spots: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(spots) <= MOST_STEPS:
        return spots
    columns = {int(x / 100 * MOST_STEPS): (x, y) for x, y in spots}
    return [spots[0], *(columns[key] for key in sorted(columns))]


def _step_path(spots: list[tuple[float, float]]) -> str:
    """`M x y`, then along and up or down for each change, then along to the right edge."""
    (x, y), *_ = spots
    corners = [f"H{after[0]:.3f}V{after[1]:g}" for _, after in pairwise(spots)]
    return f"M{x:g} {y:g}{''.join(corners)}H100"
