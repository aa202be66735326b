"""Rows into events, into the API, and on; what is done is done.

A piece of the file is read, its events are sent and acknowledged, its rejected rows written down, and only then noted as
done. Whatever dies in between, the piece is sent again, and the server knows the events by their ids. So nothing
needs a spool here: the file itself is one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from tollbook.client.client import Client
from tollbook.client.event import Event as Sent
from tollbook.client.event import Rejection
from tollbook.errors import Refused
from tollbook.shipping import leftover
from tollbook.shipping.leftover import Leftover
from tollbook.shipping.mark import Marks
from tollbook.shipping.report import Report
from tollbook.shipping.tail import CHUNK_BYTES, Piece, Tail
from tollbook.usage.event import Event
from tollbook.usage.importers.formats import FORMATS
from tollbook.usage.importers.row import Reading, Row

POLL_SECONDS = 0.5
SETTLE_SECONDS = 3.0
UNSURE_LINES = 8
JSON_FORMATS = ("freeswitch-json", "tollbook")
GONE = "unknown_account"


class AccountGone(Refused):
    """The server does not know the account, so no row of the file can be sent."""

    code = GONE


@dataclass(slots=True)
class Shipper:
    """One file into one account. `progress` is called after each piece and each wait."""

    tail: Tail
    marks: Marks
    client: Client
    reading: Reading
    leftovers: Path
    progress: Callable[[Report], None] = lambda report: None
    report: Report = field(default_factory=Report)
    rest: bytes = b""  # a last line without its end, which was left
    _held: tuple[Path, int, int] | None = None
    _held_since: float = 0.0

    def run(self, follow: bool) -> None:
        """Ship what is there; with `follow`, also what comes, until interrupted.

        Raises the client's errors, OSError for the file, AccountGone. What was noted before stays noted.
        """
        while True:
            piece = self.tail.piece()
            went_on = piece is not None and self._ship(piece, follow)
            self.progress(self.report)
            if not went_on:
                if not follow:
                    return
                time.sleep(POLL_SECONDS)

    def _ship(self, piece: Piece, follow: bool) -> bool:
        """Whether anything of the piece could be taken."""
        data, rows = self._sure(piece, follow)
        if not data:
            return False
        if not piece.lines and (begun := self.tail.mark):
            self.marks.save(begun)  # so that the file is found again even when nothing of it is acknowledged yet
        rejected = [*self._read(rows, piece), *self._send(rows, piece)]
        leftover.append(self.leftovers, sorted(rejected, key=lambda one: one.line))
        self.marks.save(self.tail.take(data))
        self._count(rows, rejected, piece)
        return True

    def _rows(self, data: bytes) -> list[Row]:
        return list(FORMATS[self.marks.job.format](BytesIO(data), self.reading))

    def _sure(self, piece: Piece, follow: bool) -> tuple[bytes, list[Row]]:
        """What of the piece can be taken now, and its rows."""
        if not follow and piece.at_end and piece.rest:
            return self._with_rest(piece)
        rows = self._rows(piece.data)
        if piece.is_last or not follow or self._has_settled(piece):
            return piece.data, rows
        return without_unsure_end(piece.data, rows)

    def _has_settled(self, piece: Piece) -> bool:
        """Whether a piece is all there will be of its last record: it is big, or has not grown for a while."""
        now, seen = time.monotonic(), (piece.path, piece.lines, len(piece.data))
        if seen != self._held:
            self._held, self._held_since = seen, now
        return len(piece.data) >= CHUNK_BYTES // 2 or now - self._held_since >= SETTLE_SECONDS

    def _with_rest(self, piece: Piece) -> tuple[bytes, list[Row]]:
        """With the last line, which has no end, where it can't be the beginning of a longer one: an object of JSON."""
        if self.marks.job.format in JSON_FORMATS:
            whole = self._rows(piece.data + piece.rest)
            if not (whole and whole[-1].error):
                return piece.data + piece.rest, whole
        self.rest = piece.rest
        return without_unsure_end(piece.data, self._rows(piece.data))

    def _read(self, rows: list[Row], piece: Piece) -> Iterator[Leftover]:
        for row in rows:
            if row.error:
                yield Leftover(piece.path, piece.lines + row.line, row.raw, row.error, row.error.partition(": '")[0])

    def _send(self, rows: list[Row], piece: Piece) -> Iterator[Leftover]:
        told = [row for row in rows if row.event]
        result = self.client.record(_as_sent(row.event, self.marks.job.account) for row in told if row.event)
        self.report.accepted += result.accepted
        self.report.duplicates += result.duplicates
        for one in result.rejected:
            yield self._rejected(told[one.index], one, piece)

    def _rejected(self, row: Row, one: Rejection, piece: Piece) -> Leftover:
        if one.code == GONE:
            raise AccountGone(f"{one.message} Nothing of the rows from line {piece.lines + 1:,} on is noted as done.")
        return Leftover(piece.path, piece.lines + row.line, row.raw, one.message, one.code.replace("_", " "))

    def _count(self, rows: list[Row], rejected: list[Leftover], piece: Piece) -> None:
        self.report.rows += len(rows)
        for row in rows:
            if row.skipped:
                self.report.skip(row.skipped, piece.lines + row.line)
        for one in rejected:
            self.report.reject(one.kind, one.line)


def without_unsure_end(data: bytes, rows: list[Row]) -> tuple[bytes, list[Row]]:
    """Without the rows at the end that can't be read and might be readable once more of the file is there.

    A record may stand on several lines, and only some of them are written yet.
    """
    sure = len(rows)
    last_line = data.count(b"\n")
    while sure and rows[sure - 1].error and (sure == len(rows) or rows[sure - 1].line > last_line - UNSURE_LINES):
        sure -= 1
    if sure == len(rows):
        return data, rows
    return _first_lines(data, rows[sure].line - 1), [row for row in rows[:sure] if row.line < rows[sure].line]


def _first_lines(data: bytes, count: int) -> bytes:
    end = 0
    for _ in range(count):
        end = data.index(b"\n", end) + 1
    return data[:end]


def _as_sent(event: Event, account: str) -> Sent:
    return Sent(
        id=event.id,
        type=event.type,
        quantity=event.quantity,
        occurred_at=event.occurred_at,
        account=account,
        to=event.to or None,
        sender=event.sender or None,
        attributes=event.attributes or None,
    )
