"""Destinations and prefixes as keys that sort as dialled digits do, so that a prefix is a range of keys.

A key has 15 digits in base 11: dialled 0 to 9 count 1 to 10, a place behind the last digit counts 0. So 1, 10 and 100
differ, and leading zeros matter. Prefix p covers `width_of(len(p))` keys from its own. 15 is the length of the longest
number there is (ITU-T E.164); of longer ones the first 15 digits are looked at. Leading plus signs are ignored. What is not
a number (sip:alice, nothing at all) has key 0, which only the empty prefix covers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIGITS = 15
BASE = 11
SPAN: int = BASE**DIGITS  # keys lie in [0, SPAN)

_AS_BASE_11 = str.maketrans("0123456789", "123456789a")
_WEIGHTS = float(BASE) ** np.arange(DIGITS - 1, -1, -1)  # sums stay below 2 ** 53, so they are exact
_PLUS, _ZERO = ord("+"), ord("0")


def is_prefix(text: str) -> bool:
    """Whether a rate may have this prefix: up to 15 digits, or none at all."""
    return text == "" or (text.isascii() and text.isdigit() and len(text) <= DIGITS)


def width_of(length: int) -> int:
    """How many keys a prefix of `length` digits covers."""
    return int(BASE ** (DIGITS - length))


def key_of(destination: str) -> int:
    """The key of one destination or prefix."""
    seen = destination.lstrip("+")[:DIGITS]
    if not (seen.isascii() and seen.isdigit()):
        return 0
    return int(seen.translate(_AS_BASE_11).ljust(DIGITS, "0"), BASE)


def digits_of(key: int) -> str:
    """The digits that have this key."""
    digits = ""
    for _ in range(DIGITS):
        key, place = divmod(key, BASE)
        digits = (str(place - 1) if place else "") + digits
    return digits


def keys_of(destinations: Sequence[str]) -> NDArray[np.int64]:
    """As `key_of`, of many at once. The texts hold no NUL, as nothing printable does."""
    signs = _signs(destinations)
    plus = signs[:, 0] == _PLUS
    if not plus.any():
        return keys_of_signs(signs[:, :DIGITS])
    if (plus & (signs[:, 1] == _PLUS)).any():
        return keys_of([text.lstrip("+") for text in destinations])
    return np.where(plus, keys_of_signs(signs[:, 1:]), keys_of_signs(signs[:, :DIGITS]))


def _signs(texts: Sequence[str]) -> NDArray[np.uint8]:
    """The first signs of each text, one row each, NUL behind the end; what is not ASCII a question mark."""
    try:
        rows = np.array(texts, dtype=f"S{DIGITS + 1}")
    except UnicodeEncodeError:
        rows = np.array([text.encode("ascii", "replace") for text in texts], dtype=f"S{DIGITS + 1}")
    return rows.view(np.uint8).reshape(len(texts), DIGITS + 1)


def keys_of_signs(signs: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The keys of rows of 15 ASCII signs, NUL behind the end."""
    values = signs - np.uint8(_ZERO)  # wraps round below "0", so that only digits are 9 or less
    are_digits = values <= 9
    values += 1
    values *= are_digits
    keys = (values.astype(np.float64) @ _WEIGHTS).astype(np.int64)
    strange = (signs != 0) & ~are_digits
    if strange.any():
        keys[strange.any(axis=1)] = 0
    return keys
