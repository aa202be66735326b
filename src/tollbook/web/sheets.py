"""CSV answers: for spreadsheets and for machines, of any length.

Amounts are plain decimals, days are ISO 8601, the encoding is UTF-8. A text that a spreadsheet would run as a formula
gets an apostrophe in front, which spreadsheets take as "this is text".
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from tempfile import SpooledTemporaryFile
from typing import IO

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

Value = str | int | Decimal | date | datetime | None

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
IN_MEMORY_BYTES = 1024 * 1024
BLOCK_BYTES = 64 * 1024


def answer(
    request: HttpRequest, filename: str, header: Sequence[str], rows: Iterable[Sequence[Value]]
) -> StreamingHttpResponse:
    """A download of `rows` under `header`. Takes all rows before it returns.

    They are written down (beyond a megabyte: in a temporary file) and sent from there, so that somebody with a slow line
    holds neither a transaction nor memory. A view under `@page` needs `scope=False` and enters `rows_of` for this call.
    """
    file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  (closed when it has been sent)
    try:
        length = write(file, header, rows)
    except BaseException:
        file.close()
        raise
    return sent(request, filename, "text/csv; charset=utf-8", file, length)


def sent(
    request: HttpRequest, filename: str, content_type: str, file: IO[bytes], length: int
) -> StreamingHttpResponse:
    """A download of `file`, from its beginning; it is closed at the end."""
    file.seek(0)
    content = _asynchronously(file) if isinstance(request, ASGIRequest) else _blocks(file)
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Content-Length"] = str(length)
    return response


def write(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Value]]) -> int:
    """Write the lines to `file`; answers how many bytes they are."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(header)
    lines.writerows([cell(value) for value in row] for row in rows)
    text.flush()
    text.detach()
    return file.tell()


def cell(value: Value) -> str:
    """One value as it stands in the file; numbers and days as they are, texts without their power to be a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_SIGNS) else value
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block


async def _asynchronously(file: IO[bytes]) -> AsyncIterator[bytes]:
    for block in _blocks(file):
        yield block
