"""What people type, as the domain takes it. Needs no database."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from tollbook.errors import Refused
from tollbook.usage.importers.direction import DirectionRule, load


def zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises click.BadParameter."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(
            f"{name!r} is not a time zone; write it like America/New_York", param_hint="--timezone"
        ) from None


def rule(path: Path | None) -> DirectionRule:
    """The direction rule in a file, or the default. Raises click.UsageError, which says what to mend."""
    try:
        return load(path) if path else DirectionRule()
    except Refused as error:
        raise click.UsageError(error.message) from None
