"""`tollbook import-cdr`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tollbook.accounts.account import by_slug
from tollbook.accounts.tables import Account
from tollbook.cli import typed
from tollbook.errors import Refused
from tollbook.rating.tables import CreditType
from tollbook.usage.import_cdr import STANDARD_INPUT, Progress, Stopped, import_file
from tollbook.usage.importers.row import Reading
from tollbook.usage.summary import Summary, Tally, by_count

SECONDS_BETWEEN_LINES = 5
REJECTED, FAILED, INTERRUPTED = 1, 3, 130
ADVICE = {  # by kind of rejection, where the remedy is not in the file
    "no rate": "Give a rate for these destinations, then import the rejected rows.",
    "in the future": "Is --timezone the switch's own?",
    "event conflict": "These calls were imported before with other rules, another --timezone or other contents.",
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to import, and how, for one account."""

    account: Account
    format: str
    reading: Reading
    rejects: Path | None
    dry_run: bool


def import_cdr(
    account: str,
    format_: str,
    rules: Path | None,
    timezone: str,
    rejects: Path | None,
    dry_run: bool,
    files: tuple[Path, ...],
) -> None:
    """Import the files one after another and say what became of every row.

    Exit status: 0 all taken, 1 when rows were rejected, 2 wrong use, 3 stopped by a failure, 130 stopped by Ctrl-C.
    """
    if rejects and len(files) > 1:
        raise click.BadParameter("goes with one FILE; several files have rejects of their own", param_hint="--rejects")
    try:
        reading = Reading(typed.rule(rules), typed.zone(timezone), account)
        job = Job(by_slug(account), format_, reading, rejects, dry_run)
    except Refused as error:
        raise click.UsageError(error.message) from None
    summaries = [_import(job, path) for path in files]
    if len(summaries) > 1:
        _say_total(job, summaries)
    if any(summary.rejected for summary in summaries):
        sys.exit(REJECTED)


def _import(job: Job, path: Path) -> Summary:
    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        with _shown(name) as progress:
            summary = import_file(
                job.account.id,
                path,
                job.format,
                job.reading,
                rejects_path=job.rejects,
                progress=progress,
                dry_run=job.dry_run,
            )
    except Stopped as stopped:
        _say(job, name, stopped.summary)
        _end_early(job, name, stopped)
    except Refused as error:
        raise click.UsageError(error.message) from None
    _say(job, name, summary)
    return summary


def _end_early(job: Job, name: str, stopped: Stopped) -> None:
    """Say how far it came and that nothing is lost, and end with a status that tells why."""
    interrupted = isinstance(stopped.__cause__, KeyboardInterrupt)
    click.echo(f"\nStopped after {stopped.summary.rows:,} rows of {name}{_because(stopped)}", err=True)
    if job.dry_run:
        click.echo("This was a dry run: nothing was debited.", err=True)
    else:
        click.echo("What is debited stays debited. Run the same command again: it goes on from there,", err=True)
        click.echo("and nothing is debited twice.", err=True)
    sys.exit(INTERRUPTED if interrupted else FAILED)


def _because(stopped: Stopped) -> str:
    if isinstance(stopped.__cause__, KeyboardInterrupt):
        return ", as you asked."
    said = str(stopped.__cause__).strip().splitlines()
    return f": {said[0] if said else type(stopped.__cause__).__name__}"


@contextmanager
def _shown(name: str) -> Iterator[Any]:
    """A progress bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    with click.progressbar(length=1, label=name, file=sys.stderr, item_show_func=_rows, show_eta=False) as bar:

        def progress(now: Progress) -> None:
            bar.length = now.bytes_total or max(1, now.bytes_read)
            bar.update(now.bytes_read - bar.pos, now)

        yield progress


def _rows(now: Progress | None) -> str:
    return f"{now.rows:,} rows" if now else ""


@dataclass(slots=True)
class _Lines:
    """Progress for a log: one line every few seconds."""

    name: str
    last: float = field(default_factory=time.monotonic)

    def __call__(self, now: Progress) -> None:
        if time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            share = f" ({now.bytes_read * 100 // now.bytes_total} %)" if now.bytes_total else ""
            click.echo(f"{self.name}: {_rows(now)}{share}", err=True)


def _say(job: Job, name: str, summary: Summary) -> None:
    """The summary of one file."""
    tried = " (dry run: nothing is debited)" if job.dry_run else ""
    click.echo(f"{name}: {_counted(summary.rows, 'row')}{tried}")
    _say_types(job, summary)
    if summary.skipped:
        click.echo(f"  {summary.skipped_rows:,} skipped, they cost nothing:")
        _say_reasons(summary.skipped)
    click.echo(f"  {summary.rejected_rows:,} rejected{':' if summary.rejected else ''}")
    _say_reasons(summary.rejected)
    if summary.rejects_path:
        click.echo(
            f"  Rejected rows are in {summary.rejects_path}, their reasons in {summary.rejects_path}.reasons.txt."
        )
        click.echo("  Mend them there and import that file.")


def _say_types(job: Job, summary: Summary) -> None:
    """A line for each credit type: what the file holds, and what became of it."""
    names = {row.code: (row.name, row.unit) for row in CreditType.objects.all()}
    debited = "would be debited" if job.dry_run else "debited"
    lines = []
    for code, one in sorted(summary.types.items()):
        title, unit = names.get(code, (code, "units"))
        cost = f"{money(one.cost)} {job.account.currency}"
        lines.append((title, _counted(one.read, "event"), f"{plain(one.quantity)} {unit}",
                      f"{one.accepted:,} {debited}", f"{one.duplicates:,} known already", cost))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for title, *figures in lines:
        click.echo("  " + "   ".join([title.ljust(widths[0]), *map(str.rjust, figures, widths[1:])]))


def _say_reasons(tallies: dict[str, Tally]) -> None:
    for reason, tally in by_count(tallies):
        lines = ", ".join(map(str, tally.lines)) + (", ..." if tally.count > len(tally.lines) else "")
        click.echo(f"    {tally.count:>8,}  {reason} ({'line' if tally.count == 1 else 'lines'} {lines})")
        if reason in ADVICE:
            click.echo(f"              {ADVICE[reason]}")


def _say_total(job: Job, summaries: list[Summary]) -> None:
    rows, events, known, rejected = (
        sum(getattr(summary, name) for summary in summaries)
        for name in ("rows", "events", "duplicates", "rejected_rows")
    )
    cost = sum((summary.cost for summary in summaries), Decimal(0))
    debited = "would be debited" if job.dry_run else "debited"
    click.echo(
        f"{len(summaries)} files: {rows:,} rows, {events:,} events {debited}, {known:,} known already, "
        f"{rejected:,} rejected, {money(cost)} {job.account.currency}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def plain(quantity: Decimal) -> str:
    """A quantity with its thousands separated and no idle zeros."""
    return f"{quantity.normalize():,f}"


def money(amount: Decimal) -> str:
    """An amount with two places, or as many as it needs, up to six."""
    whole, _, places = f"{amount:,.6f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
