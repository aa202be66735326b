"""A batch's elements told apart without understanding them, in bounded time and memory.

A JSON parser that meets half a character or a `NaN` in element 617 of an array refuses all thousand: brackets and quotes
are enough to see where an element begins and ends, so that 999 are taken and one is named. And eight million zeros are
eight million objects before anybody has counted them: `crowded` says when to count first.
"""

import re

MOST_TOKENS = 300_000
"""Thirty for each of 10,000 events, which takes a quarter of a second; beyond that nobody's events are meant."""

SMALL_BODY = 1024 * 1024
"""Whatever is in so few bytes, its elements can't take more memory than anybody minds."""

MEMBERS = 40
"""No sender's events have so many members and elements, on average."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)
_LINE = re.compile(rb"[^\n]+")


class TooMany(ValueError):
    """More elements than are taken at once."""


def crowded(body: bytes, most: int) -> bool:
    """Whether a body may have so many more elements than `most` that reading them all would take memory by the 100 MB.

    Two passes at the speed of memory, for large bodies only. Events are told by a member that each of them must have.
    """
    return len(body) > SMALL_BODY and (body.count(b",") > most * MEMBERS or body.count(b'"occurred_at"') > most)


def elements(array: bytes, most: int) -> list[bytes] | None:
    """Each element's own bytes, or None when brackets, quotes and commas don't tell. Raises TooMany.

    Nothing else is checked: an element may be no JSON at all.
    """
    text = array.strip(b" \t\r\n")
    if not text.startswith(b"["):
        return None
    found: list[bytes] = []
    depth, start = 0, 1
    for count, token in enumerate(_TOKEN.finditer(text)):
        mark = token[0]
        if mark == b'"':
            return None
        if count > MOST_TOKENS or len(found) > most:
            raise TooMany
        if mark in b"[{":
            depth += 1
        elif mark == b"," and depth == 1:
            found.append(text[start : token.start()].strip())
            start = token.end()
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                return _closed(found, text[start : token.start()].strip()) if token.end() == len(text) else None
    return None


def _closed(found: list[bytes], last: bytes) -> list[bytes] | None:
    whole = [*found, last] if found or last else []
    return whole if all(whole) else None


def lines(body: bytes, most: int) -> list[tuple[int, bytes]]:
    """Each line that is not blank, with its number from 0. Raises TooMany."""
    found: list[tuple[int, bytes]] = []
    number = end = 0
    for line in _LINE.finditer(body):
        number += body.count(b"\n", end, line.start())
        end = line.end()
        if not line[0].isspace():
            found.append((number, line[0]))
        if len(found) > most:
            raise TooMany
    return found
