"""Revenue of days to come is deferred: a fee for November is earned day by day, not when it is invoiced.

A line with service days is credited to `deferred:recurring` instead of `revenue:recurring` when its invoice is issued; lines
without are revenue at once. Each day moves its part from the one to the other, as the day begins (UTC). The part is that of
the running sum: after k of n days, k/n of the amount is recognised, rounded to the currency's minor unit, so that no cent is
lost and the last day makes it whole. An invoice that comes after its first service days recognises these on the day it is
posted. A credit note takes back what is still deferred first, and only then what was recognised; what remains is spread over
the days that are left.

`deferral` has a row for each invoice, account of the books and stretch of days. The sum of what is left in the rows is what
`deferred:*` stands at; `tollbook audit` proves it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from threading import Event
from uuid import UUID

import msgspec

from tollbook.ledger.post import Movement, Posting, Side, post_all
from tollbook.money.amount import MINOR_PLACES, ZERO
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
REVENUE, DEFERRED = "revenue:", "deferred:"
AT_ONCE = 1_000
"""Rows that are looked at together; their accounts are recognised in one transaction."""


class Deferred(msgspec.Struct):
    """What an invoice credits to `code` (`deferred:recurring`) for these days, both included; below zero for discounts."""

    account_id: UUID
    invoice_id: UUID
    code: str
    currency: str
    service_from: date
    service_until: date
    total: Decimal


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A line, or a part of it, that a credit note takes back: what its invoice credited, with its sign, net of tax."""

    revenue_code: str
    service_from: date | None
    service_until: date | None
    amount: Decimal


def posted_to(revenue_code: str, service_from: date | None) -> str:
    """The account of the books that a line is credited to when it is issued."""
    if service_from is None or not revenue_code.startswith(REVENUE):
        return revenue_code
    return DEFERRED + revenue_code.removeprefix(REVENUE)


def earned_as(code: str) -> str:
    """The account that a deferred one is recognised on."""
    return REVENUE + code.removeprefix(DEFERRED)


def begin(rows: Iterable[Deferred]) -> None:
    """Note what invoices defer; rows of the same invoice, code and days are added up.

    Transaction: the caller's, the one that posts the invoices. No locks.
    """
    sums: dict[tuple[UUID, UUID, str, str, date, date], Decimal] = defaultdict(lambda: ZERO)
    for row in rows:
        sums[row.account_id, row.invoice_id, row.code, row.currency, row.service_from, row.service_until] += row.total
    whole = [Deferred(*key, total) for key, total in sums.items() if total]
    if whole:
        execute(SQL["begin"], {"rows": as_json(whole)})


def take_back(account_id: UUID, invoice_id: UUID, lines: Sequence[TakenBack]) -> dict[str, Decimal]:
    """What a credit note debits, by account of the books: what is still deferred first, then what was recognised.

    Transaction: the caller's, which posts it. Locks: what the invoice deferred, after the account's row.
    """
    debits: dict[str, Decimal] = defaultdict(lambda: ZERO)
    wanted: dict[tuple[str, date, date], Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        code = posted_to(line.revenue_code, line.service_from)
        if code == line.revenue_code or line.service_from is None or line.service_until is None:
            debits[line.revenue_code] += line.amount
        else:
            wanted[code, line.service_from, line.service_until] += line.amount
    left = _left(account_id, invoice_id) if wanted else {}
    for (code, since, until), amount in wanted.items():
        part = _part(amount, left.get((code, since, until), ZERO))
        if part:
            where = {"account_id": account_id, "invoice_id": invoice_id, "code": code}
            execute(SQL["credit"], where | {"service_from": since, "service_until": until, "amount": part})
        debits[code] += part
        debits[earned_as(code)] += amount - part
    return {code: amount for code, amount in sorted(debits.items()) if amount}


def recognise_due(stop: Event | None = None, today: date | None = None) -> int:
    """Recognise every day up to `today` (UTC) that was not yet, the oldest first; answers how many accounts' days it did.

    A transaction for each thousand rows; locks them in order of account and invoice. Safe to run twice at once.
    """
    today = today or datetime.now(UTC).date()
    done = 0
    day = first = _first_day()
    while first is not None and day is not None and day <= today and not (stop and stop.is_set()):
        done += _recognise_day(day, stop)
        day += timedelta(days=1)
    return done


def _first_day() -> date | None:
    row = execute(SQL["first_day"]).fetchone()
    return row[0] if row else None


def _recognise_day(day: date, stop: Event | None) -> int:
    after, done = UUID(int=0), 0
    while not (stop and stop.is_set()):
        rows = execute(SQL["accounts"], {"day": day, "after": after, "rows": AT_ONCE}).fetchall()
        if not rows:
            break
        account_ids = [row[0] for row in rows]
        done += in_transaction(lambda ids=account_ids: _recognise(day, ids))  # type: ignore[misc]
        after = account_ids[-1]
    return done


def _recognise(day: date, account_ids: Sequence[UUID]) -> int:
    wanted = {"day": day, "account_ids": list(account_ids), "places": as_json(MINOR_PLACES)}
    added = execute(SQL["recognise"], wanted).fetchall()
    postings = []
    for (account_id, currency), rows in groupby(added, key=lambda row: (row[0], row[1])):
        sides = [
            side
            for _, _, code, amount in rows
            for side in (Side(code, amount), Side(earned_as(code), -amount))
        ]
        id = new_id()
        movement = Movement(id, "recognition", f"{day}:{id}", sides, f"Earned on {day:%d %b %Y}")
        postings.append(Posting(account_id, currency, movement))
    if postings:
        post_all(postings)
    return len(postings)


def _left(account_id: UUID, invoice_id: UUID) -> dict[tuple[str, date, date], Decimal]:
    rows = execute(SQL["lock"], {"account_id": account_id, "invoice_id": invoice_id}).fetchall()
    return {(code, since, until): left for code, since, until, left in rows}


def _part(amount: Decimal, left: Decimal) -> Decimal:
    """As much of `amount` as is left, when both go the same way."""
    if amount * left <= 0:
        return ZERO
    return amount if abs(amount) <= abs(left) else left
