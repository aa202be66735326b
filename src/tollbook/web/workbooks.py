"""The same tables as Excel files: numbers and days that can be reckoned with, texts that stay texts."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import xlsxwriter
from django.http import HttpRequest, StreamingHttpResponse

from tollbook.errors import Invalid
from tollbook.web import sheets
from tollbook.web.sheets import Value

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_000_000
"""What a worksheet holds, headings apart."""
# Rows leave memory as they are written; nothing that looks like a formula or an address becomes one.
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def answer(
    request: HttpRequest, filename: str, title: str, header: Sequence[str], rows: Iterable[Sequence[Value]]
) -> StreamingHttpResponse:
    """A download of `rows` under `header`, on one sheet called `title`; else as `sheets.answer`.

    Raises Invalid for more rows than a worksheet holds.
    """
    file = SpooledTemporaryFile(max_size=sheets.IN_MEMORY_BYTES)  # noqa: SIM115  (closed when it has been sent)
    try:
        length = write(file, title, header, rows)
    except BaseException:
        file.close()
        raise
    return sheets.sent(request, filename, CONTENT_TYPE, file, length)


def write(file: IO[bytes], title: str, header: Sequence[str], rows: Iterable[Sequence[Value]]) -> int:
    """Write the workbook to `file`; answers how many bytes it has. Raises Invalid for more rows than `MOST_ROWS`."""
    with xlsxwriter.Workbook(file, _OPTIONS) as book:
        sheet = book.add_worksheet(title)
        formats = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "#,##0.00"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) - 1, 18)
        sheet.write_row(0, 0, header, book.add_format({"bold": True}))
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise Invalid(f"At most {MOST_ROWS:,} rows go into one Excel file: choose a shorter time, or take the CSV.")
            for column, value in enumerate(row):
                _put(sheet, (number, column), value, *formats)
    return file.tell()


def _put(sheet: Any, place: tuple[int, int], value: Value, days: Any, amounts: Any) -> None:
    if value is None:
        return
    if isinstance(value, Decimal):
        sheet.write_number(*place, value, amounts if value.as_tuple().exponent == -2 else None)
    elif isinstance(value, int):
        sheet.write_number(*place, value)
    elif isinstance(value, date):
        sheet.write_datetime(*place, value, days)
    else:
        sheet.write_string(*place, value)
