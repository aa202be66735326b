"""A part of a number looked for among a million: as ranges of the sequence, instead of by reading every number.

`INV-004217` is `INV-` and the sequence 4217 in six digits or more. Digits that stand at one place in it are a stretch of
sequences for each value of what stands before them, so four digits among a million are some hundred stretches.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from tollbook.invoicing.place import BLOCK

MOST_RANGES = 15_000
"""More are slower than reading all numbers."""

PADDED = 6
"""Digits that a number has at least (issue.number_of)."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to read instead of `open_balance`, as SQL; whether all numbers have the part that is looked for."""

    source: str = "open_balance"
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Sequences in which digits stand at one place: `follow` digits behind them; from `first` on, and `again` times more,
    each `span` behind the one before."""

    follow: int
    first: int
    span: int
    again: int


_NOWHERE = _Stretches(0, 0, 0, -1)


def plan(account_id: UUID, part: str) -> Search:
    """How to look for `part`, in capitals, in an account's numbers. Rows still have to be asked whether they have it."""
    prefixes, top = _known(account_id)
    having = [part in prefix for prefix in prefixes]
    if any(having):
        return Search(is_all=all(having))
    match = re.fullmatch(r"(.*-)?([0-9]{1,18})", part)
    head, digits = match.groups(default="") if match else ("", "")
    if not digits or not any(prefix.endswith(head) for prefix in prefixes):
        return Search(_source([_NOWHERE], part))
    stretches = list(_anchored(digits, top) if head else _anywhere(digits, top))
    if not stretches:  # more digits than any number has
        return Search(_source([_NOWHERE], part))
    if sum(one.again + 1 for one in stretches) > MOST_RANGES:
        return Search()
    return Search(_source(stretches, part))


def _known(account_id: UUID) -> tuple[list[str], int]:
    """What the account's numbers begin with, and a sequence that none of them is above."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prefix, max(block) FROM history_day WHERE account_id = %s GROUP BY prefix", [account_id])
        found = cursor.fetchall()
    return [prefix for prefix, _ in found], (max((block for _, block in found), default=0) + 1) * BLOCK - 1


def _anywhere(digits: str, top: int) -> Iterator[_Stretches]:
    """Wherever digits may stand."""
    for follow in range(max(PADDED, len(str(top))) - len(digits) + 1):
        span = 10 ** (follow + len(digits))
        yield _Stretches(follow, int(digits) * 10**follow, span, top // span)


def _anchored(digits: str, top: int) -> Iterator[_Stretches]:
    """The same of the first digits of a sequence."""
    for length in range(max(PADDED, len(digits)), max(PADDED, len(str(top))) + 1):
        follow = length - len(digits)
        yield _Stretches(follow, int(digits) * 10**follow, 1, 0)


def _source(stretches: list[_Stretches], part: str) -> str:
    """Rows of these stretches, each once: where its number has `part` first. All that is written here are numbers.

    OFFSET 0 keeps PostgreSQL from reading all rows to compare them with the stretches.
    """
    values = ", ".join(f"({one.follow}, {one.first}, {10**one.follow}, {one.span}, {one.again})" for one in stretches)
    first = "first::bigint + nth * span::bigint"
    return (
        f"(SELECT found.* FROM (VALUES {values}) AS stretch (follow, first, width, span, again)"
        " CROSS JOIN LATERAL generate_series(0, again::bigint) AS nth"
        " CROSS JOIN LATERAL (SELECT * FROM open_balance WHERE account_id = %(account_id)s"
        f" AND sequence BETWEEN {first} AND {first} + width::bigint - 1 OFFSET 0) AS found"
        f" WHERE length(number) - strpos(number, %(number)s) - {len(part) - 1} = follow) AS open_balance"
    )
