"""Rejected rows, appended to a file as they stood, and their reasons beside it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Leftover:
    """A row that was not taken: where it stood, what it was, why, and the kind of reason."""

    file: Path
    line: int
    raw: bytes
    reason: str
    kind: str


def append(path: Path, rows: Sequence[Leftover]) -> None:
    """Add rows to `path` and their reasons to `path` and `.reasons.txt`; on the disk when this returns.

    Rows that were written and not noted before a crash are written again.
    """
    if not rows:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    _append(path, b"".join(row.raw.rstrip(b"\r\n") + b"\n" for row in rows))
    reasons = "".join(f"{now} {row.file.name} line {row.line}: {row.reason}\n" for row in rows)
    _append(path.with_name(path.name + ".reasons.txt"), reasons.encode(errors="replace"))


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
