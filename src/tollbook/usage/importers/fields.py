"""Text, numbers and times as switches write them, made fit for the database.

Switch files are bytes with no declared encoding. They are read as UTF-8, every undecodable byte becoming a lone
surrogate, so that one bad byte in a caller's name never costs the row. What goes on to the database is either clean
or has U+FFFD in place of what was not text; an id must be clean, because an altered id would not be the same id again.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from tollbook.usage.importers.row import Unreadable

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_LOCAL_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_DIALLED = re.compile(r"\+?[0-9*#][0-9*#\-.() ]{0,39}")
_SEPARATORS = re.compile(r"[-.() ]+")
MAX_LEG_SECONDS = 31 * 86_400
MAX_NUMBER = 64  # characters of to and from that an event may have
MAX_ATTRIBUTE = 500
MAX_NOTES = 10


def decode(raw: bytes) -> str:
    """UTF-8 text; every byte that is not UTF-8 becomes a lone surrogate, which `is_clean` finds."""
    return raw.decode("utf-8", "surrogateescape")


def is_clean(text: str) -> bool:
    """Whether PostgreSQL can hold the text: no NUL and no lone surrogate (which is how an undecodable byte shows)."""
    return text.isascii() and "\x00" not in text or not _UNFIT.search(text)


def fit(text: str) -> str:
    """The text with U+FFFD for everything that PostgreSQL can't hold; for names and notes, never for ids."""
    return text if is_clean(text) else _UNFIT.sub("\ufffd", text)


def party(text: str) -> str:
    """Who called or was called, where nothing is rated by it: printable and short enough for an event, whatever it was."""
    text = fit(text.strip())[:MAX_NUMBER]
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)


def fit_deep(value: Any) -> Any:
    """A JSON value with every text in it made fit, keys too."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, dict):
        return {fit(key): fit_deep(one) for key, one in value.items()}
    return [fit_deep(one) for one in value] if isinstance(value, list) else value


def event_id(*parts: str) -> str:
    """The parts joined by colons: an id of 1 to 200 printable characters, or `Unreadable`."""
    joined = ":".join(parts)
    if len(joined) > 200:
        raise Unreadable("the record's id is longer than 200 characters")
    if not is_clean(joined) or not joined.isprintable():
        raise Unreadable("the record's id holds bytes that are not text")
    return joined


def seconds(text: str, what: str) -> Decimal:
    """A duration in seconds, whole or with up to 6 places."""
    text = text.strip()
    if not _SECONDS.fullmatch(text):
        raise Unreadable(f"{what} is not a number of seconds: {shown(text)}")
    value = Decimal(text)
    if value > MAX_LEG_SECONDS:
        raise Unreadable(f"{what} is longer than 31 days: {shown(text)}")
    return value


def dialled(text: str, what: str) -> str:
    """A number that can be rated, without the separators that people write between digits."""
    text = text.strip()
    if not _DIALLED.fullmatch(text):
        raise Unreadable(f"{what} is not a number that can be rated: {shown(text)}")
    return _SEPARATORS.sub("", text)


def local_time(text: str, zone: tzinfo, near: datetime | None = None) -> datetime:
    """An instant from the switch's local clock, in UTC.

    An hour that the clocks repeat in autumn is ambiguous: the reading closer to `near` (say, the moment the call's
    id was made) is taken, the first one when nothing is known.
    """
    text = text.strip()
    if not _LOCAL_STAMP.fullmatch(text):
        raise Unreadable(f"not a time like 2026-11-23 14:02:07: {shown(text)}")
    try:
        first = datetime.fromisoformat(text).replace(tzinfo=zone)
        second = first.replace(fold=1)
        if near and first.utcoffset() != second.utcoffset() and abs(second - near) < abs(first - near):
            first = second
        return first.astimezone(UTC)
    except (ValueError, OverflowError) as no_such_time:
        raise Unreadable(f"no such time: {shown(text)}") from no_such_time


def epoch_time(text: str) -> datetime | None:
    """An instant from whole or fractional seconds since 1970; None when the text is no such number."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(Decimal(text)))
    except (ValueError, ArithmeticError):
        return None


def noted(userfield: str) -> dict[str, str]:
    """`campaign=spring;agent=301` as a dictionary; any other text as `{"userfield": text}`."""
    pairs = [part.partition("=") for part in userfield.split(";") if part.strip()]
    if 0 < len(pairs) <= MAX_NOTES and all(key.strip().isidentifier() and equals for key, equals, _ in pairs):
        return {key.strip(): value.strip() for key, _, value in pairs}
    return {"userfield": userfield.strip()}


def attributes(said: dict[str, str]) -> dict[str, str]:
    """What is said, as attributes of an event: blanks left out, text made fit, long text cut."""
    return {fit(key)[:MAX_ATTRIBUTE]: fit(text)[:MAX_ATTRIBUTE] for key, text in said.items() if text}


def shown(text: str) -> str:
    """A value as it may stand in a message: short, on one line, quoted."""
    text = fit(text)
    return ascii(text if len(text) <= 40 else text[:37] + "...")
