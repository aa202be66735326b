"""Rows for COPY ... (FORMAT binary), built by columns: no value is written as text and read again.

What has a fixed width is a numpy column in network byte order; what varies is a list of bytes, one for each row.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_WIDTH = [width.to_bytes(4, "big") for width in range(1024)]
_GROUPS = 6
_DECIMAL = np.dtype(
    [
        ("width", ">i4"),
        ("groups", ">i2"),
        ("weight", ">i2"),
        ("sign", ">u2"),
        ("scale", ">i2"),
        ("digits", ">i2", _GROUPS),
    ]
)
_NEGATIVE = 0x4000
_EPOCH = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000."""


def _plain(value: str) -> np.dtype:
    return np.dtype([("width", ">i4"), ("value", value)])


UUID16, INSTANT, INTEGER, DECIMAL = _plain("V16"), _plain(">i8"), _plain(">i4"), _DECIMAL
"""The kinds of fixed columns: 16 bytes of a uuid; timestamptz; integer; numeric with 6 places."""


def fixed(rows: int, fields: int, columns: Sequence[tuple[str, np.dtype]]) -> np.ndarray:
    """An empty table of the columns of fixed width, which come first in a row of `fields` fields."""
    table = np.zeros(rows, np.dtype([("fields", ">i2"), *columns]))
    table["fields"] = fields
    for name, kind in columns:
        table[name]["width"] = kind.itemsize - 4
    return table


def set_instants(column: np.ndarray, microseconds: np.ndarray) -> None:
    """Fill an INSTANT column with microseconds since 1970 (UTC)."""
    column["value"] = microseconds - _EPOCH


def set_decimals(column: np.ndarray, millionths: np.ndarray) -> None:
    """Fill a DECIMAL column with numbers given in millionths (int64)."""
    whole, part = np.divmod(np.abs(millionths), 1_000_000)
    column["groups"], column["weight"], column["scale"] = _GROUPS, _GROUPS - 3, 6
    column["sign"] = np.where(millionths < 0, _NEGATIVE, 0)
    digits = column["digits"]
    for place in range(_GROUPS - 3, -1, -1):
        whole, digits[:, place] = np.divmod(whole, 10_000)
    digits[:, -2], digits[:, -1] = part // 100, part % 100 * 100


def jsonb(text: bytes) -> bytes:
    """JSON text as jsonb is sent."""
    return b"\x01" + text


def texts(column: Sequence[str]) -> list[Sequence[bytes]]:
    """A varying column of texts, which hold no NUL."""
    return values("\0".join(column).encode().split(b"\0") if len(column) else [])


def values(column: Sequence[bytes]) -> list[Sequence[bytes]]:
    """A varying column of bytes: widths, then values."""
    try:
        return [list(map(_WIDTH.__getitem__, map(len, column))), column]
    except IndexError:
        return [[len(value).to_bytes(4, "big") for value in column], column]


def chosen(words: Sequence[bytes], choice: Sequence[int]) -> list[Sequence[bytes]]:
    """A varying column whose values are few: for each row which of the words it has."""
    sized = [len(word).to_bytes(4, "big") + word for word in words]
    return [list(map(sized.__getitem__, choice))]


def rows(table: np.ndarray, varying: Sequence[Sequence[bytes]]) -> bytes:
    """All rows: the fixed columns, then the parts of the varying ones, each as long as the table."""
    width, blob = table.dtype.itemsize, table.tobytes()
    begins = [blob[start : start + width] for start in range(0, len(blob), width)]
    return b"".join(chain.from_iterable(zip(begins, *varying, strict=True)))
