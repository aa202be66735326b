"""Reports as lines of a file: a header, and rows of plain values that `web.sheets` or any CSV writer takes.

QuickBooks Online's import of journal entries wants a journal number, a date as month/day/year, the account's name and a
debit or a credit; Xero's import of manual journals wants a narration, a date as day/month/year, the account's code, the
name of a tax rate and a signed amount. Both refuse entries on their own receivable account without a customer, and
Tollbook is the sub-ledger: give `receivable` a control account of its own (docs/reports.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from datetime import UTC, date
from decimal import Decimal

from tollbook.reports.aging import BUCKETS, Aging
from tollbook.reports.journal import Journal, Line
from tollbook.reports.revenue import Day, Revenue
from tollbook.reports.rollforward import Moves, Rollforward

Value = str | int | Decimal | date | None
Rows = Iterable[Sequence[Value]]
File = tuple[Sequence[str], Rows]

ENTRIES = (
    "entry_id", "transfer_id", "line", "posted_at", "day", "account", "customer", "kind", "document", "reference",
    "description", "ledger_account", "currency", "debit", "credit", "posted_by",
)  # fmt: skip
QUICKBOOKS = ("Journal No", "Journal Date", "Account Name", "Debits", "Credits", "Description", "Name", "Currency")
XERO = ("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount")
OPEN = ("as_of", "account", "customer", "invoice", "issued_on", "due_on", "days_past_due", "bucket", "currency", "open")
DAYS = ("journal_id", "day", "account", "currency", "debit", "credit")


def of_entries(lines: Iterable[Line]) -> File:
    """Every entry on a line, with its id, six places."""
    return ENTRIES, (_entry(line) for line in lines)


def of_journals(journals: Iterable[Journal]) -> File:
    """Daily journals, plainly."""
    return DAYS, (
        (one.id, one.day, named.account, one.currency, *_sides(amount))
        for one in journals
        for named, amount in one.amounts.items()
    )


def of_quickbooks(journals: Iterable[Journal]) -> File:
    """Daily journals as QuickBooks Online imports them."""
    return QUICKBOOKS, (
        (one.id, f"{one.day:%m/%d/%Y}", named.account, *_sides(amount), f"Tollbook {one.day}", "", one.currency)
        for one in journals
        for named, amount in one.amounts.items()
    )


def of_xero(journals: Iterable[Journal]) -> File:
    """Daily journals as Xero imports them; a file takes one currency, the organisation's."""
    return XERO, (
        (f"Tollbook {one.id}", f"{one.day:%d/%m/%Y}", f"{one.id} {named.account}", named.account, named.tax, amount)
        for one in journals
        for named, amount in one.amounts.items()
    )


def of_rollforward(report: Rollforward) -> File:
    """Each credit type's purse on a line, exact; what takes away is below zero."""
    moves = [one.name for one in fields(Moves)]
    return ("from", "to", "account", "credit_type", "purse", "currency", *moves), (
        (report.days.since, report.days.until, row.slug, row.type_code, row.purse, row.currency, *astuple(row.moves))
        for row in report.rows
    )


def of_aging(report: Aging) -> File:
    """Each open invoice on a line, with its bucket."""
    return OPEN, (
        (report.day, one.slug, one.name, one.number, one.issued_on, one.due_on, one.days_past, BUCKETS[one.bucket],
         one.currency, one.amount)
        for one in report.invoices
    )  # fmt: skip


def of_revenue(report: Revenue) -> File:
    """Each day of each currency on a line; what takes away is below zero."""
    return [one.name for one in fields(Day)], (astuple(row) for row in report.rows)


def _entry(line: Line) -> Sequence[Value]:
    at = line.posted_at.astimezone(UTC)
    return (
        line.id, str(line.transfer_id), line.position, f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", at.date(), line.slug, line.name,
        line.kind, line.document, line.reference, line.description, line.code, line.currency, *_sides(line.amount),
        line.actor,
    )  # fmt: skip


def _sides(amount: Decimal) -> Iterator[Decimal | None]:
    """Debit and credit, one of them empty."""
    yield amount if amount > 0 else None
    yield -amount if amount < 0 else None
