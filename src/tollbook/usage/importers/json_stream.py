"""JSON objects out of a file: one, one per line, a list of them, or one after another, also pretty-printed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec

from tollbook.usage.importers import fields
from tollbook.usage.importers.lines import MAX_LINE_BYTES, Line, lines

_BETWEEN = b" \t\r\n,[]"
_STRING_OR_BRACE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the file: its text and its value, or the reason why it has none."""

    line: int
    raw: bytes
    value: dict[str, Any] | None = None
    error: str = ""


def documents(stream: BinaryIO) -> Iterator[Document]:
    """Every object of the file, with bounded memory. What is no object is a document with an error."""
    opened = _Opened()
    for line in lines(stream):
        if opened.parts and (line.text.startswith(b"{") or line.cut or opened.size > MAX_LINE_BYTES):
            yield opened.broken()
            opened = _Opened()
        if line.cut:
            yield Document(line.number, line.raw, error="the line is too long for a record")
        elif not opened.parts and (whole := _whole(line)):
            yield whole
        else:
            yield from opened.take(line)
    if opened.parts:
        yield opened.broken()


def _whole(line: Line) -> Document | None:
    """The quick way: a line that is one object."""
    text = line.text.strip()
    if not text.startswith(b"{"):
        return None
    found = read(line.number, text)
    return found if found.value is not None else None


@dataclass(slots=True)
class _Opened:
    """An object whose end has not come yet."""

    line: int = 0
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    depth: int = 0

    def take(self, line: Line) -> Iterator[Document]:
        """The objects that end in this line; the beginning of one that does not is kept."""
        rest = line.text + b"\n"
        while rest:
            if not self.parts:
                rest = rest.lstrip(_BETWEEN)
                if rest and not rest.startswith(b"{"):
                    yield Document(line.number, rest, error="not a JSON object")
                    return
                self.line = line.number
            end = self._end(rest)
            self._keep(rest[:end])
            rest = rest[end:] if end else b""
            if self.parts and not self.depth:
                yield read(self.line, b"".join(self.parts))
                self._forget()

    def broken(self) -> Document:
        return Document(self.line, b"".join(self.parts), error="a JSON object that does not end")

    def _end(self, text: bytes) -> int | None:
        """Where the object closes in this text, if it does; braces inside strings don't count."""
        for found in _STRING_OR_BRACE.finditer(text):
            if found[0] == b"{":
                self.depth += 1
            elif found[0] == b"}":
                self.depth -= 1
                if not self.depth:
                    return found.end()
        return None

    def _keep(self, text: bytes) -> None:
        if text:
            self.parts.append(text)
            self.size += len(text)

    def _forget(self) -> None:
        self.parts, self.size, self.depth = [], 0, 0


def read(line: int, raw: bytes) -> Document:
    """One object from its text. Bytes that are not UTF-8 become lone surrogates inside its strings."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _read_leniently(raw)
    if not isinstance(value, dict):
        return Document(line, raw, error="not a JSON object")
    return Document(line, raw, value)


def _read_leniently(raw: bytes) -> Any:
    try:
        return json.loads(fields.decode(raw))
    except (ValueError, RecursionError):
        return None
