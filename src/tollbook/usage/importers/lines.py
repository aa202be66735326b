"""Lines of a file with bounded memory, whatever the file holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its end; `cut` when it was too long and only its beginning is here."""

    number: int
    raw: bytes
    cut: bool = False

    @property
    def text(self) -> bytes:
        """The line without its end and, on the first line, without a byte order mark."""
        body = self.raw.rstrip(b"\r\n")
        return body.removeprefix(_BOM) if self.number == 1 else body

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()


def lines(stream: BinaryIO, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Every line of the stream, the over-long ones cut at `max_bytes` and read to their end."""
    number = 0
    while raw := stream.readline(max_bytes):
        number += 1
        cut = False
        rest = raw
        while len(rest) == max_bytes and not rest.endswith(b"\n"):
            rest = stream.readline(max_bytes)
            cut = cut or bool(rest)
        yield Line(number, raw, cut)
