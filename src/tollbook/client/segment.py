"""One file of a spool: lines of `checksum event`, only ever appended to.

    5f2a9c01 {"id":"call-1", ...}

The checksum is CRC-32 of the event's JSON, in eight hexadecimal digits. An event's JSON holds no line end, so wherever a
disk or a kill left rubbish, the next line is whole again. A last line without its end was never acknowledged to anyone.
"""

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

SUFFIX = ".events"
_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a segment: where the next begins, and its event, or None when the line is damaged."""

    end: int
    line: bytes | None
    raw: bytes


def name_of(number: int) -> str:
    """The file's name; names sort as their numbers do."""
    return f"{number:0{_DIGITS}}{SUFFIX}"


def numbers_in(folder: Path) -> list[int]:
    """The segments of a folder, oldest first."""
    stems = (path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    return sorted(int(stem) for stem in stems if len(stem) == _DIGITS and stem.isascii() and stem.isdigit())


def framed(lines: Sequence[bytes]) -> bytes:
    """Events as they stand in a segment."""
    return b"".join(b"%08x %s\n" % (crc32(line), line) for line in lines)


def records(path: Path, start: int, end: int) -> Iterator[Record]:
    """The lines between two places. What stands after the last line end is no record."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (raw := file.readline(end - start)).endswith(b"\n"):
            start += len(raw)
            line = raw[9:-1]
            whole = raw[8:9] == b" " and raw[:8] == b"%08x" % crc32(line)
            yield Record(start, line if whole else None, raw)


class Writer:
    """The segment that is written to. `write` needs a lock of the caller's; `sync` may be called by many at once."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.path = folder / name_of(number)
        self.size = 0
        self._synced = 0
        self._failed = False
        self._syncing = threading.Lock()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        sync_folder(folder)

    def write(self, data: bytes) -> None:
        """Append all of it or, with an OSError, nothing that counts: `size` says what does."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def sync(self, end: int) -> None:
        """Return once everything up to `end` is on the disk. Threads that wait for one another share one fsync.

        After an fsync that failed none is believed: the kernel may have dropped what it could not write.
        """
        with self._syncing:
            if self._synced < end:
                self._sync_all()
            if self._synced < end:
                raise OSError(errno.EIO, "an fsync failed")

    def close(self) -> None:
        """No more will be written. Safe to repeat."""
        with self._syncing:
            if self._descriptor >= 0:
                self._sync_all()
                os.close(self._descriptor)
                self._descriptor = -1

    def _sync_all(self) -> None:
        size = self.size
        try:
            if not self._failed:
                os.fsync(self._descriptor)
                self._synced = size
        except OSError:
            self._failed = True


def sync_folder(folder: Path) -> None:
    """Make new and removed names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
