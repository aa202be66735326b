"""XML put together from escaped pieces. Elements stand in the order in which they are given, empty ones are left out."""

from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from tollbook.invoicing.document.letters import clean

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def leaf(name: str, text: str | Decimal | None, **attributes: str) -> str:
    """An element that holds a text or a number (written plainly, without idle zeros); nothing for an empty one."""
    written = number(text) if isinstance(text, Decimal) else escape(clean(text or "").strip())
    return f"<{name}{_written(attributes)}>{written}</{name}>" if written else ""


def node(name: str, *children: str, **attributes: str) -> str:
    """An element that holds others; nothing when all of them are empty."""
    inside = "".join(children)
    return f"<{name}{_written(attributes)}>{inside}</{name}>" if inside else ""


def number(value: Decimal) -> str:
    """`1245`, `0.0132`, `-4.83`: never in powers of ten."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(day: date) -> str:
    """`20261103`."""
    return f"{day:%Y%m%d}"


def _written(attributes: dict[str, str]) -> str:
    return "".join(f" {name.replace('__', ':')}={quoteattr(value)}" for name, value in attributes.items())
