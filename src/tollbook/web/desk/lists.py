"""Pages of a list, and the audit trail at the end of a page."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import HttpRequest

from tollbook.accounts import audit
from tollbook.accounts.tables import AuditEntry
from tollbook.web.audited import Change, about, changes, in_words

SIZES = (25, 50, 100)
NEWEST = 10

Line = tuple[AuditEntry, str, str, list[Change]]


def paged(request: HttpRequest, rows: Any) -> Page:
    """The page of `rows` (a queryset or a list) that the address asks for; the nearest one when there is none such."""
    size = next((size for size in SIZES if request.GET.get("rows") == str(size)), SIZES[0])
    return Paginator(rows, size).get_page(request.GET.get("page"))


def trail(account_id: UUID, target: str | None = None, prefix: str | None = None) -> list[Line]:
    """The newest lines of an account's trail (or of the operator's), about one target when it is named."""
    lines = audit.trail(account_id)
    if target is not None:
        lines = lines.filter(target=target)
    if prefix is not None:
        lines = lines.filter(target__startswith=prefix)
    return told(lines[:NEWEST])


def told(lines: Iterable[AuditEntry]) -> list[Line]:
    """Each line with its words and its changes, as the page prints them."""
    return [(entry, in_words(entry.action), about(entry.target), changes(entry)) for entry in lines]


def contains(text: str, *values: str) -> bool:
    """Whether one of the values has this text in it, whatever the case."""
    return any(text.casefold() in value.casefold() for value in values)


def first(rows: Sequence[Any], size: int) -> tuple[Sequence[Any], bool]:
    """The first rows, and whether there are more."""
    return rows[:size], len(rows) > size
