"""Archived months, opened: which files an account has, and their events, read with bounded memory.

A file lies in the folder of its account, under a name made of month and part; both come from rows that the account may
see, never from a request. Before a file is read for the first time it must be the one that was archived, byte for byte.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from hashlib import sha256
from heapq import heapify, heappop, heapreplace, nlargest, nsmallest
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from tollbook.errors import TryLater
from tollbook.usage.tables import UsageArchive, UsageArchived

if TYPE_CHECKING:
    from tollbook.usage.parquet import File

log = logging.getLogger(__name__)
Row = tuple[Any, ...]
_CHUNK = 1 << 20
_whole: dict[Path, tuple[int, int, int, bytes]] = {}
"""Files that were found to be whole: size, time of change and place on disk then, and the digest they had."""


class ArchiveUnreadable(TryLater):
    """A file of archived events is missing, or not the one that was archived; the message names it."""

    code = "archive_unreadable"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file: its place, the times of its first and last event, its first and last transfer."""

    place: int
    first_at: datetime
    last_at: datetime
    first_transfer_id: str
    last_transfer_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """Which events, and in which order: of these types, from `since` (included) until `until` (excluded), with this id or
    number; before or, with `oldest_first`, after the place `key` in the order of time and id."""

    type_codes: Sequence[str]
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    key: tuple[datetime, str] | None = None
    oldest_first: bool = False


def volumes(account_id: UUID) -> list[UsageArchive]:
    """The files of an account, in order of month and part. One query."""
    return list(UsageArchive.objects.filter(account_id=account_id).order_by("month_on", "part"))


def name_of(month_on: date, part: int) -> str:
    """The name of a file in its account's folder."""
    return f"{month_on:%Y-%m}.parquet" if part == 1 else f"{month_on:%Y-%m}.{part}.parquet"


def path_of(volume: UsageArchive) -> Path:
    """Where a file lies."""
    return Path(settings.ARCHIVE) / str(volume.account_id) / name_of(volume.month_on, volume.part)


@cache
def _parquet() -> ModuleType:
    """The module that reads files. Loaded when the first one is read: it takes 40 MB, and most web processes need none."""
    return import_module("tollbook.usage.parquet")


def opened(volume: UsageArchive) -> "File":
    """A file of the archive, open. Raises ArchiveUnreadable."""
    path = path_of(volume)
    try:
        _check(path, volume)
        file: File = _parquet().File(path)
    except (OSError, ValueError) as error:
        log.error("archived events can't be read from %s: %s", path, error)
        raise _unreadable(volume, "can't be read") from error
    if file.about.get("account_id") != str(volume.account_id):
        raise _unreadable(volume, "belongs to another account")
    return file


def _check(path: Path, volume: UsageArchive) -> None:
    """Raise ArchiveUnreadable unless the file is what was archived. Read whole unless it was seen like this before."""
    told = path.stat()
    seen = (told.st_size, told.st_mtime_ns, told.st_ino, bytes(volume.sha256))
    if _whole.get(path) == seen:
        return
    if told.st_size != volume.bytes or digest_of(path) != bytes(volume.sha256):
        raise _unreadable(volume, "is not what was archived")
    _whole[path] = seen


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file."""
    digest = sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _unreadable(volume: UsageArchive, what: str) -> ArchiveUnreadable:
    name = f"{volume.account_id}/{name_of(volume.month_on, volume.part)}"
    log.error("the archive's file %s %s", path_of(volume), what)
    return ArchiveUnreadable(
        f"The archived usage of {volume.month_on:%B %Y} {what} (file {name}); the operator can restore it from a backup.",
        file=name,
    )


def find(account_id: UUID, event_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Those of these events that are archived, by id: what `usage_told` tells, by column."""
    keys = list(UsageArchived.objects.filter(account_id=account_id, event_id__in=event_ids)) if event_ids else []
    wanted: dict[tuple[date, int], set[str]] = {}
    for key in keys:
        wanted.setdefault((key.month_on, key.part), set()).add(key.event_id)
    found = {}
    for volume in volumes(account_id) if keys else []:
        if (volume.month_on, volume.part) in wanted:
            ids = wanted[volume.month_on, volume.part]
            for row in _matching(volume, "event_id", ids):
                found[row["event_id"]] = row
    return found


def of_transfer(account_id: UUID, transfer_id: UUID, columns: Sequence[str]) -> list[Row]:
    """The archived events of a debit, in order of their ids."""
    files = UsageArchive.objects.filter(
        account_id=account_id, first_transfer_id__lte=transfer_id, last_transfer_id__gte=transfer_id
    )
    rows = [row for volume in files for row in _matching(volume, "transfer_id", [str(transfer_id)])]
    return [tuple(row[name] for name in columns) for row in sorted(rows, key=itemgetter("event_id"))]


def _matching(volume: UsageArchive, column: str, values: Collection[str]) -> list[dict[str, Any]]:
    """The rows of a file that have one of these values in a column, by column."""
    with closing(opened(volume)) as file:
        pieces = [piece for piece in file.pieces() if _may_match(piece, column, values)]
        rows = (row for piece in pieces for row in file.among(piece, column, values))
        return [dict(zip(file.columns, row, strict=True)) for row in rows]


def _may_match(piece: Piece, column: str, values: Collection[str]) -> bool:
    if column != "transfer_id":
        return True
    return any(piece.first_transfer_id <= value <= piece.last_transfer_id for value in values)


def nearest(account_id: UUID, span: Span, columns: Sequence[str], limit: int, known: Sequence[Row]) -> list[Row]:
    """Up to `limit` rows of a span, `known` ones (in the same columns, of which the first two are `occurred_at` and
    `event_id`) and archived ones, in its order. Only pieces that can still have one of them are read."""
    best = list(known)[:limit]
    for volume in sorted(volumes(account_id), key=lambda one: _near(one, span), reverse=not span.oldest_first):
        if not _may_have(volume.first_at, volume.last_at, span, best, limit):
            continue
        with closing(opened(volume)) as file:
            pieces = sorted(file.pieces(), key=lambda one: _near(one, span), reverse=not span.oldest_first)
            for piece in pieces:
                if _may_have(piece.first_at, piece.last_at, span, best, limit):
                    best = _best([*best, *file.nearest(piece, span, columns, limit)], span, limit)
    return best


def _near(part: UsageArchive | Piece, span: Span) -> datetime:
    return part.first_at if span.oldest_first else part.last_at


def _may_have(first_at: datetime, last_at: datetime, span: Span, best: Sequence[Row], limit: int) -> bool:
    """Whether events of this time can be in the span and before the last of the best ones."""
    if span.since is not None and last_at < span.since or span.until is not None and first_at >= span.until:
        return False
    if span.key is not None and (last_at < span.key[0] if span.oldest_first else first_at > span.key[0]):
        return False
    if len(best) < limit:
        return True
    return first_at <= best[-1][0] if span.oldest_first else last_at >= best[-1][0]


def _best(rows: Sequence[Row], span: Span, limit: int) -> list[Row]:
    once = {row[1]: row for row in rows}.values()  # a month that is archived just now is seen twice
    pick = nsmallest if span.oldest_first else nlargest
    return pick(limit, once, key=itemgetter(0, 1))


def in_order(account_id: UUID, columns: Sequence[str]) -> Iterator[Row]:
    """All archived events of an account in order of transfer (the first of `columns`) and id (the second). A file is
    opened when its first transfer is due, so that few are open at once."""
    assert tuple(columns[:2]) == ("transfer_id", "event_id")
    shelf = volumes(account_id)
    due = [(str(volume.first_transfer_id), "", place) for place, volume in enumerate(shelf)]
    heapify(due)
    streams: dict[int, Iterator[Row]] = {}
    current: dict[int, Row] = {}
    while due:
        place = due[0][2]
        if place in streams:
            yield current[place]
        else:
            streams[place] = _stream(shelf[place], columns)
        row = next(streams[place], None)
        if row is None:
            heappop(due)
        else:
            current[place] = row
            heapreplace(due, (row[0], row[1], place))


def _stream(volume: UsageArchive, columns: Sequence[str]) -> Iterator[Row]:
    with closing(opened(volume)) as file:
        yield from file.rows(columns)
