"""What Invoice History shows: filters, orders, pages, totals, and one invoice opened.

Lists are found in `open_balance`, a narrow table with an index for each order that holds what filters ask for. They are
counted in `history_day` (tally.py), which also says where a page begins in a list of a million (place.py). All of it is
readable by the portal's role. Statements are put together from the fixed pieces of this file, of place.py, of
number_search.py and of status.py; what people typed travels as parameters.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from django.db import connection

from tollbook.accounts.account import by_id, today_in
from tollbook.errors import NotFound
from tollbook.invoicing import number_search, place
from tollbook.invoicing.place import COUNTED, OPEN, chosen, days
from tollbook.invoicing.status import Status, condition, status_of
from tollbook.invoicing.tables import Invoice, InvoiceLine, OpenBalance, Reduction, Settlement
from tollbook.money.amount import ZERO

LARGEST_PAGE = 500
CHUNK = 2_000
SHOWN = "invoice_id, number, sequence, total, balance, written_off, issued_on, due_on, grace_until_on, kind, currency"
ALL = number_search.Search().source
CUT = "OFFSET %(offset)s LIMIT %(limit)s"
FEW = 20_000
"""Rows that are sooner read than found out about."""


class SortKey(StrEnum):
    """What a list can be ordered by; equals are ordered by number."""

    NUMBER = "number"
    AMOUNT = "amount"
    BALANCE = "balance"
    STATUS = "status"
    DATE = "date"


_COLUMNS = {
    SortKey.NUMBER: ("sequence",),
    SortKey.AMOUNT: ("size", "total", "sequence"),
    SortKey.BALANCE: ("balance", "sequence"),
    SortKey.DATE: ("issued_on", "sequence"),
}
"""What each order goes by, as its index has it. By `size` is by total, only told to the index (tables.OpenBalance)."""


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
    """Invoices of one status: all of them, and those that match the filters other than the status."""

    count: int
    balance: Decimal
    matching: int
    matching_balance: Decimal


@dataclass(frozen=True, slots=True)
class _List:
    """Invoices that match the filters other than the status: which, where to read them, and how many there are."""

    account_id: UUID
    wanted: Filter
    today: date
    source: str
    sums: dict[Status, _Sum]

    @property
    def counts(self) -> dict[Status, int]:
        """How many match, by status."""
        return {status: each.matching for status, each in self.sums.items()}

    @property
    def is_long(self) -> bool:
        """Whether the account has too many to read them all."""
        return sum(each.count for each in self.sums.values()) > FEW

    @property
    def values(self) -> dict[str, Any]:
        """What statements about it are executed with."""
        return _parameters(self.account_id, self.wanted, self.today)

    def is_few(self, piece: "_Piece") -> bool:
        """Whether what is read for a piece is little: an index has what is owed on, and another each day's."""
        if Status.PAID not in piece.statuses and piece.count <= FEW:
            return True
        return sum(self.counts.values()) <= FEW


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of rows in the index order of some columns: `statuses` as they are, `offset` and `limit` as in SQL."""

    statuses: frozenset[Status]
    columns: tuple[str, ...]
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
    listed = _listed(account_id, wanted, today)
    counts = listed.counts
    total = sum(counts[status] for status in wanted.statuses or counts)
    number = min(max(number, 1), max(1, -(-total // size)))
    found: list[Row] = []
    for piece in _cut(_pieces(wanted, sort, counts), (number - 1) * size, size):
        found += _read(listed, piece)
    asked_for = {status: each for status, each in listed.sums.items() if status in (wanted.statuses or counts)}
    here = _owed({status: (each.matching, each.matching_balance) for status, each in asked_for.items()})
    return Page(found, number, size, total, counts, _owed_of(listed.sums), here)


def owed(account_id: UUID, today: date | None = None) -> Owed:
    """What the account owes now."""
    today = today or today_in(by_id(account_id))
    return _owed_of(_counted("FALSE", _parameters(account_id, Filter(), today)))


def rows(
    account_id: UUID, wanted: Filter, sort: Sort, today: date | None = None
) -> Generator[Row, None, None]:
    """Every invoice that was asked for, in order, from a server-side cursor: however many, little memory is used.

    Inside a transaction it lives as long as that; outside, PostgreSQL keeps the result until the last row is read. Whoever
    may stop before the last row closes it: left to the garbage, its cursor would be closed in a later transaction.
    """
    today = today or today_in(by_id(account_id))
    statement = _all_in_order(wanted, sort)
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
    statement = _in_order(wanted.statuses, wanted, "sequence DESC", "LIMIT %(limit)s", below)
    parameters = _parameters(account_id, wanted, today) | {"before": before, "limit": min(limit, LARGEST_PAGE)}
    return _rows(statement, parameters, today)


def named(account_id: UUID, numbers: Sequence[str]) -> list[UUID]:
    """The ids of the account's invoices with these numbers, in their order; unknown ones are left out."""
    found = Invoice.objects.filter(account_id=account_id, number__in=numbers).values_list("number", "id")
    ids = dict(found)
    return [ids[number] for number in numbers if number in ids]


def find(account_id: UUID, number: str, today: date | None = None) -> Opened:
    """The account's invoice with this number. Raises NotFound, for another account's too."""
    invoice = Invoice.objects.filter(account_id=account_id, number=number).first()
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.")
    mine = {"account_id": account_id, "invoice_id": invoice.id}
    open_ = OpenBalance.objects.get(**mine)
    today = today or today_in(by_id(account_id))
    return Opened(
        invoice=invoice,
        lines=list(InvoiceLine.objects.filter(**mine).order_by("position")),
        settlements=list(Settlement.objects.filter(**mine).order_by("settled_at", "id")),
        reductions=list(Reduction.objects.filter(**mine).order_by("reduced_at", "id")),
        balance=open_.balance,
        status=status_of(open_.balance, open_.written_off, invoice.due_on, invoice.grace_until_on, today),
    )


def _listed(account_id: UUID, wanted: Filter, today: date) -> _List:
    """The account's invoices under the filters other than the status, counted.

    Without a part of the number all is known from counts. With it, rows are looked up and counted: of a few thousand in
    their index, of more where such numbers can be.
    """
    values = _parameters(account_id, wanted, today)
    listed = _List(account_id, wanted, today, ALL, _given_up(_counted(days(values), values), days(values), values))
    if not values["number"]:
        return listed
    if listed.is_long:
        search = number_search.plan(account_id, values["number"])
        if search.is_all:
            return replace(listed, wanted=replace(wanted, number=""))
        listed = replace(listed, source=search.source)
    found = _found(listed)
    sums = {status: replace(each, **found.get(status, _NONE)) for status, each in listed.sums.items()}
    return replace(listed, sums=sums)


def _counted(matching: str, values: dict[str, Any]) -> dict[Status, _Sum]:
    """Counts and sums by status of all invoices of the account, and of those whose days match."""
    statement = (
        f"SELECT {_rank()}, sum(count), sum(balance), coalesce(sum(count) FILTER (WHERE {matching}), 0),"
        f" coalesce(sum(balance) FILTER (WHERE {matching}), 0)"
        f" FROM {COUNTED} WHERE account_id = %(account_id)s GROUP BY 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = {
            rank: _Sum(int(count), balance, int(matching), there) for rank, count, balance, matching, there in cursor
        }
    return {status: found.get(rank, _Sum(0, ZERO, 0, ZERO)) for rank, status in enumerate(Status)}


def _given_up(sums: dict[Status, _Sum], matching: str, values: dict[str, Any]) -> dict[Status, _Sum]:
    """The same with what was given up, which is not counted apart from what is paid: its rows are few, and an index's."""
    statement = (
        f"SELECT count(*), count(*) FILTER (WHERE {matching}) FROM open_balance"
        f" WHERE account_id = %(account_id)s AND {condition([Status.WRITTEN_OFF])}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        count, here = cursor.fetchone()
    settled = sums[Status.PAID]
    paid = replace(settled, count=settled.count - count, matching=settled.matching - here)
    return sums | {Status.PAID: paid, Status.WRITTEN_OFF: _Sum(count, ZERO, here, ZERO)}


_NONE = {"matching": 0, "matching_balance": ZERO}


def _found(listed: _List) -> dict[Status, dict[str, Any]]:
    """The same of the rows that match, read one by one."""
    statement = (
        f"SELECT {_rank()}, count(*), sum(balance) FROM {listed.source}"
        f" WHERE account_id = %(account_id)s AND {_matching(listed.wanted)} GROUP BY 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, listed.values)
        statuses = list(Status)
        return {statuses[rank]: {"matching": count, "matching_balance": balance} for rank, count, balance in cursor}


def _owed_of(sums: dict[Status, _Sum]) -> Owed:
    return _owed({status: (each.count, each.balance) for status, each in sums.items()})


def _owed(sums: dict[Status, tuple[int, Decimal]]) -> Owed:
    """From counts and balances by status; of paid ones nothing is owed."""
    overdue_count, overdue_amount = sums.get(Status.OVERDUE, (0, ZERO))
    amount = sum((balance for _, balance in sums.values()), ZERO)
    open_count = sum(count for status, (count, _) in sums.items() if status in OPEN)
    return Owed(amount, open_count, overdue_amount, overdue_count)


def _pieces(wanted: Filter, sort: Sort, counts: dict[Status, int]) -> list[_Piece]:
    """The list as runs that an index holds in order. By status there is one for each, the newest first; by balance those
    that are paid are one of their own, by number."""
    statuses = frozenset(wanted.statuses or counts)
    if sort.key == SortKey.STATUS:
        ordered = [status for status in Status if status in statuses]
        runs = [(frozenset([status]), SortKey.DATE) for status in ordered]
    elif sort.key == SortKey.BALANCE:
        runs = [(statuses - OPEN, SortKey.NUMBER), (statuses & OPEN, SortKey.BALANCE)]
    else:
        runs = [(statuses, sort.key)]
    descending = sort.descending or sort.key == SortKey.STATUS
    return [
        _Piece(some, _COLUMNS[key], descending, sum(counts[status] for status in some))
        for some, key in (reversed(runs) if sort.descending else runs)
    ]


def _cut(pieces: list[_Piece], offset: int, limit: int) -> Iterator[_Piece]:
    """What of each run falls on the page."""
    for piece in pieces:
        taken = min(limit, piece.count - offset)
        if taken > 0:
            yield replace(piece, offset=offset, limit=taken)
        offset, limit = max(0, offset - piece.count), limit - max(0, taken)


def _read(listed: _List, piece: _Piece) -> list[Row]:
    """A run's rows: all that match are read when they are few among many; else an index is read in its order. The counts
    don't tell where a page begins among what is paid and not given up, so there it is walked to."""
    if listed.is_long and (listed.source != ALL or listed.is_few(piece)):
        return _picked(listed, piece)
    is_counted = len(piece.statuses - OPEN) != 1 or not listed.sums[Status.WRITTEN_OFF].count
    if listed.is_long and not listed.wanted.number and piece.columns[0] in place.STEPS and is_counted:
        return _from_place(listed, piece)
    return _from_end(listed, piece)


def _picked(listed: _List, piece: _Piece) -> list[Row]:
    """Found by what the filters ask for, then put into order; without OFFSET 0, it might be along the order's index."""
    few = (
        f"{listed.source} WHERE account_id = %(account_id)s AND {_matching(listed.wanted)} AND {chosen(piece.statuses)}"
    )
    source = f"(SELECT invoice_id, {', '.join(piece.columns)} FROM {few} OFFSET 0) AS few"
    ordered = _ordered(piece.columns, piece.descending)
    statement = _looked_up(f"SELECT invoice_id AS found_id FROM {source} ORDER BY {ordered} {CUT}", ordered)
    return _rows(statement, listed.values | {"offset": piece.offset, "limit": piece.limit}, listed.today)


def _from_place(listed: _List, piece: _Piece) -> list[Row]:
    """Along the index, from where the counts say that the page begins."""
    open_count = sum(each.count for status, each in listed.sums.items() if status in OPEN)
    begin = place.find(piece.columns[0], piece.descending, piece.statuses, listed.values, piece.offset, open_count)
    ordered = _ordered(piece.columns, piece.descending)
    statement = _in_order(piece.statuses, listed.wanted, ordered, CUT, begin.condition)
    cut = {**begin.values, "offset": begin.skipped, "limit": piece.limit}
    return _rows(statement, listed.values | cut, listed.today)


def _from_end(listed: _List, piece: _Piece) -> list[Row]:
    """Along the index, from whichever end of it is nearer."""
    from_end = piece.count - piece.offset - piece.limit
    backwards = from_end < piece.offset
    ordered = _ordered(piece.columns, piece.descending != backwards)
    statement = _in_order(piece.statuses, listed.wanted, ordered, CUT)
    cut = {"offset": from_end if backwards else piece.offset, "limit": piece.limit}
    found = _rows(statement, listed.values | cut, listed.today)
    return found[::-1] if backwards else found


def _rows(statement: str, parameters: dict[str, Any], today: date) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_row(found, today) for found in cursor.fetchall()]


def _in_order(statuses: frozenset[Status], wanted: Filter, order: str, cut: str, more: str = "") -> str:
    """Some rows of a list, found and cut in an index that holds all that is asked for."""
    found = f"account_id = %(account_id)s AND {_matching(wanted)} AND {chosen(statuses)}{more}"
    return _looked_up(f"SELECT invoice_id AS found_id FROM open_balance WHERE {found} ORDER BY {order} {cut}", order)


def _looked_up(found: str, order: str) -> str:
    """The rows of these few ids, each looked up for itself, whatever the search for them was thought to cost."""
    return (
        f"SELECT {SHOWN} FROM ({found}) AS found CROSS JOIN LATERAL"
        " (SELECT * FROM open_balance WHERE account_id = %(account_id)s AND invoice_id = found_id LIMIT 1) AS owed"
        " CROSS JOIN LATERAL"
        " (SELECT kind, currency FROM invoice WHERE account_id = %(account_id)s AND id = found_id LIMIT 1) AS paper"
        f" ORDER BY {order}"
    )


def _all_in_order(wanted: Filter, sort: Sort) -> str:
    """All rows of a list."""
    return (
        f"SELECT {SHOWN} FROM open_balance"
        " JOIN (SELECT id, kind, currency FROM invoice WHERE account_id = %(account_id)s) AS paper ON id = invoice_id"
        f" WHERE account_id = %(account_id)s AND {_matching(wanted)} AND {chosen(wanted.statuses)} ORDER BY {_order(sort)}"
    )


def _matching(wanted: Filter) -> str:
    """The filters that are set, but for the status."""
    dated = days({"issued_from": wanted.issued_from, "issued_until": wanted.issued_until})
    return f"{dated} AND strpos(number, %(number)s) > 0" if wanted.number.strip() else dated


def _order(sort: Sort) -> str:
    if sort.key != SortKey.STATUS:
        return _ordered(_COLUMNS[sort.key], sort.descending)
    return f"{_rank()} {'DESC' if sort.descending else 'ASC'}, issued_on DESC, sequence DESC"


def _ordered(columns: tuple[str, ...], descending: bool) -> str:
    return ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column in columns)


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
    id, number, sequence, total, balance, written_off, issued_on, due_on, grace_until_on, kind, currency = found
    status = status_of(balance, written_off, due_on, grace_until_on, today)
    return Row(id, number, sequence, kind, currency, total, balance, status, issued_on, due_on)
