"""Where in a long list a page begins, found in the counts of it instead of by walking there.

A list in the order of an index is a row of steps: the invoices of a day and block of numbers, of a block, or of about an
amount. The counts say in which step the page begins and how many rows of that step come before it; from there on, the
index is read.
"""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from tollbook.invoicing.status import OWED, Status, condition

BLOCK = 1_000
"""Numbers of a block, as `tally.sql` counts them."""

OPEN = frozenset(OWED)

COUNTED = "history_day CROSS JOIN (SELECT 0 AS written_off) AS unknown"
"""Where invoices are counted: what was given up is counted as paid, and told apart by its rows (history.py)."""

STEPS = {"issued_on": ("issued_on", "block"), "sequence": ("block",), "size": ("size",)}
"""What the steps of each order are told apart by, by the first column of the order."""


@dataclass(frozen=True, slots=True)
class Place:
    """A condition (` AND ...`) on `open_balance` with its values, and how many of its rows come before the page."""

    condition: str
    values: Mapping[str, Any]
    skipped: int


def find(
    column: str, descending: bool, statuses: frozenset[Status], values: Mapping[str, Any], offset: int, open_count: int
) -> Place:
    """Where the row behind the first `offset` stands, in the order of `column` and then of the sequence.

    `values` has account_id, today, issued_from and issued_until; there are `open_count` invoices in all that are owed on.
    """
    source = _amounts(statuses, values, open_count) if column == "size" else _days(statuses, values)
    keys, direction = STEPS[column], "DESC" if descending else "ASC"
    statement = (
        f"SELECT {', '.join(keys)}, %(offset)s - (upto - here) FROM ("
        f"SELECT {', '.join(keys)}, sum(count) AS here,"
        f" sum(sum(count)) OVER (ORDER BY {', '.join(f'{key} {direction}' for key in keys)}) AS upto"
        f" FROM ({source}) AS counted GROUP BY {', '.join(keys)}) AS steps"
        " WHERE upto > %(offset)s AND here > 0 ORDER BY upto LIMIT 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, **_months(values), "offset": offset})
        found = cursor.fetchone()
    if found is None:  # less was counted meanwhile
        return Place("", {}, offset)
    *step, skipped = found
    sign = "<=" if descending else ">="
    if column == "size":
        return Place(f" AND size {sign} %(step)s", {"step": step[0]}, int(skipped))
    edge = step[-1] * BLOCK + (BLOCK - 1 if descending else 0)
    if column == "sequence":
        return Place(f" AND sequence {sign} %(edge)s", {"edge": edge}, int(skipped))
    return Place(
        f" AND (issued_on, sequence) {sign} (%(step)s::date, %(edge)s)", {"step": step[0], "edge": edge}, int(skipped)
    )


def days(values: Mapping[str, Any]) -> str:
    """The filter by day of issue, as SQL."""
    parts = (
        ("issued_on >= %(issued_from)s::date", "issued_from"),
        ("issued_on <= %(issued_until)s::date", "issued_until"),
    )
    return " AND ".join(part for part, name in parts if values[name]) or "TRUE"


def chosen(statuses: frozenset[Status]) -> str:
    """The filter by status, as SQL on what decides about it; none is all."""
    if not statuses or statuses == set(Status):
        return "TRUE"
    return "balance > 0" if statuses == OPEN else f"({condition(sorted(statuses))})"


def _days(statuses: frozenset[Status], values: Mapping[str, Any]) -> str:
    return (
        f"SELECT issued_on, block, count FROM {COUNTED}"
        f" WHERE account_id = %(account_id)s AND {days(values)} AND {chosen(statuses)}"
    )


def _amounts(statuses: frozenset[Status], values: Mapping[str, Any], open_count: int) -> str:
    """Counts by amount know months, and open from paid. The days beside whole months are counted from the rows, and so are
    invoices of a part of the open statuses: these, or the others of them to be taken off, whichever are fewer."""
    statuses = statuses or frozenset(Status)
    wanted = statuses & OPEN
    few = wanted and wanted != OPEN and _count(wanted, values) * 2 <= open_count
    kinds = [name for name, given in (("FALSE", Status.PAID in statuses), ("TRUE", wanted and not few)) if given]
    months = "month_on >= %(first)s AND month_on < %(behind)s"
    parts = [
        f"SELECT size, count FROM history_size WHERE account_id = %(account_id)s AND {months}"
        f" AND is_open IN ({', '.join(kinds) or 'NULL'})"
    ]
    if wanted and wanted != OPEN:
        partly = wanted if few else OPEN - wanted
        whole = "issued_on >= %(first)s AND issued_on < %(behind)s"
        parts.append(_rows(f"balance > 0 AND {chosen(partly)} AND {whole}", 1 if few else -1))
    for edge, name in (("issued_on < %(first)s", "issued_from"), ("issued_on >= %(behind)s", "issued_until")):
        if values[name]:
            parts.append(_rows(f"{days(values)} AND {edge} AND {chosen(statuses)}", 1))
    return " UNION ALL ".join(parts)


def _rows(where: str, sign: int) -> str:
    return (
        f"SELECT size, {sign} * count(*) FROM open_balance WHERE account_id = %(account_id)s AND {where} GROUP BY size"
    )


def _count(statuses: frozenset[Status], values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum(count), 0) FROM {COUNTED} WHERE account_id = %(account_id)s AND {chosen(statuses)}",
            values,
        )
        return int(cursor.fetchone()[0])


def _months(values: Mapping[str, Any]) -> dict[str, date]:
    """The whole months that lie in the days asked for: from the first day of `first`, before that of `behind`."""
    since, until = values["issued_from"], values["issued_until"]
    first = date.min if since is None else since if since.day == 1 else _next_month(since)
    behind = date.max if until is None else until.replace(day=1)
    if until and until.day == monthrange(until.year, until.month)[1]:
        behind = _next_month(until)
    return {"first": first, "behind": max(first, behind)}


def _next_month(day: date) -> date:
    if (day.year, day.month) == (date.max.year, date.max.month):
        return date.max
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
