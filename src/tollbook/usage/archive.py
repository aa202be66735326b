"""Whole months of usage out of the table of events into files: written, proven, and only then removed, keys kept for ever.

Runs as the owner of the tables, because the application may not remove events. A month is in the table until one
transaction removes its rows, leaves their keys, and notes the file, which by then is on the disk and proven; so whoever
kills this at any point loses nothing, and running it again finishes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict
from tollbook.postgres import binary
from tollbook.postgres.named import load
from tollbook.rating.tables import CreditType
from tollbook.usage import details, shelf
from tollbook.usage.archived import digest_of
from tollbook.usage.details import DETAILS
from tollbook.usage.event import microseconds
from tollbook.usage.parquet import COLUMNS, File, write
from tollbook.usage.record import quarter_of
from tollbook.usage.shelf import Row
from tollbook.usage.tables import UsageArchive

SQL = load(__file__)
OWNER = "owner"
REST = timedelta(days=31)
"""How long after the last day on which an event may come late a month is left alone."""

_PAGE = 5_000
_BODY = ("event_id", "type_code", "quantity", "occurred_at", "to", "sender")
_SUMMED = ("type_code", "occurred_at", "quantity", "billed_quantity", "cost")
_TRANSFER = COLUMNS.index("transfer_id")
Sums = dict[tuple[str, datetime], tuple[Any, ...]]
Seals = dict[str, tuple[int, bytes]]


class Unproven(Conflict):
    """What was written, or what the books say of it, does not add up; nothing was removed. The message names it."""

    code = "archive_unproven"


def ends_of(month_on: date) -> tuple[datetime, datetime]:
    """The first instant of a month (UTC), and that of the next."""
    start = datetime(month_on.year, month_on.month, 1, tzinfo=UTC)
    return start, (start + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Month:
    """One account's calendar month (UTC)."""

    account: Account
    on: date

    @property
    def start(self) -> datetime:
        return ends_of(self.on)[0]

    @property
    def end(self) -> datetime:
        return ends_of(self.on)[1]

    def bounds(self, **more: Any) -> dict[str, Any]:
        """What statements about the month ask for."""
        return {"account_id": self.account.id, "start": self.start, "end": self.end, **more}

    def __str__(self) -> str:
        return f"{self.account.slug} {self.on:%Y-%m}"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a month: how many events left for a file of so many bytes (0: a dry run), or why they stay."""

    month: Month
    events: int
    bytes: int = 0
    stays: str = ""


def archive(
    account: Account, before: date, now: datetime, dry_run: bool = False, tell: Callable[[str], None] = lambda text: None
) -> Iterator[Done]:
    """Archive the months of an account that end before a day and are closed: no late event is to be expected, and the
    roll-ups hold everything.

    Own transactions, one for each month's rows; other work goes on. Raises Conflict while somebody else archives the
    account, Unproven, ArchiveUnreadable, OSError when the disk is full; what was done stays done.
    """
    with _alone(account):
        for month in _months(account, before, now):
            count = _count(month)
            if not count:
                continue
            if _value("owed", month.bounds()) is not None:
                yield Done(month, count, stays="the roll-ups by attribute do not hold all of it yet")
            elif dry_run:
                yield Done(month, count)
            else:
                tell(f"{month}: {count} events")
                yield _archived(month)


def vacuum() -> None:
    """Make the room of removed events free for new ones: reads the whole table and its indexes, gently."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SET vacuum_cost_delay = '1ms'")
        cursor.execute("VACUUM (ANALYZE) usage_event")


@contextmanager
def _alone(account: Account) -> Iterator[None]:
    if not _value("lock", {"account_id": account.id}):
        raise Conflict(f"Somebody else is archiving {account.slug}.")
    try:
        yield
    finally:
        _value("unlock", {"account_id": account.id})


def _months(account: Account, before: date, now: datetime) -> Iterator[Month]:
    oldest = _value("oldest", {"account_id": account.id})
    if oldest is None:
        return
    end = min(datetime(before.year, before.month, before.day, tzinfo=UTC), now - timedelta(settings.LATE_DAYS) - REST)
    month = Month(account, oldest.date().replace(day=1))
    while month.end <= end:
        yield month
        month = Month(account, month.end.date())


def _count(month: Month) -> int:
    return _value("count", month.bounds())


def _archived(month: Month) -> Done:
    volume = _new_volume(month)
    final = shelf.path_of(volume)
    draft = final.with_suffix(".draft")
    _make_folder(final.parent)
    with transaction.atomic(using=OWNER):
        _execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        written = _write(month, draft)
        _prove(month, volume, draft, written)
    volume.bytes, volume.sha256 = draft.stat().st_size, shelf.digest_of(draft)
    draft.replace(final)
    _sync(final.parent)
    _remove(month, volume)
    return Done(month, volume.events, volume.bytes)


def _new_volume(month: Month) -> UsageArchive:
    last = UsageArchive.objects.filter(account_id=month.account.id, month_on=month.on).order_by("-part").first()
    return UsageArchive(account_id=month.account.id, month_on=month.on, part=last.part + 1 if last else 1)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Names in a folder, on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(month: Month, draft: Path) -> bytes:
    """Write the month; answers the digest of the rows as the database told them."""
    digest = sha256()

    def rows() -> Iterator[Row]:
        types = list(CreditType.objects.values_list("code", flat=True))
        for row in _stream("events", month.bounds(type_codes=types)):
            digest.update(repr(row).encode())
            yield row

    about = {
        "account_id": str(month.account.id), "account": month.account.slug, "currency": month.account.currency,
        "month": f"{month.on:%Y-%m}",
    }  # fmt: skip
    write(draft, rows(), about)
    return digest.digest()


def _prove(month: Month, volume: UsageArchive, draft: Path, written: bytes) -> None:
    """Read the file back: it is what the database told, adds up to the roll-up, and its debits are sealed with it.
    Fills in what `volume` says of it. Raises Unproven."""
    digest = sha256()
    sums: Sums = {}
    seals: Seals = {}
    with closing(File(draft)) as file:
        rows = _read_back(month, file, digest.update, seals)
        for transfer_id, of_transfer in groupby(rows, key=itemgetter(_TRANSFER)):
            kept = list(of_transfer)
            add(sums, (_chosen(row, _SUMMED) for row in kept))
            if transfer_id in seals:  # or a batch that cost nothing
                _prove_details(month, transfer_id, [_chosen(row, DETAILS) for row in kept], *seals.pop(transfer_id))
        pieces = file.pieces()
    if digest.digest() != written:
        raise Unproven(f"{draft} does not hold what was written to it.")
    volume.events, volume.quantity, volume.billed_quantity, volume.cost = map(sum, zip(*sums.values(), strict=True))
    volume.first_at, volume.last_at = min(one.first_at for one in pieces), max(one.last_at for one in pieces)
    volume.first_transfer_id = UUID(min(one.first_transfer_id for one in pieces))
    volume.last_transfer_id = UUID(max(one.last_transfer_id for one in pieces))
    for earlier in UsageArchive.objects.filter(account_id=month.account.id, month_on=month.on):
        with closing(shelf.opened(earlier)) as file:
            add(sums, file.rows(_SUMMED))
    kept_sums = {(code, at): tuple(figures) for code, at, *figures in _rows("sums", month.bounds())}
    if sums != kept_sums:
        code, at = min(key for key in sums.keys() | kept_sums.keys() if sums.get(key) != kept_sums.get(key))
        raise Unproven(f"{month}: the events of {code} at {at:%Y-%m-%d %H:%M} are not what the roll-up counts.")


def _read_back(month: Month, file: File, told: Callable[[bytes], None], seals: Seals) -> Iterator[Row]:
    """All rows; the seals of their debits, count and digest, are known before a row is."""
    for piece in file.pieces():
        rows = file.read(piece, COLUMNS)
        ids = sorted({row[_TRANSFER] for row in rows})
        for id, count, digest in _rows("seals", {"account_id": month.account.id, "transfer_ids": ids}):
            seals[str(id)] = (count, bytes(digest))
        for row in rows:
            told(repr(row).encode())
            yield row


def _chosen(row: Row, names: Iterable[str]) -> Row:
    return tuple(row[_PLACES[name]] for name in names)


_PLACES = {name: place for place, name in enumerate(COLUMNS)}


def add(sums: Sums, rows: Iterable[Sequence[Any]]) -> None:
    """Add events (type, instant, quantity, billed quantity, cost) to counts and sums by type and quarter of an hour."""
    nothing = (0, Decimal(0), Decimal(0), Decimal(0))
    for type_code, at, quantity, billed, cost in rows:
        key = (type_code, quarter_of(at))
        count, quantities, all_billed, costs = sums.get(key, nothing)
        sums[key] = (count + 1, quantities + quantity, all_billed + billed, costs + cost)


def _prove_details(month: Month, transfer_id: str, rows: list[Row], count: int, sealed: bytes) -> None:
    """That a debit is sealed with these events, and those of other months and earlier parts."""
    if count != len(rows):
        others = [
            *_rows("elsewhere", month.bounds(transfer_id=transfer_id)),
            *shelf.of_transfer(month.account.id, UUID(transfer_id), DETAILS),
        ]
        rows = sorted([*rows, *others])
    if not details.seals(sealed, rows):
        raise Unproven(f"{month}: the events of transfer {transfer_id} are not the ones it was sealed with.")


def _remove(month: Month, volume: UsageArchive) -> None:
    """Take the rows of a proven file out of the table, leave their keys, and note the file: all or nothing."""
    with closing(shelf.opened(volume)) as file, transaction.atomic(using=OWNER):
        _execute(SQL["leaving"])
        _copy_keys(file)
        remembered = _execute(SQL["remember"], month.bounds(month_on=month.on, part=volume.part))
        removed = _execute(SQL["remove"], month.bounds())
        if not remembered == removed == volume.events:
            raise Unproven(f"{month}: {volume.events} events are in the file, {removed} of them in the table.")
        volume.archived_at = datetime.now(UTC)
        volume.save(using=OWNER, force_insert=True)


def _copy_keys(file: File) -> None:
    owner = connections[OWNER]
    with owner.wrap_database_errors, owner.cursor() as cursor, cursor.copy(SQL["copy_keys"]) as copy:
        copy.write(binary.HEADER)
        for piece in file.pieces():
            copy.write(b"".join(_key(*row) for row in file.read(piece, _BODY)))
        copy.write(binary.TRAILER)


def _key(event_id: str, type_code: str, quantity: Decimal, at: datetime, to: str, sender: str) -> bytes:
    """One row of keys as COPY takes it."""
    body = (type_code, int(quantity * 1_000_000), microseconds(at), to, sender)
    text = event_id.encode()
    digest = digest_of(event_id, body).to_bytes(8, "big", signed=True)
    return b"\0\2" + len(text).to_bytes(4, "big") + text + b"\0\0\0\x08" + digest


def _value(name: str, parameters: dict[str, Any]) -> Any:
    row = next(_rows(name, parameters), None)
    return row[0] if row else None


def _rows(name: str, parameters: dict[str, Any]) -> Iterator[Row]:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(SQL[name], parameters)
        return iter(cursor.fetchall())


def _execute(statement: str, parameters: dict[str, Any] | None = None) -> int:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def _stream(name: str, parameters: dict[str, Any]) -> Iterator[Row]:
    with connections[OWNER].chunked_cursor() as cursor:
        cursor.execute(SQL[name], parameters)
        while rows := cursor.fetchmany(_PAGE):
            yield from rows
