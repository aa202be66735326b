"""`tollbook deck import`."""

import gzip
import hashlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zlib import error as Unpackable

import click

from tollbook.accounts.account import by_slug
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.cli.people import operator
from tollbook.errors import Refused
from tollbook.rating import import_deck as decks
from tollbook.rating.import_deck import Change, Changes, Wanted
from tollbook.rating.sheet import Line, Reading, Sheet, read, shown
from tollbook.rating.tables import CreditType

BAD_LINES, INTERRUPTED = 1, 130


def import_deck(
    file: Path,
    type_code: str,
    account: str | None,
    valid_from: str | None,
    dry_run: bool,
    replace: bool,
    rates_in: str | None,
    steps: str | None,
    skip_bad_lines: bool,
) -> None:
    """Read, compare, apply, and say what changed. Exit status: 0 done, 1 bad lines, 2 wrong use, 130 stopped."""
    began = time.monotonic()
    try:
        owner = by_slug(account).id if account else OPERATOR_ID
        wanted = Wanted(type_code, _instant(valid_from), owner, replace)
        decks.check(wanted)
        data = _bytes(file)
        click.echo(f"Reading {file} ...", err=True)
        sheet = read(data, Reading(_in_currency(rates_in), _steps(steps), _is_timed(type_code)))
        _say_sheet(sheet)
        if sheet.bad and not (skip_bad_lines or dry_run):
            click.echo("Nothing was changed. Mend these lines, or leave them out with --skip-bad-lines.", err=True)
            sys.exit(BAD_LINES)
        click.echo("Comparing with the rates in force ...", err=True)
        changes = _changed(sheet.lines, wanted, file, data, dry_run)
    except Refused as error:
        hint = "; give --rates-in cents or --rates-in currency" if error.details.get("field") == "in_currency" else ""
        raise click.UsageError(error.message.rstrip(".") + hint + ("." if hint else "")) from None
    except KeyboardInterrupt:
        click.echo(
            "\nStopped, as you asked. A deck is taken whole or not at all; --dry-run shows how it stands.", err=True
        )
        sys.exit(INTERRUPTED)
    _say_changes(changes, wanted, dry_run)
    click.echo(f"{len(sheet.lines):,} prefixes in {time.monotonic() - began:.1f} s", err=True)
    if sheet.bad:
        sys.exit(BAD_LINES)


def _changed(lines: list[Line], wanted: Wanted, file: Path, data: bytes, dry_run: bool) -> Changes:
    if dry_run:
        return decks.preview(lines, wanted)
    digest = hashlib.sha256(data).hexdigest()
    return decks.import_deck(lines, wanted, operator(), f"{file.name[:150]} (SHA-256 {digest})")


def _bytes(file: Path) -> bytes:
    """The file's bytes, unpacked when it is gzipped; `-` is standard input."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, Unpackable) as error:
        raise click.BadParameter(f"{file} can't be read: {error}", param_hint="FILE") from None


def _instant(text: str | None) -> datetime:
    """What was written, in UTC unless it says otherwise; now when nothing was."""
    try:
        told = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        says = f"{text!r} is not an instant; write it like 2026-12-01 or 2026-12-01T06:00:00-05:00"
        raise click.BadParameter(says, param_hint="--from") from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _in_currency(rates_in: str | None) -> bool | None:
    return None if rates_in is None else rates_in == "currency"


def _is_timed(type_code: str) -> bool:
    return CreditType.objects.values_list("unit", flat=True).get(code=type_code) == CreditType.Unit.SECONDS


def _steps(text: str | None) -> tuple[int, int]:
    first, _, further = (text or "1/1").partition("/")
    if not (first.isdecimal() and further.isdecimal() and int(first) and int(further)):
        raise click.BadParameter("write it like 30/6", param_hint="--steps")
    return int(first), int(further)


def _say_sheet(sheet: Sheet) -> None:
    used = ", ".join(f"{meaning.replace('_', ' ')} from “{name}”" for meaning, name in sheet.columns.items())
    ignored = f"; not read: {', '.join(sheet.ignored)}" if sheet.ignored else ""
    click.echo(f"{len(sheet.lines):,} prefixes, {_counted(len(sheet.bad), 'bad line')}; {used}{ignored}", err=True)
    for bad in sheet.bad:
        click.echo(f"line {bad.number}: {bad.message}", err=True)


def _say_changes(changes: Changes, wanted: Wanted, dry_run: bool) -> None:
    """A line for each kind of change, and its first prefixes."""
    tried = " (dry run: nothing was changed)" if dry_run else ""
    click.echo(f"{wanted.type_code} from {wanted.valid_from.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC{tried}")
    for kind in (*decks.CHANGING, decks.UNCHANGED, decks.KEPT, decks.IN_THE_WAY):
        count = changes.counts.get(kind, 0)
        if count or kind in (decks.NEW, decks.DEARER, decks.CHEAPER, decks.ENDED, decks.UNCHANGED):
            click.echo(f"  {count:>9,}  {kind}")
        for change in changes.first.get(kind, []) if kind != decks.KEPT else []:
            click.echo(f"             {_told(change)}")
    if dry_run and changes.counts.get(decks.IN_THE_WAY):
        click.echo(decks.in_the_way(changes), err=True)


def _told(change: Change) -> str:
    """`+1212  1.20 -> 1.50 (+25.0 %)`, in cents."""
    before, after = (_cents(value) for value in (change.before, change.after))
    percent = f" ({change.percent:+,.1f} %)" if change.percent else ""
    later = f", another one begins at {change.later_at:%Y-%m-%d %H:%M:%S} UTC" if change.later_at else ""
    return f"{shown(change.prefix):<17}{before} -> {after}{percent}{later}"


def _cents(value: object) -> str:
    return "none" if value is None else f"{value:f}".rstrip("0").rstrip(".")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
