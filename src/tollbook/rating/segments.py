"""How many parts a text message has (3GPP TS 23.038): GSM-7 160, then 153 a part; UCS-2 70, then 67 a part."""

from collections.abc import Iterable

GSM_7, UCS_2 = "GSM-7", "UCS-2"

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")


def encoding(text: str) -> str:
    """What a text is sent in: GSM-7 when its alphabet (with the extension table) has every character, else UCS-2."""
    return GSM_7 if _BASIC.union(_EXTENDED).issuperset(text) else UCS_2


def segments(text: str) -> int:
    """The number of billable segments of `text`; an empty message is one. A character is never cut across parts."""
    if encoding(text) == GSM_7:
        return _parts((2 if character in _EXTENDED else 1 for character in text), 160, 153)
    return _parts((2 if ord(character) > 0xFFFF else 1 for character in text), 70, 67)


def _parts(widths: Iterable[int], alone: int, joined: int) -> int:
    total, parts, filled = 0, 1, 0
    for width in widths:
        total += width
        if filled + width > joined:
            parts, filled = parts + 1, 0
        filled += width
    return 1 if total <= alone else parts
