"""What may stand in a document: texts without what PDF/A, XML and honest readers can't bear."""

import re

# Controls and noncharacters, which PDF/A forbids, and direction overrides, by which a name could turn figures around.
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb" + _NONCHARACTERS + "]"
)
# Private use and lone surrogates have no agreed shape: a box says that something stood there.
_SHAPELESS = re.compile("[\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]")
# Runs of letters that stand alone, figures and signs, too long for a narrow column.
_ENDLESS = re.compile(
    "[!-~\u00a1-\u0588\u1d00-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2bff\u2c60-\u2c7f\ua640-\ua7ff\U0001f000-\U0001faff]{20,}"
)
_MARK = "\ue000"


def clean(text: str) -> str:
    """`text` as it may stand in a document; line breaks and tabs stay."""
    return _SHAPELESS.sub("□", _UNPRINTABLE.sub("", text.replace("\r\n", "\n")))


def marked(text: str) -> str:
    """The same with a mark at both ends of every run without spaces, where the layout may break it.

    They are found here because typst takes 4 ms to make such a pattern ready, at every document.
    """
    return _ENDLESS.sub(rf"{_MARK}\g<0>{_MARK}", clean(text))
