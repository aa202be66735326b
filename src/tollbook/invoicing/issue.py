"""Issue invoices: tax them, copy what is printed, post to the books, draw the next numbers, all in the caller's transaction.

Numbers are dense and unique per (seller, series), whatever crashes or rolls back (PrestaShop #28757, hitobito #4005).
One invoice or a thousand is the same few statements: what needs no number goes first, so that the series' lock, which is
everybody's, is held for the last of them only. A line's `cause` is billed once per account, by a unique key.
An invoice whose total is zero is allowed (a period may consist of free components): it is Paid at birth, and the books
don't mention it. One below zero is not: that would be a credit note.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.db import IntegrityError

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.invoicing import deferral, tally
from tollbook.invoicing.seller import Seller, buyer, sellers
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.invoicing.tax import NOT_TAXED, Buyer, Source, Sums, Treatment, buyer_of, rules, sums
from tollbook.ledger.post import Movement, Posting, Side, post_all
from tollbook.money.amount import HUNDRED, ZERO, to_micro, to_minor
from tollbook.money.period import Period
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute

SQL = load(__file__)
TAX = "tax"
"""The account of the books that tax is owed on."""

Treatments = Mapping[tuple[Buyer, str], Treatment]


class AlreadyIssued(Conflict):
    """This cause has its invoice, or its line; the transaction must be rolled back, so that no number is lost."""

    code = "already_issued"


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line to be printed. `amount` has the currency's minor unit and is printed as it is; `unit_price` up to 6 places.

    `revenue_code` is the account of the books that it is credited to (`revenue:recurring`, `wallet:sms:paid`). `cause`
    names what it bills, once for ever; empty for what nothing but a person asks for. `tax_code` is its category of tax.
    `service_from` and `service_until` (both included) are the days it pays for; None is earned at once.
    With `taxed_as` it bears the tax of what it gives back, whatever applies today.
    """

    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    revenue_code: str
    subscription_id: UUID | None = None
    tax_code: str = ""
    service_from: date | None = None
    service_until: date | None = None
    cause: str = ""
    taxed_as: Treatment | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be issued. (`kind`, an InvoiceKind, and `cause`) is invoiced once per account. Days are the account's.

    `due_on` is by default `issued_on` and the account's terms. `payment_note` ("Paid on Nov 3, 2026 by Visa ending 4242") is
    for an invoice that the same transaction settles in full, and is what its PDF prints instead of a due date. `notes` and
    `po_number` are by default the seller's and the account's.
    """

    kind: str
    cause: str
    issued_on: date
    lines: Sequence[DraftLine]
    due_on: date | None = None
    period: Period | None = None
    payment_note: str = ""
    actor: str = ""
    notes: str = ""
    po_number: str = ""


class _Row(msgspec.Struct):
    """An invoice on its way into the database, and what stands beside it."""

    account_id: UUID
    id: UUID
    seller_code: str
    series: str
    kind: str
    cause: str
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    issued_on: date
    due_on: date
    grace_until_on: date
    period_start_on: date | None
    period_end_on: date | None
    buyer: dict[str, Any]
    po_number: str
    payment_note: str
    notes: str
    tax_note: str
    recipients: list[str]
    issued_by: str
    sequence: int = 0
    number: str = ""


class _Line(msgspec.Struct):
    """One of its lines."""

    account_id: UUID
    invoice_id: UUID
    position: int
    description: str
    detail: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    revenue_code: str
    subscription_id: UUID | None
    tax_code: str
    tax_category: str
    tax_rate: Decimal
    tax_label: str
    tax: Decimal
    service_from: date | None
    service_until: date | None
    cause: str


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued, in few words. `total` in `currency`."""

    account_id: UUID
    id: UUID
    number: str
    total: Decimal
    currency: str


def issue(account: Account, draft: Draft) -> Invoice:
    """Issue the invoice that `draft` describes, in the account's currency; the answer is as stored.

    Transaction: the caller's, required. Locks: the number series' row, until the transaction ends, and everybody who
    issues waits for it: lock and post everything else before this call (wallets first, then numbers), and commit soon.
    Posts Dr receivable, Cr each line's account (deferred when it has service days) and tax; for a refill nothing, because
    `wallets.credit.fund` posts it.
    Raises AlreadyIssued (roll back) and Invalid for lines that can't be printed.
    """
    [made] = issue_all([(account, draft)])
    return Invoice.objects.get(account_id=account.id, id=made.id)


def issue_all(papers: Sequence[tuple[Account, Draft]], source: Source | None = None) -> list[Issued]:
    """The same for many, of any accounts, in the same few statements; numbers follow the order given in each series.

    Transaction, locks and errors as `issue`; series are locked in the order of their names.
    """
    by_code = sellers({account.seller_code for account, _ in papers})
    treated = treatments(papers, by_code, source or rules())
    rows, lines, postings = [], [], []
    for account, draft in papers:
        seller = by_code[account.seller_code]
        treats = [_treatment(account, draft, line, seller, treated) for line in draft.lines]
        summed = _checked(account.currency, draft.lines, treats)
        row = _row(account, draft, seller, summed, treats)
        rows.append(row)
        lines += _lines(row, draft.lines, treats, summed)
        postings += _postings(account, row, draft, summed)
    _refuse_known(rows)
    if postings:
        post_all(postings)
    deferral.begin(_deferred(rows, lines))
    try:
        execute(SQL["insert_lines"], {"lines": as_json(lines)})
        _number(rows)
        execute(SQL["insert_invoices"], {"invoices": as_json(rows), "sellers": as_json(_printed(by_code))})
        tally.count([tally.Change(row.account_id, row.id) for row in rows])
    except IntegrityError as error:
        if any(name in str(error) for name in ("invoice_cause_once", "invoice_line_cause_once")):
            raise AlreadyIssued("This has been invoiced already.") from error
        raise
    return [Issued(row.account_id, row.id, row.number, row.total, row.currency) for row in rows]


def taxed(account: Account, draft: Draft) -> Sums:
    """What a draft would come to with today's rules of tax. Reads only. Raises Invalid for lines that can't be printed."""
    return _checked(account.currency, draft.lines, _treats(account, draft, rules()))


def comes_to(account: Account, draft: Draft, source: Source) -> Decimal:
    """The total of a draft with its tax, which may be below zero: then it can't be issued. Reads only."""
    treats = _treats(account, draft, source)
    return sums([(line.amount, treat) for line, treat in zip(draft.lines, treats, strict=True)], account.currency).total


def treatments(
    papers: Sequence[tuple[Account, Draft]], by_code: Mapping[str, Seller], source: Source
) -> dict[tuple[date, Buyer, str], Treatment]:
    """How the lines of these drafts are taxed; asks the source once for each day on them."""
    wanted: dict[date, set[tuple[Buyer, str]]] = defaultdict(set)
    for account, draft in papers:
        if draft.kind != InvoiceKind.REFILL:
            buying = buyer_of(account, by_code[account.seller_code].country)
            wanted[draft.issued_on] |= {(buying, code) for code in {line.tax_code for line in draft.lines}}
    return {
        (day, *one): treatment
        for day, asked in wanted.items()
        for one, treatment in source.treatments(asked, day).items()
    }


def number_of(series: str, sequence: int) -> str:
    """How a number is written: `INV-000132`."""
    return f"{series}-{sequence:06d}"


def draw(counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Draw a block of numbers of each (seller, series); answers the first one of each.

    Transaction: the caller's, required. Locks each series' row until it ends, in the order of their names.
    """
    first = {}
    for (seller_code, series), count in sorted(counts.items()):
        values = {"seller_code": seller_code, "series": series, "count": count}
        first[seller_code, series] = _one(execute(SQL["draw_numbers"], values)) - count + 1
    return first


def _treats(account: Account, draft: Draft, source: Source) -> list[Treatment]:
    by_code = sellers([account.seller_code])
    treated = treatments([(account, draft)], by_code, source)
    return [_treatment(account, draft, line, by_code[account.seller_code], treated) for line in draft.lines]


def _treatment(
    account: Account, draft: Draft, line: DraftLine, seller: Seller, treated: Mapping[tuple[date, Buyer, str], Treatment]
) -> Treatment:
    """Bought credit isn't taxed: what it will be spent on isn't known yet."""
    if draft.kind == InvoiceKind.REFILL:
        return NOT_TAXED
    return line.taxed_as or treated[draft.issued_on, buyer_of(account, seller.country), line.tax_code]


def _checked(currency: str, lines: Sequence[DraftLine], treats: Sequence[Treatment]) -> Sums:
    if not lines:
        raise Invalid("An invoice has at least one line.", field="lines")
    for line in lines:
        if not line.amount.is_finite() or to_minor(line.amount, currency) != line.amount:
            raise Invalid(f"“{line.description}”: {line.amount} is finer than {currency} can be paid.", field="lines")
    made = sums([(line.amount, treatment) for line, treatment in zip(lines, treats, strict=True)], currency)
    if made.total < 0:
        raise Invalid(f"An invoice can't come to {made.total}; that would be a credit note.", field="lines")
    return made


def _row(account: Account, draft: Draft, seller: Seller, summed: Sums, treats: Sequence[Treatment]) -> _Row:
    due_on = draft.due_on or draft.issued_on + timedelta(days=account.terms_days)
    if due_on < draft.issued_on:
        raise Invalid("An invoice can't be due before it is issued.", field="due_on")
    return _Row(
        account_id=account.id,
        id=new_id(),
        seller_code=seller.code,
        series=seller.series_of(draft.issued_on),
        kind=str(draft.kind),
        cause=draft.cause,
        currency=account.currency,
        subtotal=summed.subtotal,
        tax=summed.tax,
        total=summed.total,
        issued_on=draft.issued_on,
        due_on=due_on,
        grace_until_on=due_on + timedelta(days=account.grace_days),
        period_start_on=draft.period.start_on if draft.period else None,
        period_end_on=draft.period.end_on if draft.period else None,
        buyer=buyer(account),
        po_number=draft.po_number or account.po_number,
        payment_note=draft.payment_note,
        notes=draft.notes or seller.notes,
        tax_note=" ".join(dict.fromkeys(treatment.note for treatment in treats if treatment.note))[:300],
        recipients=account.recipients,
        issued_by=draft.actor,
    )


def _lines(row: _Row, lines: Sequence[DraftLine], treats: Sequence[Treatment], summed: Sums) -> list[_Line]:
    return [
        _Line(
            row.account_id, row.id, position, line.description, line.detail, line.quantity,
            _unit_price(line, treatment), share.net, line.revenue_code, line.subscription_id,
            line.tax_code, treatment.category, treatment.rate, treatment.label, share.tax,
            line.service_from, line.service_until, line.cause,
        )
        for position, (line, treatment, share) in enumerate(zip(lines, treats, summed.shares, strict=True), 1)
    ]  # fmt: skip


def _unit_price(line: DraftLine, treatment: Treatment) -> Decimal:
    """Prices on documents are net, as their amounts."""
    if not treatment.is_inclusive or not treatment.rate:
        return line.unit_price
    return to_micro(line.unit_price * HUNDRED / (HUNDRED + treatment.rate))


def _postings(account: Account, row: _Row, draft: Draft, summed: Sums) -> list[Posting]:
    if draft.kind == InvoiceKind.REFILL:
        return []
    credits: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line, share in zip(draft.lines, summed.shares, strict=True):
        credits[deferral.posted_to(line.revenue_code, line.service_from)] += share.net
    credits[TAX] += summed.tax
    sides = [Side("receivable", row.total), *(Side(code, -amount) for code, amount in sorted(credits.items()))]
    moving = [side for side in sides if side.amount]
    if not moving:
        return []
    description = f"{InvoiceKind(draft.kind).label} invoice of {draft.issued_on:%d %b %Y}"
    movement = Movement(new_id(), "invoice", str(row.id), moving, description, draft.actor)
    return [Posting(account.id, account.currency, movement)]


def _deferred(rows: Sequence[_Row], lines: Sequence[_Line]) -> Iterator[deferral.Deferred]:
    currencies = {row.id: row.currency for row in rows}
    for line in lines:
        code = deferral.posted_to(line.revenue_code, line.service_from)
        if code != line.revenue_code and line.service_from and line.service_until:
            yield deferral.Deferred(
                line.account_id, line.invoice_id, code, currencies[line.invoice_id], line.service_from, line.service_until,
                line.amount,
            )  # fmt: skip


def _refuse_known(rows: Sequence[_Row]) -> None:
    wanted = {
        "account_ids": [row.account_id for row in rows],
        "kinds": [row.kind for row in rows],
        "causes": [row.cause for row in rows],
    }
    if _one(execute(SQL["is_issued"], wanted)):
        raise AlreadyIssued("This has been invoiced already.")


def _number(rows: Sequence[_Row]) -> None:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        counts[row.seller_code, row.series] += 1
    following = draw(counts)
    for row in rows:
        row.sequence = following[row.seller_code, row.series]
        row.number = number_of(row.series, row.sequence)
        following[row.seller_code, row.series] += 1


def _printed(by_code: Mapping[str, Seller]) -> list[dict[str, Any]]:
    return [{"code": code, "printed": seller.printed} for code, seller in sorted(by_code.items())]


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    """The one value that a statement answers."""
    [value] = cursor.fetchone() or [None]
    return value
