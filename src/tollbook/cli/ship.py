"""`tollbook ship`."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import click

from tollbook.cli import typed
from tollbook.client import errors
from tollbook.client.client import Client
from tollbook.client.lock import Lock
from tollbook.errors import Invalid
from tollbook.shipping.mark import Job, Marks
from tollbook.shipping.report import Report, Tally, by_count
from tollbook.shipping.ship import AccountGone, Shipper
from tollbook.shipping.tail import Tail
from tollbook.usage.importers.row import Reading

REJECTED, FAILED, INTERRUPTED = 1, 3, 130
SECONDS_BETWEEN_LINES = 10
KEY_VARIABLE = "TOLLBOOK_KEY"
GOES_ON = "What is debited stays debited. Run the same command again: it goes on from there, and nothing is debited twice."
ADVICE = {  # by kind of rejection, where the remedy is not in the file
    "no rate": "Give a rate for these destinations, then ship the rejected rows.",
    "in the future": "Is --timezone the switch's own?",
    "event conflict": "These calls were sent before with other rules, another --timezone or other contents.",
}


class Terminated(BaseException):
    """Somebody asked politely."""


def ship(
    account: str,
    format_: str,
    url: str,
    key_file: Path | None,
    follow: bool,
    rules: Path | None,
    timezone: str,
    state: Path | None,
    rejects: Path | None,
    file: Path,
) -> None:
    """Ship the file, and with `follow` what is added to it, and say what became of every row."""
    file = file.absolute()
    reading = Reading(typed.rule(rules), typed.zone(timezone), account)
    marks = Marks(state or _beside(file, "shipped"), Job(str(file), account, format_, url.rstrip("/")))
    key = _key(key_file)
    _refuse_unusable(file, follow)
    with _ended_by_signals(follow), _alone(marks), _client(url, key, file) as client:
        shipper = _shipper(marks, client, reading, rejects or _beside(file, "rejected"), _Lines(file))
        _refuse_unknown_account(client, account)
        if follow:
            click.echo(f"Following {file}{'' if file.exists() else ', once it is there'}. Ctrl-C ends it.", err=True)
        _run(shipper, follow)


@contextmanager
def _ended_by_signals(follow: bool) -> Iterator[None]:
    """SIGTERM is how a follower is ended in order; before the first row there is nothing to say about it."""
    if follow:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Terminated:
        sys.exit(0)


def _run(shipper: Shipper, follow: bool) -> None:
    """Ship until it ends, and end with a status that tells why."""
    try:
        shipper.run(follow)
    except KeyboardInterrupt:
        _end(shipper, "\nStopped, as you asked.", INTERRUPTED)
    except Terminated:
        _end(shipper, "Stopped, as asked.", 0)
    except errors.Refused as refusal:
        _end(shipper, f"Stopped: {refusal.detail} ({refusal.status})", FAILED)
    except AccountGone as error:
        _end(shipper, f"Stopped: {error.message}", FAILED)
    except (errors.ClientError, OSError) as error:
        _end(shipper, f"Stopped: {_told(error)}", FAILED)
    _say(shipper)
    if shipper.report.rejected:
        sys.exit(REJECTED)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _end(shipper: Shipper, sentence: str, status: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _say(shipper)
    click.echo(sentence, err=True)
    click.echo(GOES_ON, err=True)
    sys.exit(status)


def _key(key_file: Path | None) -> str:
    """The key, from a file or the environment; never from the command line, which everybody on the machine can read."""
    try:
        key = key_file.read_text("ascii").strip() if key_file else os.environ.get(KEY_VARIABLE, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{key_file} holds no key: {error}", param_hint="--key-file") from None
    if not key:
        where = f"{key_file} is empty." if key_file else f"Name a --key-file, or put it in {KEY_VARIABLE}."
        raise click.UsageError(f"There is no API key. {where}")
    return key


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(f"{file.name}.{ending}")


def _refuse_unusable(file: Path, follow: bool) -> None:
    """With --follow the file may come later, but its folder must be there."""
    try:
        if follow and not file.exists() and file.parent.is_dir():
            return
        if file.exists() and not file.is_file():
            raise click.UsageError(f"{file} is no regular file.")
        with file.open("rb") as opened:
            packed = opened.peek(2)[:2] == b"\x1f\x8b"
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}.") from None
    if packed:
        raise click.UsageError(f"{file} is gzipped, and such a file does not grow. Unpack it, or import it: import-cdr.")


@contextmanager
def _alone(marks: Marks) -> Iterator[None]:
    """One process ships a file at a time: two would note each other's places."""
    try:
        lock = Lock(marks.path.with_name(marks.path.name + ".lock"), f"{marks.job.file} is being shipped already;")
    except errors.InUse as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(
            f"{marks.path} can't be written: {error.strerror}. Name a --state elsewhere."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _client(url: str, key: str, file: Path) -> Iterator[Client]:
    """The client, which tries for ever and says so once."""
    logging.getLogger("tollbook.client").propagate = False
    logging.getLogger("tollbook.client").addHandler(logging.NullHandler())

    def told(problem: errors.ClientError | None) -> None:
        click.echo(f"{problem} Waiting for it; the rows stay in {file.name}." if problem else "It answers again.", err=True)

    try:
        client = Client(url, key, patience_seconds=float("inf"), on_problem=told)
    except ValueError as error:
        raise click.UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    with client:
        yield client


def _shipper(marks: Marks, client: Client, reading: Reading, leftovers: Path, progress: "_Lines") -> Shipper:
    try:
        mark = marks.load()
    except Invalid as error:
        raise click.UsageError(error.message) from None
    tail = Tail(Path(marks.job.file), mark, lambda notice: click.echo(notice, err=True))
    return Shipper(tail, marks, client, reading, leftovers, progress)


def _refuse_unknown_account(client: Client, account: str) -> None:
    """Before the first row rather than with each. A key that may not read wallets learns it with the first row."""
    try:
        client.wallets(account)
    except errors.Refused as refusal:
        if refusal.status == 404 and refusal.code == "not_found":
            raise click.UsageError(refusal.detail) from None
        if refusal.status != 403:
            click.echo(f"Stopped: {refusal.detail} ({refusal.status})", err=True)
            sys.exit(FAILED)


@dataclass(slots=True)
class _Lines:
    """Progress: one line every few seconds, when something was done."""

    file: Path
    last: float = field(default_factory=time.monotonic)
    rows: int = 0

    def __call__(self, report: Report) -> None:
        if report.rows > self.rows and time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last, self.rows = time.monotonic(), report.rows
            click.echo(f"{self.file.name}: {_line(report)}", err=True)


def _line(report: Report) -> str:
    return (
        f"{report.rows:,} rows, {report.accepted:,} debited, {report.duplicates:,} known already, "
        f"{report.skipped_rows:,} skipped, {report.rejected_rows:,} rejected"
    )


def _say(shipper: Shipper) -> None:
    """The summary."""
    report = shipper.report
    click.echo(f"{shipper.marks.job.file}: {_line(report)}")
    if report.skipped:
        click.echo("  Skipped, they cost nothing:")
        _say_reasons(report.skipped)
    if report.rejected:
        click.echo("  Rejected:")
        _say_reasons(report.rejected)
        click.echo(f"  Rejected rows are in {shipper.leftovers}, their reasons in {shipper.leftovers}.reasons.txt.")
        click.echo("  Move that file, mend it, and ship or import it.")
    if shipper.rest:
        click.echo("  The last line has no end yet and was left for the next time.")


def _say_reasons(tallies: dict[str, Tally]) -> None:
    for reason, tally in by_count(tallies):
        lines = ", ".join(map(str, tally.lines)) + (", ..." if tally.count > len(tally.lines) else "")
        click.echo(f"    {tally.count:>8,}  {reason} ({'line' if tally.count == 1 else 'lines'} {lines})")
        if reason in ADVICE:
            click.echo(f"              {ADVICE[reason]}")


def _told(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the file'}: {error.strerror or error}."
    return str(error)
