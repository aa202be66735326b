"""What waits to be delivered, on disk: it survives kill -9 at any moment and the server's absence for days.

A folder that belongs to one process at a time:

    00000000000000000007.events   segments, appended to, removed once every event in them is acknowledged
    position                      up to where that is: segment, offset, checksum
    rejected.ndjson               what the server will not take, with the reason
    lock

`put` returns when the events are on the disk (fsync) if the spool is durable, and in the kernel's hands if not: then they
survive the process, not the machine. The position is written after the acknowledgement and never forced to the disk: when
it is lost or old, events are delivered again, and the server knows them by their ids. A process never appends to
a segment of an earlier one, so whatever tail that one left is no part of a later record.
"""

import errno
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from tollbook.client import refused
from tollbook.client.errors import Closed, Full, SpoolFailed
from tollbook.client.event import Rejection
from tollbook.client.lock import Lock
from tollbook.client.segment import Writer, framed, name_of, numbers_in, records, sync_folder
from tollbook.client.waiting import Batch

LARGEST_SEGMENT = 16 * 1024 * 1024
SEGMENTS_IN_FULL = 8
POSITION, REJECTED, LOCK = "position", "rejected.ndjson", "lock"


class Place(NamedTuple):
    """Everything before it is acknowledged."""

    segment: int
    offset: int


class Spool:
    """Lines on disk, at most `most_bytes` of them. Raises InUse when another process has the folder, SpoolFailed when it
    can't be used."""

    def __init__(self, folder: Path, most_bytes: int, durable: bool) -> None:
        self.folder = folder
        self._most = most_bytes
        self._durable = durable
        self._segment_bytes = min(LARGEST_SEGMENT, max(1, most_bytes // SEGMENTS_IN_FULL))
        self._guard = threading.Lock()
        self._writer: Writer | None = None
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = Lock(folder / LOCK, f"The spool {folder}")
        except OSError as error:
            raise SpoolFailed(f"The spool {folder} can't be used: {error.strerror}.") from error
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise SpoolFailed(f"The spool {folder} can't be read: {error.strerror}.") from error

    def _open(self) -> None:
        """Find what an earlier process left."""
        self._sizes = {number: self._path(number).stat().st_size for number in numbers_in(self.folder)}
        place = self._written_position() or Place(min(self._sizes, default=1), 0)
        self._place = Place(place.segment, min(place.offset, self._sizes.get(place.segment, 0)))
        self._next_number = max([place.segment, *self._sizes]) + 1
        self._taken = self._place
        self._count = 0
        self._forget_segments_before(self._place.segment)
        for number, start, end in self._ahead(self._place):
            self._count += sum(record.line is not None for record in records(self._path(number), start, end))

    def put(self, lines: Sequence[bytes]) -> None:
        """Keep all of them, or none and raise Full (no room in the spool, or on the disk) or SpoolFailed."""
        data = framed(lines)
        try:
            writer, end = self._append(data, len(lines))
            if self._durable:
                self._sync(writer, end)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise Full(f"The disk of the spool {self.folder} is full.") from error
            raise SpoolFailed(f"The spool {self.folder} can't be written: {error.strerror}.") from error

    def _append(self, data: bytes, count: int) -> tuple[Writer, int]:
        with self._guard:
            if self._closed:
                raise Closed("The spool is closed.")
            held = sum(self._sizes.values())
            if held + len(data) > self._most:
                raise Full(
                    f"The spool {self.folder} is full: {self._count:,} events wait in {held:,} bytes, "
                    f"and {self._most:,} bytes are allowed."
                )
            if self._writer is None or self._writer.size >= self._segment_bytes:
                self._begin_segment()
            writer = self._writer
            assert writer is not None
            try:
                writer.write(data)
            except OSError:
                self._writer = None  # whatever is left behind in that file ends with it
                raise
            self._sizes[writer.number] = writer.size
            self._count += count
            return writer, writer.size

    def _sync(self, writer: Writer, end: int) -> None:
        try:
            writer.sync(end)
        except OSError:
            with self._guard:
                if self._writer is writer:
                    self._writer = None
            writer.close()
            raise

    def _begin_segment(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._writer = Writer(self.folder, self._next_number)
        self._sizes[self._next_number] = 0
        self._next_number += 1

    def take(self, most_events: int, most_bytes: int) -> Batch:
        """The oldest lines, at least one if there is one. They stay until `done`."""
        lines: list[bytes] = []
        damaged: list[bytes] = []
        size, place = 0, self._place
        for number, start, end in self._ahead(self._place):
            place = Place(number, start)
            for record in records(self._path(number), start, end):
                size += len(record.raw)
                if (lines or damaged) and (len(lines) + len(damaged) >= most_events or size > most_bytes):
                    self._taken = place
                    return Batch(tuple(lines), tuple(damaged))
                if record.line is None:
                    damaged.append(record.raw)
                else:
                    lines.append(record.line)
                place = Place(number, record.end)
        self._taken = place
        return Batch(tuple(lines), tuple(damaged))

    def done(self, batch: Batch, rejected: Iterable[Rejection]) -> None:
        """The batch that was taken last is acknowledged or rejected. Raises OSError when rejected events can't be written
        down: then it is as if nothing were done."""
        refused.append(self.folder / REJECTED, batch.lines, rejected, batch.damaged)
        with suppress(OSError):  # a full disk must not keep what is delivered from being removed
            self._write_position(self._taken)
        with self._guard:
            self._place = self._taken
            self._count -= len(batch.lines)
        self._forget_segments_before(self._place.segment)

    def count(self) -> int:
        """How many wait."""
        return self._count

    def close(self) -> None:
        """Let others have the folder. Safe to repeat."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            if self._writer is not None:
                self._writer.close()
            if self._count == 0 and self._place.offset >= self._sizes.get(self._place.segment, 0):
                self._remove(self._place.segment)
        self._lock.release()

    def _ahead(self, place: Place) -> list[tuple[int, int, int]]:
        """The segments from a place on, each with the piece of it to read."""
        with self._guard:
            return [
                (number, place.offset if number == place.segment else 0, size)
                for number, size in sorted(self._sizes.items())
                if number >= place.segment
            ]

    def _forget_segments_before(self, number: int) -> None:
        with self._guard:
            for old in [one for one in self._sizes if one < number]:
                self._remove(old)

    def _remove(self, number: int) -> None:
        if self._sizes.pop(number, None) is not None:
            self._path(number).unlink(missing_ok=True)
            sync_folder(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / name_of(number)

    def _write_position(self, place: Place) -> None:
        text = b"%d %d" % place
        draft = self.folder / f"{POSITION}.new"
        draft.write_bytes(b"%s %08x\n" % (text, crc32(text)))
        os.replace(draft, self.folder / POSITION)

    def _written_position(self) -> Place | None:
        """The position as an earlier process noted it; None when there is none that can be believed."""
        try:
            text, _, checksum = (self.folder / POSITION).read_bytes().rstrip(b"\n").rpartition(b" ")
        except FileNotFoundError:
            return None
        if checksum != b"%08x" % crc32(text):
            return None
        segment, offset = text.split(b" ")
        return Place(int(segment), int(offset))
