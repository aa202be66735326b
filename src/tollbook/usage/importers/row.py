"""What every reader yields, and the settings it reads with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from zoneinfo import ZoneInfo

from tollbook.usage.event import Event
from tollbook.usage.importers.direction import DirectionRule

NOT_ANSWERED = "not answered"
NO_BILLABLE_SECONDS = "no billable seconds"
INTERNAL_LEG = "internal leg"
HEADER_LINE = "header line"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file: exactly one of `event`, `skipped` (reason) and `error` (reason) is set.

    `line` is where the record begins, counted from 1; `raw` is the record as it stands in the file, so that a
    rejected one can be written out, mended and imported again.
    """

    line: int
    raw: bytes
    event: Event | None = None
    skipped: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file. `zone` is the switch's own clock, for formats that write local times without a zone."""

    rule: DirectionRule = field(default_factory=DirectionRule)
    zone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))
    account: str = ""  # slug; records that name another account are refused. Empty: not checked


class Skip(Exception):
    """The record is understood and costs nothing; the text is the reason."""


class Unreadable(Exception):
    """The record can't be billed as it stands; the text says why."""


def judge(line: int, raw: bytes, make_event: Callable[[], Event]) -> Row:
    """One row from `make_event`, which answers an event or raises `Skip` or `Unreadable`.

    Switch files hold anything, so a value no parser expected is that row's error, never the end of the import.
    """
    try:
        return Row(line, raw, event=make_event())
    except Skip as reason:
        return Row(line, raw, skipped=str(reason))
    except Unreadable as reason:
        return Row(line, raw, error=str(reason))
    except (ValueError, ArithmeticError, RecursionError) as surprise:
        return Row(line, raw, error=f"not readable ({type(surprise).__name__})")
