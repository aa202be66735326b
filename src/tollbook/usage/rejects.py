"""Rejected records, written out as they stood in the file, so that they can be mended and imported again."""

import os
from pathlib import Path
from typing import BinaryIO

from tollbook.usage.importers.row import Row

READ_BYTES = 64 * 1024


class Rejects:
    """A file of raw records and, beside it, `....reasons.txt` with the line and the reason of each.

    Both are written under `.part` names and put in place by `finish`. What stood there before may have been mended by a
    person, so it is never lost: unless it is how the new file begins (the import was interrupted, or is repeated), it
    moves to the first free of `.1`, `.2`, ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons_path = path.with_name(path.name + ".reasons.txt")
        self._raw: BinaryIO | None = None
        self._reasons: BinaryIO | None = None

    def add(self, row: Row, reason: str) -> None:
        """Write one record and why it was rejected."""
        if self._raw is None or self._reasons is None:
            self._raw, self._reasons = _part(self.path).open("wb"), _part(self.reasons_path).open("wb")
        self._raw.write(row.raw if row.raw.endswith(b"\n") else row.raw + b"\n")
        self._reasons.write(f"line {row.line}: {reason}\n".encode(errors="replace"))

    def finish(self) -> Path | None:
        """Put both files in place. Answers where the records are, or None when none was rejected."""
        if self._raw is None or self._reasons is None:
            return None
        for handle, path in ((self._raw, self.path), (self._reasons, self.reasons_path)):
            handle.close()
            _put_in_place(path)
        self._raw = self._reasons = None
        return self.path


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _put_in_place(path: Path) -> None:
    if path.exists() and not _begins(_part(path), path):
        os.replace(path, _free_name(path))
    os.replace(_part(path), path)


def _free_name(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return free


def _begins(path: Path, beginning: Path) -> bool:
    """Whether the file at `path` begins with all that is in `beginning`."""
    with path.open("rb") as whole, beginning.open("rb") as start:
        while chunk := start.read(READ_BYTES):
            if whole.read(len(chunk)) != chunk:
                return False
    return True
