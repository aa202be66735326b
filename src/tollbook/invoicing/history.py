"""What Invoice History shows: filters, orders, pages, totals, and one invoice opened.

Lists are found in `open_balance`, a narrow table with an index for each order that holds everything a filter asks for,
so that any page of 100,000 invoices takes milliseconds. All of it is readable by the portal's role. Statements are put
together from the fixed pieces of this file and of status.py; what people typed travels as parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from django.db import connection

from tollbook.accounts.account import by_id, today_in
from tollbook.errors import NotFound
from tollbook.invoicing.status import Status, condition, status_of
from tollbook.invoicing.tables import Invoice, InvoiceLine, OpenBalance, Reduction, Settlement
from tollbook.money.amount import ZERO

LARGEST_PAGE = 500
CHUNK = 2_000


class SortKey(StrEnum):
    """What a list can be ordered by; equals are ordered by number."""

    NUMBER = "number"
    AMOUNT = "amount"
    BALANCE = "balance"
    STATUS = "status"
    DATE = "date"


_COLUMN = {SortKey.NUMBER: "sequence", SortKey.AMOUNT: "total", SortKey.BALANCE: "balance", SortKey.DATE: "issued_on"}


@dataclass(frozen=True, slots=True)
class Sort:
    """An order. By status, ascending is the most pressing first, and within a status the newest always come first."""

    key: SortKey = SortKey.DATE
    descending: bool = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """`amount`, or `-amount` for descending; the newest first when it is neither of the keys."""
        key = text.removeprefix("-")
        return cls(SortKey(key), text.startswith("-")) if key in set(SortKey) else cls()

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.key}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which invoices: of these statuses (none: all), issued in these days (inclusive), with `number` somewhere in theirs."""

    statuses: frozenset[Status] = frozenset()
    issued_from: date | None = None
    issued_until: date | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One invoice in a list. Amounts in `currency`."""

    id: UUID
    number: str
    sequence: int
    kind: str
    currency: str
    total: Decimal
    balance: Decimal
    status: Status
    issued_on: date
    due_on: date


@dataclass(frozen=True, slots=True)
class Owed:
    """What the account owes on some or all of its invoices, in its currency; `amount` includes the overdue part."""

    amount: Decimal
    open_count: int
    overdue_amount: Decimal
    overdue_count: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page (from 1) of the invoices that were asked for. `counts` are by status before the filter by status.

    `owed` is what is owed on all of the account's invoices, `owed_here` on those that were asked for.
    """

    rows: list[Row]
    number: int
    size: int
    total_count: int
    counts: dict[Status, int]
    owed: Owed
    owed_here: Owed

    @property
    def page_count(self) -> int:
        """How many pages there are; an empty list has one."""
        return max(1, -(-self.total_count // self.size))


@dataclass(frozen=True, slots=True)
class Opened:
    """One invoice with all that belongs to it. `settlements` name their payments by id, oldest first."""

    invoice: Invoice
    lines: list[InvoiceLine]
    settlements: list[Settlement]
    reductions: list[Reduction]
    balance: Decimal
    status: Status

    @property
    def paid(self) -> Decimal:
        """What of it payments settled."""
        return sum((one.amount for one in self.settlements), ZERO)

    @property
    def credited(self) -> Decimal:
        """What of it credit notes took off."""
        return sum((one.amount for one in self.reductions if one.credit_note_id), ZERO)

    @property
    def written_off(self) -> Decimal:
        """What of it was given up."""
        return sum((one.amount for one in self.reductions if not one.credit_note_id), ZERO)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Invoices of one status that are owed: all of them, and those that match the filters other than the status."""

    count: int
    balance: Decimal
    matching: int
    matching_balance: Decimal


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of rows in the index order of one column: `statuses` as in a filter, `offset` and `limit` as in SQL."""

    statuses: frozenset[Status]
    column: str
    descending: bool
    count: int
    offset: int = 0
    limit: int = 0


def page(
    account_id: UUID, wanted: Filter, sort: Sort, number: int = 1, size: int = 25, today: date | None = None
) -> Page:
    """One page; a number beyond the last answers the last. `today` is by default the account's local day.

    Two or three short reads, not one snapshot: an invoice settled in between may be counted under its old status.
    """
    today = today or today_in(by_id(account_id))
    size = min(max(size, 1), LARGEST_PAGE)
    counts, owed, owed_here = _summary(account_id, wanted, today)
    total = sum(counts[status] for status in wanted.statuses or counts)
    number = min(max(number, 1), max(1, -(-total // size)))
    found: list[Row] = []
    for piece in _cut(_pieces(wanted, sort, counts), (number - 1) * size, size):
        found += _read(account_id, wanted, piece, today)
    return Page(found, number, size, total, counts, owed, owed_here)


def owed(account_id: UUID, today: date | None = None) -> Owed:
    """What the account owes now."""
    today = today or today_in(by_id(account_id))
    sums = _sums(_open_sums("TRUE"), _parameters(account_id, Filter(), today))
    return _owed({status: (each.count, each.balance) for status, each in sums.items()})


def rows(account_id: UUID, wanted: Filter, sort: Sort, today: date | None = None) -> Iterator[Row]:
    """Every invoice that was asked for, in order, from a server-side cursor: however many, little memory is used.

    Inside a transaction it lives as long as that; outside, PostgreSQL keeps the result until the last row is read.
    """
    today = today or today_in(by_id(account_id))
    statement = _statement(wanted.statuses, wanted, _order(sort))
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, _parameters(account_id, wanted, today))
        while chunk := cursor.fetchmany(CHUNK):
            yield from (_row(found, today) for found in chunk)


def newest(
    account_id: UUID, wanted: Filter, before: int | None = None, limit: int = 100, today: date | None = None
) -> list[Row]:
    """Up to `limit` invoices by number, the highest first, below the sequence `before`: keyset pages for machines."""
    today = today or today_in(by_id(account_id))
    below = "" if before is None else " AND sequence < %(before)s"
    statement = _statement(wanted.statuses, wanted, "sequence DESC", "LIMIT %(limit)s", below)
    parameters = _parameters(account_id, wanted, today) | {"before": before, "limit": min(limit, LARGEST_PAGE)}
    return _rows(statement, parameters, today)


def find(account_id: UUID, number: str, today: date | None = None) -> Opened:
    """The account's invoice with this number. Raises NotFound, for another account's too."""
    invoice = Invoice.objects.filter(account_id=account_id, number=number).first()
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.")
    mine = {"account_id": account_id, "invoice_id": invoice.id}
    balance = OpenBalance.objects.get(**mine).balance
    today = today or today_in(by_id(account_id))
    return Opened(
        invoice=invoice,
        lines=list(InvoiceLine.objects.filter(**mine).order_by("position")),
        settlements=list(Settlement.objects.filter(**mine).order_by("settled_at", "id")),
        reductions=list(Reduction.objects.filter(**mine).order_by("reduced_at", "id")),
        balance=balance,
        status=status_of(balance, invoice.due_on, invoice.grace_until_on, today),
    )


def _summary(account_id: UUID, wanted: Filter, today: date) -> tuple[dict[Status, int], Owed, Owed]:
    """Counts by status under the other filters; what is owed in all, and on what was asked for. One snapshot.

    Only what is owed is summed, from a partial index; the paid ones, mostly ten times as many, are merely counted.
    """
    matching = _matching(wanted)
    statement = (
        f"{_open_sums(matching)} UNION ALL SELECT NULL, 0, 0, count(*), 0 FROM open_balance"
        f" WHERE account_id = %(account_id)s AND {matching}"
    )
    sums = _sums(statement, _parameters(account_id, wanted, today))
    found = sums.pop(None).matching
    counts = {status: sums[status].matching if status in sums else 0 for status in Status}
    counts[Status.PAID] = found - sum(counts.values())
    here = [status for status in sums if status in (wanted.statuses or Status)]
    owed_here = _owed({status: (sums[status].matching, sums[status].matching_balance) for status in here})
    return counts, _owed({status: (each.count, each.balance) for status, each in sums.items()}), owed_here


def _open_sums(matching: str) -> str:
    """Counts and balances of what is owed, by rank of status: of all, and of what matches."""
    return (
        f"SELECT {_rank()}, count(*), sum(balance), count(*) FILTER (WHERE {matching}),"
        f" coalesce(sum(balance) FILTER (WHERE {matching}), 0)"
        " FROM open_balance WHERE account_id = %(account_id)s AND balance > 0 GROUP BY 1"
    )


def _sums(statement: str, parameters: dict[str, Any]) -> dict[Any, _Sum]:
    statuses = list(Status)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {None if rank is None else statuses[rank]: _Sum(*figures) for rank, *figures in cursor.fetchall()}


def _owed(sums: dict[Status, tuple[int, Decimal]]) -> Owed:
    """From counts and balances by status, without paid ones."""
    overdue_count, overdue_amount = sums.get(Status.OVERDUE, (0, ZERO))
    amount = sum((balance for _, balance in sums.values()), ZERO)
    return Owed(amount, sum(count for count, _ in sums.values()), overdue_amount, overdue_count)


def _pieces(wanted: Filter, sort: Sort, counts: dict[Status, int]) -> list[_Piece]:
    """The list as runs that an index holds in order. Only by status there are several: one for each, newest first."""
    statuses = [status for status in Status if status in (wanted.statuses or counts)]
    if sort.key != SortKey.STATUS:
        count = sum(counts[status] for status in statuses)
        return [_Piece(wanted.statuses, _COLUMN[sort.key], sort.descending, count)]
    ordered = reversed(statuses) if sort.descending else statuses
    return [_Piece(frozenset([status]), "issued_on", True, counts[status]) for status in ordered]


def _cut(pieces: list[_Piece], offset: int, limit: int) -> Iterator[_Piece]:
    """What of each run falls on the page."""
    for piece in pieces:
        taken = min(limit, piece.count - offset)
        if taken > 0:
            yield replace(piece, offset=offset, limit=taken)
        offset, limit = max(0, offset - piece.count), limit - max(0, taken)


def _read(account_id: UUID, wanted: Filter, piece: _Piece, today: date) -> list[Row]:
    """A run's rows, read from whichever end of the index is nearer."""
    from_end = piece.count - piece.offset - piece.limit
    backwards = from_end < piece.offset
    direction = "DESC" if piece.descending != backwards else "ASC"
    ordered = ", ".join(f"{column} {direction}" for column in dict.fromkeys((piece.column, "sequence")))
    statement = _statement(piece.statuses, wanted, ordered, "OFFSET %(offset)s LIMIT %(limit)s")
    cut = {"offset": from_end if backwards else piece.offset, "limit": piece.limit}
    found = _rows(statement, _parameters(account_id, wanted, today) | cut, today)
    return found[::-1] if backwards else found


def _rows(statement: str, parameters: dict[str, Any], today: date) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_row(found, today) for found in cursor.fetchall()]


def _statement(statuses: frozenset[Status], wanted: Filter, order: str, cut: str = "", more: str = "") -> str:
    """The rows of a list. They are found and cut in an index that holds all that is asked for, and then looked up."""
    chosen = f" AND ({condition(sorted(statuses))})" if statuses and statuses != set(Status) else ""
    found = f"account_id = %(account_id)s AND {_matching(wanted)}{chosen}{more} ORDER BY {order} {cut}"
    return (
        "SELECT invoice_id, number, sequence, total, balance, issued_on, due_on, grace_until_on, kind, currency"
        f" FROM (SELECT invoice_id AS found_id FROM open_balance WHERE {found}) AS found"
        " JOIN open_balance ON account_id = %(account_id)s AND invoice_id = found_id"
        " JOIN (SELECT id, kind, currency FROM invoice WHERE account_id = %(account_id)s) AS paper ON id = found_id"
        f" ORDER BY {order}"
    )


def _matching(wanted: Filter) -> str:
    """The filters that are set, but for the status."""
    parts = {
        "issued_on >= %(issued_from)s::date": wanted.issued_from,
        "issued_on <= %(issued_until)s::date": wanted.issued_until,
        "strpos(number, %(number)s) > 0": wanted.number.strip(),
    }
    return " AND ".join(part for part, value in parts.items() if value) or "TRUE"


def _order(sort: Sort) -> str:
    direction = "DESC" if sort.descending else "ASC"
    if sort.key != SortKey.STATUS:
        return f"{_COLUMN[sort.key]} {direction}, sequence {direction}"
    return f"{_rank()} {direction}, issued_on DESC, sequence DESC"


def _rank() -> str:
    """The place of an invoice's status among all, from 0, as SQL."""
    return f"CASE {' '.join(f'WHEN {condition([status])} THEN {rank}' for rank, status in enumerate(Status))} END"


def _parameters(account_id: UUID, wanted: Filter, today: date) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "today": today,
        "issued_from": wanted.issued_from,
        "issued_until": wanted.issued_until,
        "number": wanted.number.strip().upper(),
    }


def _row(found: tuple[Any, ...], today: date) -> Row:
    id, number, sequence, total, balance, issued_on, due_on, grace_until_on, kind, currency = found
    status = status_of(balance, due_on, grace_until_on, today)
    return Row(id, number, sequence, kind, currency, total, balance, status, issued_on, due_on)
