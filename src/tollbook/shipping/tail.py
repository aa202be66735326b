"""A file that grows and is rotated.

Two ways of rotating are followed, also while nobody looked (the file may have been rotated several times, and packed):

- renamed: `Master.csv` becomes `Master.csv.1` and a new one is begun. The old one is read on until the new one holds
  something, because until then its writer may not know of the new one.
- copied and emptied (logrotate's copytruncate): what was not read yet is read from the copy.

Rotated files are those beside it whose name is its own and a number or a date: `Master.csv.1`, `Master.csv-20261103.gz`,
`Master-2026-11-03.csv`.
"""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tollbook.shipping.mark import Mark
from tollbook.shipping.source import Source, begins

CHUNK_BYTES = 4 * 1024 * 1024
TRIES = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """What comes next: whole lines or, when `is_last`, whatever the file ends with. `rest` is a line without its end.

    `at_end`: there is no more for now. `lines`: how many come before it in the file.
    """

    data: bytes
    rest: bytes
    at_end: bool
    is_last: bool
    lines: int
    path: Path


class Tail:
    """The file of a name, through rotations, from a mark on. `notice` hears of what a person should know."""

    def __init__(self, path: Path, mark: Mark | None, notice: Callable[[str], None]) -> None:
        self.path = path
        self._notice = notice
        self._source: Source | None = None
        if mark is not None:
            self._resume(mark)

    def piece(self) -> Piece | None:
        """What comes next, without taking it; None when the file does not exist yet. Raises OSError."""
        while True:
            if self._source is None and not self._open():
                return None
            source = self._source
            assert source is not None
            is_over = self._is_over(source)  # asked first: then all that was written before it is there to read
            data = source.read(CHUNK_BYTES)
            if data is None:
                self._emptied(source)
            elif is_over and not data:
                self._next(source)
            else:
                return self._cut(source, data, is_over)

    def take(self, data: bytes) -> Mark:
        """What came next is done; the mark to keep."""
        assert self._source is not None
        self._source.take(data)
        return self._source.mark

    @property
    def mark(self) -> Mark | None:
        """The mark to keep now; None before anything was read."""
        return self._source.mark if self._source else None

    def close(self) -> None:
        """Let go of the file."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _cut(self, source: Source, data: bytes, is_over: bool) -> Piece:
        at_end = len(data) < CHUNK_BYTES
        whole = data.rfind(b"\n") + 1
        if (at_end and is_over) or (not whole and not at_end):
            whole = len(data)
        return Piece(data[:whole], data[whole:], at_end, at_end and is_over, source.lines, source.path)

    def _open(self) -> bool:
        try:
            self._source = Source(self.path)
        except FileNotFoundError:
            return False
        if self._source.is_packed:
            raise OSError(None, "is gzipped; a file that grows is not", str(self.path))
        return True

    def _is_over(self, source: Source) -> bool:
        """Whether its writer has gone on to another file: one of later holds something."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        if (there.st_dev, there.st_ino) == source.identity:
            return False
        return there.st_size > 0 or self._after(source.changed_at_ns, source.identity) is not None

    def _resume(self, mark: Mark) -> None:
        """Find the file again that the mark is about."""
        self._source = self._found(mark, lambda: [self.path, *self._rotated()])
        if self._source is None:
            self._lost(mark)

    def _found(self, mark: Mark, candidates: Callable[[], list[Path]]) -> Source | None:
        """The file that the mark is about, open at its place: one that begins alike, rather that of the same inode."""
        for _ in range(TRIES):
            alike = [path for path in candidates() if begins(path, mark)]
            try:
                alike.sort(key=lambda path: _identity(path) != (mark.device, mark.inode))
                return Source(alike[0], mark) if alike else None
            except FileNotFoundError:  # it was rotated on, or packed, this very moment
                continue
        return None

    def _emptied(self, source: Source) -> None:
        """Go on in the copy that was made before the file was emptied."""
        mark = source.mark
        source.close()
        copy = self._found(mark, lambda: [path for path in self._rotated() if path != source.path])
        if copy is None:
            self._lost(mark)
        self._source = copy or self._source

    def _lost(self, mark: Mark) -> None:
        self._notice(
            f"{self.path} is not the file that was shipped up to byte {mark.offset:,} (line {mark.lines:,}), and no "
            "rotated file beside it is. If that one had more rows, ship them from wherever it is now."
        )
        self._go_on_after(mark.changed_at_ns, None)

    def _next(self, source: Source) -> None:
        changed_at_ns, identity = source.changed_at_ns, source.identity
        source.close()
        self._go_on_after(changed_at_ns, identity)

    def _go_on_after(self, changed_at_ns: int, identity: tuple[int, int] | None) -> None:
        """Open what was rotated after that moment; if nothing was, what has the name now."""
        self._source = None
        for _ in range(TRIES):
            later = self._after(changed_at_ns, identity)
            try:
                self._source = Source(later) if later else None
                return
            except FileNotFoundError:
                continue

    def _after(self, changed_at_ns: int, identity: tuple[int, int] | None) -> Path | None:
        """The oldest of the rotated files that were written to after that moment."""
        for path, found in self._rotated().items():
            if found.st_mtime_ns > changed_at_ns and (found.st_dev, found.st_ino) != identity and found.st_size:
                return path
        return None

    def _rotated(self) -> dict[Path, os.stat_result]:
        """The rotated files, the one that was written to first comes first. Files may go while they are looked at."""
        name, stem, suffix = (re.escape(part) for part in (self.path.name, self.path.stem, self.path.suffix))
        when = r"[-._]\d[-._:T\d]*"
        known = re.compile(rf"{name}{when}(\.gz)?|{stem}{when}{suffix}(\.gz)?")
        found: dict[Path, os.stat_result] = {}
        for path in self.path.parent.iterdir():
            if known.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    found[path] = path.stat()
        files = (item for item in found.items() if stat.S_ISREG(item[1].st_mode))
        return dict(sorted(files, key=lambda item: (item[1].st_mtime_ns, item[0].name)))


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
