"""One file, open, and how far it is taken."""

import gzip
import os
import shutil
import stat
import tempfile
import zlib
from pathlib import Path
from typing import IO

from tollbook.shipping.mark import HEAD_BYTES, Mark, digest

_GZIP = b"\x1f\x8b"


class Source:
    """A file from a place on. It stays open, whatever becomes of its name; a packed one is unpacked. Raises OSError."""

    def __init__(self, path: Path, mark: Mark | None = None) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("rb", buffering=0)
        found = os.fstat(self._file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "is no regular file", str(path))
        self.identity = (found.st_dev, found.st_ino)
        self._changed_at_ns = found.st_mtime_ns
        self.is_packed = os.pread(self._file.fileno(), 2, 0) == _GZIP
        if self.is_packed:
            self._file = _unpacked(self._file)
        self.offset = mark.offset if mark else 0
        self.lines = mark.lines if mark else 0
        self._head = os.pread(self._file.fileno(), mark.head_bytes if mark else 0, 0)

    def read(self, most: int) -> bytes | None:
        """What comes next, without taking it; None when the file was emptied or written anew meanwhile."""
        descriptor = self._file.fileno()
        data = os.pread(descriptor, most, self.offset)
        begins_alike = os.pread(descriptor, len(self._head), 0) == self._head
        if not begins_alike or os.fstat(descriptor).st_size < self.offset:
            return None
        if self.offset <= len(self._head) < HEAD_BYTES:
            self._head = (self._head[: self.offset] + data)[:HEAD_BYTES]
        return data

    def take(self, data: bytes) -> None:
        """What comes next is `data`, and it is done."""
        self.offset += len(data)
        self.lines += data.count(b"\n")

    @property
    def mark(self) -> Mark:
        """How far it is taken."""
        return Mark(*self.identity, self.offset, self.lines, digest(self._head), len(self._head), self.changed_at_ns)

    @property
    def changed_at_ns(self) -> int:
        """When the file was written to last."""
        return self._changed_at_ns if self.is_packed else os.fstat(self._file.fileno()).st_mtime_ns

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def begins(path: Path, mark: Mark) -> bool:
    """Whether this is the file that the mark is about: it begins alike and is long enough. Never raises OSError."""
    length = mark.head_bytes
    try:
        with path.open("rb") as file:
            if file.peek(2)[:2] == _GZIP:
                return digest(gzip.GzipFile(fileobj=file).read(length)) == mark.head
            return digest(file.read(length)) == mark.head and os.fstat(file.fileno()).st_size >= mark.offset
    except (OSError, EOFError, zlib.error):
        return False


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    whole = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the source closes it
    try:
        with file, gzip.GzipFile(fileobj=file) as packed:
            shutil.copyfileobj(packed, whole, 1 << 20)
    except (EOFError, zlib.error) as error:
        raise OSError(None, f"can't be unpacked: {error}", file.name) from None
    return whole
