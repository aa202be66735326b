"""Answers that are tables: JSON or, by Accept, one object a line (NDJSON) or CSV with a line of names."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from litestar import Response
from litestar.response import Stream

from tollbook.web import sheets

NDJSON, CSV = "application/x-ndjson", "text/csv"
OTHERS = (NDJSON, CSV)
_AT_ONCE = 1_000


def answer(accept: str, whole: msgspec.Struct, kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> Any:
    """`whole` as JSON; or `rows`, which are of `kind`, as lines, written while they are sent."""
    if NDJSON in accept:
        return Stream(_blocks(rows, _ndjson), media_type=NDJSON)
    if CSV in accept:
        names = kind.__struct_encode_fields__
        return Stream(_with_head(_csv([names]), _blocks(rows, _told)), media_type=CSV)
    return Response(whole)


def _with_head(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from blocks


def _blocks(rows: Sequence[msgspec.Struct], written: Any) -> Iterator[bytes]:
    for start in range(0, len(rows), _AT_ONCE):
        yield written(rows[start : start + _AT_ONCE])


def _ndjson(rows: Iterable[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _told(rows: Iterable[msgspec.Struct]) -> bytes:
    return _csv([sheets.cell(value) for value in msgspec.structs.astuple(row)] for row in rows)


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
