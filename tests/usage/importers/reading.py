"""Rows of a text or of bytes, for the tests of the readers."""

from collections import Counter
from io import BytesIO

from tollbook.usage.importers.formats import FORMATS
from tollbook.usage.importers.row import Reading, Row


def read(format: str, content: str | bytes, reading: Reading | None = None) -> list[Row]:
    """Every row of the content."""
    raw = content.encode() if isinstance(content, str) else content
    return list(FORMATS[format](BytesIO(raw), reading or Reading()))


def read_one(format: str, content: str | bytes, reading: Reading | None = None) -> Row:
    """The only row of the content."""
    (row,) = read(format, content, reading)
    return row


def outcomes(rows: list[Row]) -> Counter[str]:
    """How many rows became what: a credit type, a reason to skip, or `error`."""
    return Counter(row.event.type if row.event else row.skipped or "error" for row in rows)
