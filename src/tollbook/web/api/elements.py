"""An array's elements told apart without understanding them, for when one of them makes the whole unreadable.

A JSON parser that meets half a character or a `NaN` in element 617 refuses all thousand. Brackets and quotes are enough
to see where an element begins and ends, so that 999 are taken and one is named.
"""

import re

MOST_TOKENS = 600_000
"""Sixty for each of 10,000 events. Looking at so many takes half a second; beyond that nobody's events are meant."""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


def elements(array: bytes) -> list[bytes] | None:
    """Each element's own bytes, or None when the brackets and quotes don't tell (or are too many to look at).

    Nothing else is checked: an element may be no JSON at all. An array that ends in a comma has an empty last element.
    """
    text = array.strip(b" \t\r\n")
    if not text.startswith(b"["):
        return None
    found, depth, start = [], 0, 1
    for count, token in enumerate(_TOKEN.finditer(text)):
        mark = token[0]
        if mark == b'"' or count > MOST_TOKENS:
            return None
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


def _closed(found: list[bytes], last: bytes) -> list[bytes]:
    return [*found, last] if found or last else []
