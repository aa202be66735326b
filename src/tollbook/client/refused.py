"""The file of events that the server will not take: one JSON object a line, with the reason, for a person to mend.

    {"at": "2026-11-03T14:02:07Z", "code": "no_rate", "message": "...", "event": {...}}

What can't be read back from a damaged disk stands here, too, as `text`. A client that is killed between writing here and
noting that it did writes the same event twice.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tollbook.client.event import Rejection


def append(path: Path, lines: Sequence[bytes], rejections: Iterable[Rejection], damaged: Iterable[bytes] = ()) -> None:
    """Write the rejected ones among `lines`, and what is damaged; on the disk when this returns."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    found = [
        {"at": now, "code": one.code, "message": one.message, "event": msgspec.Raw(lines[one.index])}
        for one in rejections
    ]
    broken = [
        {"at": now, "code": "damaged_record", "message": "The spool's file was damaged here.", "text": repr(raw)}
        for raw in damaged
    ]
    if found or broken:
        _append(path, b"".join(msgspec.json.encode(one) + b"\n" for one in [*found, *broken]))


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # a kill came in between
        rest = memoryview(b"\n" + data if torn else data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
