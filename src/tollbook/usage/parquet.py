"""One file of archived events, in Apache Parquet: what its columns are, written and read in pieces of bounded size.

The rows are in order of transfer and event id, so that a debit's events stand together; and since transfers are named in
order of time, a piece of a file holds the events of a short time, which its statistics tell.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tollbook.usage.shelf import Piece, Row, Span

ROWS, ATTRIBUTE_BYTES = 16_384, 4_000_000
"""A piece (row group) of a file ends with whichever of these it reaches first."""

_MONEY = pa.decimal128(20, 6)
_INSTANT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("type_code", pa.string(), nullable=False),
        pa.field("occurred_at", _INSTANT, nullable=False),
        pa.field("received_at", _INSTANT, nullable=False),
        pa.field("quantity", _MONEY, nullable=False),
        pa.field("billed_quantity", _MONEY, nullable=False),
        pa.field("rate_account_id", pa.string()),
        pa.field("rate_id", pa.string(), nullable=False),
        pa.field("rate_cents", pa.decimal128(14, 6)),
        pa.field("connect_fee", _MONEY),
        pa.field("cost", _MONEY, nullable=False),
        pa.field("to", pa.string(), nullable=False),
        pa.field("sender", pa.string(), nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("transfer_id", pa.string(), nullable=False),
        pa.field("hold_id", pa.string()),
        pa.field("reverses_id", pa.string()),
    ]
)
COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)
_INSTANTS = {"occurred_at", "received_at"}
_ATTRIBUTES = COLUMNS.index("attributes")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(path: Path, rows: Iterable[Row], about: dict[str, str]) -> None:
    """A new file of rows (values in order of `COLUMNS`), on the disk when this returns. Memory: one piece."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        schema = SCHEMA.with_metadata(about)
        with pq.ParquetWriter(file, schema, compression="zstd", compression_level=9, write_page_checksum=True) as writer:
            for piece in _pieces(rows):
                values = zip(zip(*piece, strict=True), SCHEMA.types, strict=True)
                columns = [pa.array(column, kind) for column, kind in values]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(piece))
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # what is read back comes from the disk
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _pieces(rows: Iterable[Row]) -> Iterator[list[Row]]:
    piece: list[Row] = []
    size = 0
    for row in rows:
        piece.append(row)
        size += len(row[_ATTRIBUTES])
        if len(piece) == ROWS or size >= ATTRIBUTE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


class File:
    """A file of archived events, open. Reading it takes the memory of the columns of one piece that are asked for."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, buffer_size=65_536, pre_buffer=False)

    columns = COLUMNS

    @property
    def about(self) -> dict[str, str]:
        """What was told about the file when it was written."""
        told = self._file.schema_arrow.metadata or {}
        return {name.decode(): value.decode() for name, value in told.items()}

    def pieces(self) -> list[Piece]:
        """All of its pieces, in order."""
        metadata = self._file.metadata
        at, transfer = COLUMNS.index("occurred_at"), COLUMNS.index("transfer_id")
        found = []
        for place in range(metadata.num_row_groups):
            group = metadata.row_group(place)
            times, transfers = group.column(at).statistics, group.column(transfer).statistics
            found.append(Piece(place, _instant(times.min_raw), _instant(times.max_raw), transfers.min, transfers.max))
        return found

    def read(self, piece: Piece, columns: Sequence[str] = COLUMNS) -> list[Row]:
        """All rows of one piece, with these columns."""
        return _rows(self._table(piece, columns), columns)

    def among(self, piece: Piece, column: str, values: Collection[str]) -> list[Row]:
        """The rows of one piece that have one of these values in a column, with all columns."""
        wanted = _among(self._table(piece, [column]), column, values)
        if not pc.any(wanted).as_py():
            return []
        return _rows(self._table(piece, COLUMNS).filter(wanted), COLUMNS)

    def nearest(self, piece: Piece, span: Span, columns: Sequence[str], limit: int) -> list[Row]:
        """The first `limit` rows of a span in one piece, in no order."""
        needed = ("occurred_at", "event_id", "type_code", "to", "sender")
        table = self._table(piece, list(dict.fromkeys([*columns, *needed])))
        table = table.filter(_condition(table, span))
        if table.num_rows > limit:
            order = "ascending" if span.oldest_first else "descending"
            first = pc.select_k_unstable(table, limit, [("occurred_at", order), ("event_id", order)])
            table = table.take(first)
        return _rows(table, columns)

    def rows(self, columns: Sequence[str] = COLUMNS) -> Iterator[Row]:
        """All rows in order."""
        for piece in self.pieces():
            yield from self.read(piece, columns)

    def _table(self, piece: Piece, columns: Sequence[str]) -> pa.Table:
        return self._file.read_row_group(piece.place, columns=list(columns), use_threads=False)

    def close(self) -> None:
        self._file.close()


def _rows(table: pa.Table, columns: Sequence[str]) -> list[Row]:
    return list(zip(*(_values(table, name) for name in columns), strict=True))


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table.column(name)
    if name in _INSTANTS:
        return [_instant(value) for value in column.cast(pa.int64()).to_pylist()]
    return column.to_pylist()


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _condition(table: pa.Table, span: Span) -> pa.ChunkedArray:
    at, id = table.column("occurred_at"), table.column("event_id")
    condition = _among(table, "type_code", span.type_codes)
    if span.since is not None:
        condition = pc.and_(condition, pc.greater_equal(at, _scalar(span.since)))
    if span.until is not None:
        condition = pc.and_(condition, pc.less(at, _scalar(span.until)))
    if span.text:
        named = (pc.equal(table.column(name), span.text) for name in ("event_id", "to", "sender"))
        condition = pc.and_(condition, reduce(pc.or_, named))
    if span.key is not None:
        beyond = pc.greater if span.oldest_first else pc.less
        key_at = _scalar(span.key[0])
        same_time = pc.and_(pc.equal(at, key_at), beyond(id, span.key[1]))
        condition = pc.and_(condition, pc.or_(beyond(at, key_at), same_time))
    return condition


def _among(table: pa.Table, column: str, values: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(table.column(column), value_set=pa.array(sorted(values), pa.string()))


def _scalar(at: datetime) -> pa.Scalar:
    return pa.scalar(at, pa.timestamp("us", tz="UTC"))
