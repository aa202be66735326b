"""A file of call records into the books, in chunks that survive an interrupt.

Every chunk is recorded in its own transactions, and every event is debited once for ever by its id. So nothing needs to
be remembered between runs: the same command after a crash, or another file with some of the same rows, finds what is
known and debits the rest.
"""

import gzip
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.db import Error as DatabaseError

from tollbook.errors import Invalid, Refused
from tollbook.usage.importers.formats import FORMATS
from tollbook.usage.importers.row import Reading, Row
from tollbook.usage.record import record
from tollbook.usage.rehearse import rehearse
from tollbook.usage.rejects import Rejects
from tollbook.usage.summary import Summary

CHUNK_ROWS = 2_000
CHUNK_BYTES = 8 * 1024 * 1024
STANDARD_INPUT = Path("-")
_GZIP = b"\x1f\x8b"
_MAX_KINDS = 100  # of reasons kept in the summary, so that a file of nonsense can't fill the memory
_OTHER_REASONS = "other reasons, see the file of reasons"


class Stopped(Exception):
    """The import ended early; `__cause__` says why. What `summary` counts is done, and a rerun continues from there."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(f"stopped after line {summary.line}")
        self.summary = summary


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. `bytes_total` is None when the size is not known."""

    rows: int
    bytes_read: int
    bytes_total: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """An open file: its bytes (decompressed), its size on disk and how much of that has been read."""

    stream: BinaryIO
    size: int | None
    position: Callable[[], int]


def import_file(
    account_id: UUID,
    path: Path,
    format: str,
    reading: Reading | None = None,
    *,
    rejects_path: Path | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
    dry_run: bool = False,
) -> Summary:
    """Record every event of a file (`-` is standard input; gzip is understood) for one account.

    Own transactions, one per chunk and credit type. `reading` holds direction rule, time zone and account slug. Rejected
    records go to `rejects_path` (default: the file's name and `.rejected`). A dry run reads and rates everything and writes
    nothing. Raises Invalid for a file that can't be opened, and Stopped when anything ends it early.
    """
    with open_source(path) as source:
        run = _Run(account_id, Rejects(rejects_path or default_rejects(path)), dry_run)
        try:
            for chunk in _chunks(FORMATS[format](source.stream, reading or Reading())):
                with _ctrl_c_waits():
                    run.take(chunk)
                progress(Progress(run.summary.rows, source.position(), source.size))
        except (KeyboardInterrupt, DatabaseError, Refused, OSError, EOFError, zlib.error) as why:
            raise Stopped(run.summary) from why
        finally:
            run.summary.rejects_path = run.rejects.finish()
    return run.summary


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C takes effect after the block, so that what is committed is counted; a second one takes effect at once.

    Only where Ctrl-C would raise KeyboardInterrupt here: not in another thread, and not where it is ignored.
    """
    theirs = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or theirs is not signal.default_int_handler:
        yield
        return
    asked = False

    def remember(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, theirs)
    if asked:
        raise KeyboardInterrupt


def default_rejects(path: Path) -> Path:
    """Where rejected records of a file go unless told otherwise."""
    return Path("import.rejected") if path == STANDARD_INPUT else path.with_name(path.name + ".rejected")


@dataclass(slots=True)
class _Run:
    """One import under way."""

    account_id: UUID
    rejects: Rejects
    dry_run: bool
    summary: Summary = field(default_factory=Summary)

    def take(self, chunk: list[Row]) -> None:
        """Record a chunk's events, one batch per credit type, then count the chunk: what is counted is done."""
        rejected = [(row, row.error, row.error.partition(": '")[0]) for row in chunk if row.error]
        for type_code, rows in _by_type(chunk).items():
            rejected += self._record(type_code, rows)
        for row in chunk:
            self.summary.reading(row)
        for row, reason, kind in sorted(rejected, key=lambda outcome: outcome[0].line):
            self._reject(row, reason, kind)

    def _record(self, type_code: str, rows: list[Row]) -> list[tuple[Row, str, str]]:
        """The rows that were not taken, each with its reason and the kind of reason."""
        verb = rehearse if self.dry_run else record
        recorded = verb(self.account_id, [row.event for row in rows if row.event])
        self.summary.recording(type_code, recorded)
        return [(rows[one.index], one.message, one.code.replace("_", " ")) for one in recorded.rejected]

    def _reject(self, row: Row, reason: str, kind: str) -> None:
        many = len(self.summary.rejected) >= _MAX_KINDS and kind not in self.summary.rejected
        self.summary.rejecting(row, _OTHER_REASONS if many else kind)
        if not self.dry_run:
            self.rejects.add(row, reason)


def _by_type(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.event:
            found.setdefault(row.event.type, []).append(row)
    return found


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows in lists that are bounded in number and in bytes."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.raw)
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """A file, a gzipped file, or standard input for `-`. Raises Invalid when it can't be opened."""
    if path == STANDARD_INPUT:
        counted = _Counted(sys.stdin.buffer)
        yield Source(counted, None, lambda: counted.count)  # type: ignore[arg-type]
        return
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except OSError as why:
        raise Invalid(f"{path} can't be read: {why.strerror}.") from why
    with file:
        zipped = file.peek(2)[:2] == _GZIP
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        yield Source(stream, size, file.tell)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Counted:
    """A stream that can't tell its position, counted as it is read."""

    stream: BinaryIO
    count: int = 0

    def readline(self, size: int = -1) -> bytes:
        line = self.stream.readline(size)
        self.count += len(line)
        return line
