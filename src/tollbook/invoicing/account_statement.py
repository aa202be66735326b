"""The statement of an account: what it owed before, every invoice, payment and correction of a period, what it owes after.

It is what the books say of `receivable`: posted transfers never change, so the statement of days that are over is kept and
has the same bytes for ever. Days are local days of the account.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.invoicing import kept
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.sheet import Column, Sheet
from tollbook.invoicing.document.typeset import typeset_sheet
from tollbook.invoicing.file import locale_of
from tollbook.invoicing.letterhead import letterhead
from tollbook.invoicing.seller import buyer
from tollbook.invoicing.tables import CreditNote, Invoice, Reduction, Settlement
from tollbook.money.amount import ZERO, to_minor
from tollbook.postgres.named import load

SQL = load(__file__)
LONGEST_DAYS = 366
COLUMNS = (
    Column("Date"), Column("Entry"), Column("Document"), Column("Charged", is_figure=True),
    Column("Paid or credited", is_figure=True), Column("Balance", is_figure=True),
)  # fmt: skip
_CALLED = {
    "invoice": "Invoice",
    "refill": "Refill",
    "settlement": "Payment applied",
    "credit_note": "Credit note",
    "write_off": "Written off",
}


@dataclass(frozen=True, slots=True)
class Moved:
    """What one transfer added to what is owed (below zero: took off), and what is owed after it."""

    on: date
    kind: str
    reference: str
    description: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """A period (both days included) in the account's currency: `opening` + all that moved = `closing`."""

    first_on: date
    last_on: date
    opening: Decimal
    closing: Decimal
    moved: tuple[Moved, ...]


def account_statement(account: Account, first_on: date, last_on: date) -> AccountStatement:
    """What the books say. Reads only. Raises Invalid for days out of order or more than a year of them."""
    if not timedelta(0) <= last_on - first_on < timedelta(days=LONGEST_DAYS):
        raise Invalid("A statement is of at most a year, from its first to its last day.", field="last")
    zone = ZoneInfo(account.timezone)
    starts = {"start": _start(first_on, zone), "end": _start(last_on + timedelta(days=1), zone)}
    with connection.cursor() as cursor:
        cursor.execute(SQL["owed_before"], {"account_id": account.id, **starts})
        opening = balance = cursor.fetchone()[0]
        cursor.execute(SQL["moved"], {"account_id": account.id, **starts})
        rows = cursor.fetchall()
    moved = []
    for posted_at, kind, reference, description, amount in rows:
        balance += amount
        moved.append(Moved(posted_at.astimezone(zone).date(), kind, reference, description, amount, balance))
    return AccountStatement(first_on, last_on, opening, balance, tuple(moved))


def account_statement_pdf(account: Account, first_on: date, last_on: date) -> bytes:
    """The document: kept when its last day is over (kept.of_days says of which days), typeset anew before.

    Any transaction, the portal's included.
    """
    if last_on >= today_in(account):
        return _typeset(account, first_on, last_on)
    return kept.of_days(account, "account_statement", first_on, last_on, lambda: _typeset(account, first_on, last_on))


def _typeset(account: Account, first_on: date, last_on: date) -> bytes:
    return typeset_sheet(_sheet(account, account_statement(account, first_on, last_on)))


def _sheet(account: Account, stated: AccountStatement) -> Sheet:
    locale = locale_of(buyer(account))

    def money(amount: Decimal) -> str:
        return figures.money(to_minor(amount, account.currency), account.currency, locale)

    documents = _documents(account.id, stated.moved)
    charged = sum((one.amount for one in stated.moved if one.amount > 0), ZERO)
    rows = [_row(one, documents.get((one.kind, one.reference), ""), locale, money) for one in stated.moved]
    return Sheet(
        kind="Account statement",
        number=figures.span(stated.first_on, stated.last_on, locale),
        made_on=stated.last_on,
        facts=(
            ("Period", figures.span(stated.first_on, stated.last_on, locale)),
            ("Opening balance", money(stated.opening)),
            ("Charged", money(charged)),
            ("Paid or credited", money(stated.opening + charged - stated.closing)),
        ),
        headline=("Balance", money(stated.closing), account.currency),
        columns=COLUMNS,
        rows=tuple(rows),
        sums=(("Opening balance", money(stated.opening)), ("Closing balance", money(stated.closing))),
        empty="Nothing moved in this period.",
        **letterhead(account),
    )


def _row(one: Moved, document: str, locale: str, money: Callable[[Decimal], str]) -> tuple[str, ...]:
    what = _CALLED.get(one.kind) or one.description or one.kind.replace("_", " ").capitalize()
    charged, paid = (money(one.amount), "") if one.amount > 0 else ("", money(-one.amount))
    return figures.day(one.on, locale), what, document, charged, paid, money(one.balance)


def _documents(account_id: UUID, moved: Sequence[Moved]) -> dict[tuple[str, str], str]:
    """The number of the document behind each cause, where there is one."""
    named: dict[str, list[str]] = {}
    for one in moved:
        named.setdefault(one.kind, []).append(one.reference)
    mine = Invoice.objects.filter(account_id=account_id)
    by_id = {
        str(id): number for id, number in mine.filter(id__in=_ids(named.get("invoice"))).values_list("id", "number")
    }
    refills = mine.filter(kind="refill", cause__in=named.get("refill", ())).values_list("cause", "number")
    found = {("invoice", id): number for id, number in by_id.items()} | {("refill", cause): n for cause, n in refills}
    for kind, model in (("settlement", Settlement), ("write_off", Reduction)):
        rows = model.objects.filter(account_id=account_id, id__in=_ids(named.get(kind))).values_list("id", "invoice_id")
        numbers = dict(mine.filter(id__in={invoice_id for _, invoice_id in rows}).values_list("id", "number"))
        found |= {(kind, str(id)): numbers[invoice_id] for id, invoice_id in rows}
    notes = CreditNote.objects.filter(account_id=account_id, id__in=_ids(named.get("credit_note")))
    return found | {("credit_note", str(id)): number for id, number in notes.values_list("id", "number")}


def _ids(references: Iterable[str] | None) -> list[UUID]:
    found = []
    for reference in references or ():
        try:
            found.append(UUID(reference))
        except ValueError:
            continue
    return found


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
