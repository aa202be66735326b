"""Which country a number belongs to, by its first seven digits, as sorted ranges that SQL and Python search alike.

`countries.tsv` lists ISO 3166 code, English name and prefixes (calling codes, area codes of the North American plan, and the
ranges of territories that share a calling code); the longest prefix counts. A number is international, with or without plus
signs: `+12125550100` or `12125550100`. What is no such number, or belongs to no country, has country ''. Numbers of the
North American plan that are nobody else's, toll-free ones too, count as US; Saint Martin and Saint Barthélemy can't be told
from Guadeloupe.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tollbook.rating.destination import BASE, keys_of, width_of
from tollbook.rating.destination import DIGITS as LONGEST

DIGITS = 7
FIRST, END = 10 ** (DIGITS - 1), 10**DIGITS
NUMBER = r"^\+*[1-9][0-9]{6,}$"
"""What counts as a number, as a regular expression for Python and for PostgreSQL."""

_NUMBER = re.compile(NUMBER, re.ASCII)
_FIRST_PLACE = 2 * BASE ** (DIGITS - 1)
"""That of 1000000: a number begins with no zero."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where each range of seven digits begins, rising; and the number, from 1, of the country of all until the next one.

    `codes` has the countries in order of these numbers; one of them is '', for none.
    """

    starts: list[int]
    countries: list[int]
    codes: list[str]


def country_of(number: str) -> str:
    """The ISO 3166 code of a number's country, '' when there is none."""
    if not _NUMBER.match(number) or number.endswith("\n"):
        return ""
    found = ranges()
    place = bisect_right(found.starts, int(number.lstrip("+")[:DIGITS])) - 1
    return found.codes[found.countries[place] - 1]


def places_of(numbers: Sequence[str]) -> NDArray[np.int64]:
    """Where numbers lead: their first seven digits as `destination.keys_of` has them; 0 for what is no number."""
    return places_of_keys(keys_of(numbers), numbers)


def places_of_keys(keys: NDArray[np.int64], numbers: Sequence[str]) -> NDArray[np.int64]:
    """As `places_of`, of numbers whose keys are known."""
    places: NDArray[np.int64] = keys // width_of(DIGITS)
    places[(places < _FIRST_PLACE) | (places % BASE == 0)] = 0
    if max(map(len, numbers), default=0) > LONGEST:
        for index, number in enumerate(numbers):
            if len(number) > LONGEST and not _NUMBER.match(number):
                places[index] = 0
    return places


def codes_of(places: NDArray[np.int64]) -> NDArray[np.str_]:
    """The countries' codes of `places_of`."""
    starts, codes = _by_place()
    found = codes[np.maximum(np.searchsorted(starts, places, "right") - 1, 0)]
    return np.where(places == 0, "", found)


@cache
def _by_place() -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """`ranges` in places."""
    found = ranges()
    return places_of([str(start) for start in found.starts]), np.array(found.codes)[np.array(found.countries) - 1]


def name_of(code: str) -> str:
    """The English name of a country; a code that is not in the table as it is."""
    return _table()[0].get(code, code)


@cache
def ranges() -> Ranges:
    """The table as ranges that leave nothing out."""
    prefixes = _table()[1]
    edges = {FIRST} | {edge for prefix in prefixes for edge in _edges(prefix) if edge < END}
    starts: list[int] = []
    owners: list[str] = []
    for edge in sorted(edges):
        digits = str(edge)
        code = next((prefixes[digits[:size]] for size in range(DIGITS, 0, -1) if digits[:size] in prefixes), "")
        if not owners or owners[-1] != code:
            starts.append(edge)
            owners.append(code)
    codes = sorted(set(owners))
    numbers = {code: number for number, code in enumerate(codes, 1)}
    return Ranges(starts, [numbers[code] for code in owners], codes)


def _edges(prefix: str) -> tuple[int, int]:
    """The first number of a prefix, and the first one behind it."""
    width: int = 10 ** (DIGITS - len(prefix))
    return int(prefix) * width, (int(prefix) + 1) * width


@cache
def _table() -> tuple[dict[str, str], dict[str, str]]:
    """Names by code, codes by prefix."""
    names: dict[str, str] = {}
    codes: dict[str, str] = {}
    for line in Path(__file__).with_name("countries.tsv").read_text(encoding="utf-8").splitlines():
        code, name, prefixes = line.split("\t")
        names[code] = name
        codes |= dict.fromkeys(prefixes.split(), code)
    return names, codes
