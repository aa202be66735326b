"""CSV answers: what stands in them, and that a spreadsheet runs nothing of it. No database."""

import csv
import io
from datetime import date
from decimal import Decimal
from tempfile import SpooledTemporaryFile

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory

from tollbook.web import sheets


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_amounts_are_plain_days_are_iso_and_nothing_is_empty() -> None:
    row = [Decimal("-1234.50"), Decimal("1E+3"), date(2026, 11, 3), None, 7, "Zoë, “fine”"]
    assert [sheets.cell(value) for value in row] == ["-1234.50", "1000", "2026-11-03", "", "7", "Zoë, “fine”"]


@pytest.mark.parametrize("sign", sheets.FORMULA_SIGNS)
def test_a_text_that_would_be_a_formula_is_only_text(sign: str) -> None:
    """A component can be called anything (CWE-1236)."""
    assert sheets.cell(f'{sign}HYPERLINK("x")') == f'\'{sign}HYPERLINK("x")'


def test_commas_quotes_and_line_ends_survive() -> None:
    nasty = ['a, "b"', "two\nlines", "ü"]
    with SpooledTemporaryFile() as file:
        sheets.write(file, ["x", "y", "z"], [nasty])
        file.seek(0)
        assert read(file.read().decode()) == [["x", "y", "z"], nasty]


def test_the_answer_is_a_download_of_known_length() -> None:
    response = sheets.answer(RequestFactory().get("/"), "lines.csv", ["a"], [["b"]])
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="lines.csv"'
    assert b"".join(response) == b"a\r\nb\r\n" and response["Content-Length"] == "6"


def test_what_is_larger_than_memory_allows_goes_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "IN_MEMORY_BYTES", 1000)
    rows = ([str(number), "x" * 100] for number in range(5_000))
    response = sheets.answer(RequestFactory().get("/"), "large.csv", ["a", "b"], rows)
    assert len(read(b"".join(response).decode())) == 5_001


async def _collected(response: object) -> bytes:
    return b"".join([block async for block in response])


def test_under_asgi_it_is_sent_without_gathering_it_first(recwarn: pytest.WarningsRecorder) -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    response = sheets.answer(ASGIRequest(scope, io.BytesIO()), "lines.csv", ["a"], [["b"]])
    steps = _collected(response)
    with pytest.raises(StopIteration) as ended:
        steps.send(None)
    assert ended.value.value == b"a\r\nb\r\n" and response.is_async and not recwarn.list


def test_when_the_rows_can_not_be_read_the_file_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    file = SpooledTemporaryFile()  # noqa: SIM115  (that it is closed is what is tested)
    monkeypatch.setattr(sheets, "SpooledTemporaryFile", lambda max_size: file)
    with pytest.raises(ZeroDivisionError):
        sheets.answer(RequestFactory().get("/"), "x.csv", ["a"], ([1 // number] for number in (1, 0)))
    assert file.closed
