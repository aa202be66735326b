"""Correct an issued invoice: by a credit note, in whole or in part, line by line, and in no other way.

A credit note takes back what its lines say, with the tax that they bore at the rate they bore it, and never more of a line
than is left of it: of a period that days were given back of, not more than these have left (given_back.py). Its total comes
off what is owed on the invoice. What of that was paid already must have been taken
back from the invoice first (`corrections.correct` does, and makes it credit of the account).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q, Sum

from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing import deferral, tally
from tollbook.invoicing.given_back import Stretch, standing, stretch_of
from tollbook.invoicing.issue import TAX, draw, number_of
from tollbook.invoicing.seller import sellers
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    OpenBalance,
    Reduction,
    ReductionKind,
)
from tollbook.invoicing.tax import credited
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO, to_minor
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)


_COPIED = (
    "description", "revenue_code", "tax_code", "tax_category", "tax_rate", "tax_label", "service_from", "service_until",
)  # fmt: skip


class NothingLeft(Conflict):
    """The invoice is credited in whole already."""

    code = "nothing_left"


class Place(NamedTuple):
    """Where a credit note stands among an account's, by time."""

    issued_at: datetime
    id: UUID

    @classmethod
    def read(cls, text: str) -> "Place":
        """From what `str` made of it. Raises ValueError."""
        at, _, id = text.partition(" ")
        return cls(datetime.fromisoformat(at), UUID(id))

    def __str__(self) -> str:
        return f"{self.issued_at.isoformat()} {self.id}"


@dataclass(frozen=True, slots=True)
class Left:
    """A line of an invoice and what of it can still be credited: `net`, and the `tax` on that; `gone` was credited, net."""

    line: InvoiceLine
    net: Decimal
    tax: Decimal
    gone: Decimal = ZERO

    @property
    def gross(self) -> Decimal:
        """What crediting the rest of the line comes to."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class Taken:
    """What is credited of one line: with the line's sign, in the document's currency and minor unit."""

    line: InvoiceLine
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Correction:
    """A credit note to be: what it takes of which lines, and why. `issued_on` is the account's local day."""

    taken: Sequence[Taken]
    reason: str
    issued_on: date
    actor: str = ""

    @property
    def total(self) -> Decimal:
        """What comes off the invoice."""
        return sum((one.net + one.tax for one in self.taken), ZERO)


def left(invoice: Invoice) -> list[Left]:
    """What is left of each line of an invoice, by position. Reads only."""
    mine = {"account_id": invoice.account_id, "invoice_id": invoice.id}
    sums = CreditNoteLine.objects.filter(**mine).values_list("invoice_position").annotate(net=Sum("amount"), t=Sum("tax"))
    gone = {position: (net, tax) for position, net, tax in sums}
    lines = InvoiceLine.objects.filter(**mine).order_by("position")
    rest = [_left(line, *gone.get(line.position, (ZERO, ZERO))) for line in lines]
    return _limited(rest, _most(rest), invoice.currency)


def planned(
    invoice: Invoice, reason: str, issued_on: date, actor: str, nets: Mapping[int, Decimal] | None = None
) -> Correction:
    """What a credit note would take: all that is left, or `nets` (without tax, above zero) of the lines of these positions.

    Raises Invalid (nothing, too much, too fine, no reason), NothingLeft.
    """
    if not reason.strip():
        raise Invalid("Say why: the reason is printed on the credit note.", field="reason")
    if invoice.kind == InvoiceKind.REFILL:
        raise Invalid("Bought credit goes back out of its wallet: give its payment back instead.", field="invoice")
    rest = left(invoice)
    most = sum((one.gross for one in rest), ZERO)
    if most <= 0:
        raise NothingLeft(f"All of {invoice.number} is credited already.")
    taken = [_taken(invoice, one, one.net if nets is None else _signed(one, nets)) for one in rest]
    _check_periods(taken, _most(rest))
    made = Correction([one for one in taken if one.net or one.tax], reason.strip()[:300], issued_on, actor)
    if made.total <= 0:
        raise Invalid("A credit note takes more than nothing off its invoice.", field="lines")
    if made.total > most:
        raise Invalid(f"{most} is left of {invoice.number}; {made.total} is more.", field="lines")
    return made


def credit(account: Account, invoice: Invoice, correction: Correction, id: UUID | None = None) -> CreditNote:
    """Issue the credit note and take its total off what is owed on the invoice.

    Transaction: the caller's, required, in which it planned the correction behind `lock_settlements`. Locks: the account's
    row, what the invoice deferred, the open balance, then the series of credit notes until the transaction ends. Posts what
    is still deferred of the lines, then what was earned, and tax, Cr receivable. Raises Conflict when less is owed.
    """
    lock_settlements(account.id)
    seller = sellers([invoice.seller_code])[invoice.seller_code]
    note_id, total = id or new_id(), correction.total
    _post(account, note_id, invoice, correction)
    reduce(invoice, total, ReductionKind.CREDIT_NOTE)
    series = seller.credit_series_of(correction.issued_on)
    sequence = draw({(seller.code, series): 1})[seller.code, series]
    note = CreditNote.objects.create(
        account_id=account.id,
        id=note_id,
        number=number_of(series, sequence),
        seller_code=seller.code,
        series=series,
        sequence=sequence,
        invoice_id=invoice.id,
        invoice_number=invoice.number,
        invoice_issued_on=invoice.issued_on,
        currency=invoice.currency,
        subtotal=sum((one.net for one in correction.taken), ZERO),
        tax=sum((one.tax for one in correction.taken), ZERO),
        total=total,
        issued_on=correction.issued_on,
        issued_at=_now(),
        reason=correction.reason,
        seller=seller.printed,
        buyer=invoice.buyer,
        po_number=invoice.po_number,
        tax_note=invoice.tax_note,
        recipients=account.recipients,
        issued_by=correction.actor,
    )
    CreditNoteLine.objects.bulk_create(_line(note, one, position) for position, one in enumerate(correction.taken, 1))
    record(invoice, ReductionKind.CREDIT_NOTE, total, correction.reason, correction.actor, note.id)
    wake.tell(account.id)
    return note


def reduce(invoice: Invoice, amount: Decimal, kind: ReductionKind) -> None:
    """Take `amount` off what is owed on an invoice (below zero: put it back). Raises Conflict when less is owed."""
    given_up = amount if kind == ReductionKind.WRITE_OFF else ZERO
    values = {"account_id": invoice.account_id, "invoice_id": invoice.id, "amount": amount, "given_up": given_up}
    with connection.cursor() as cursor:
        cursor.execute(SQL["reduce"], values)
        if cursor.rowcount != 1:
            raise Conflict(f"{invoice.number}: less is owed than the {kind.label.lower()} of {amount} would take off.")
        [balance] = cursor.fetchone()
    tally.count([tally.Change(invoice.account_id, invoice.id, before=balance + amount)])


def record(
    invoice: Invoice, kind: ReductionKind, amount: Decimal, reason: str, actor: str, note_id: UUID | None = None
) -> Reduction:
    """Say for ever what was taken off an invoice, and why."""
    return Reduction.objects.create(
        account_id=invoice.account_id,
        id=new_id(),
        invoice_id=invoice.id,
        kind=kind,
        amount=amount,
        credit_note_id=note_id,
        reason=reason,
        reduced_by=actor,
        reduced_at=_now(),
    )


def find(account_id: UUID, number: str) -> CreditNote:
    """The account's credit note of this number. Raises NotFound, for another account's too."""
    found = CreditNote.objects.filter(account_id=account_id, number=number).first()
    if found is None:
        raise NotFound(f"There is no credit note {number}.")
    return found


def of_invoice(account_id: UUID, invoice_id: UUID) -> list[CreditNote]:
    """The credit notes of an invoice, the oldest first."""
    mine = CreditNote.objects.filter(account_id=account_id, invoice_id=invoice_id)
    return list(mine.order_by("issued_on", "sequence"))


def of_account(account_id: UUID, limit: int = 500) -> list[CreditNote]:
    """An account's credit notes, the newest first."""
    return list(CreditNote.objects.filter(account_id=account_id).order_by("-issued_on", "-sequence")[:limit])


def newest(
    account_id: UUID, before: Place | None = None, limit: int = 100, invoice_number: str | None = None
) -> list[CreditNote]:
    """Up to `limit` of an account's credit notes, or of one invoice's, the newest first: keyset pages for machines."""
    mine = CreditNote.objects.filter(account_id=account_id)
    if invoice_number is not None:
        mine = mine.filter(invoice_number=invoice_number)
    if before is not None:
        mine = mine.filter(Q(issued_at__lt=before.issued_at) | Q(issued_at=before.issued_at, id__lt=before.id))
    return list(mine.order_by("-issued_at", "-id")[:limit])


def lines_of(note: CreditNote) -> list[CreditNoteLine]:
    """The printed lines of a credit note."""
    mine = CreditNoteLine.objects.filter(account_id=note.account_id, credit_note_id=note.id)
    return list(mine.order_by("position"))


def open_of(invoice: Invoice) -> Decimal:
    """What is owed on the invoice now."""
    return OpenBalance.objects.get(account_id=invoice.account_id, invoice_id=invoice.id).balance


def _left(line: InvoiceLine, net: Decimal, tax: Decimal) -> Left:
    return Left(line, line.amount - net, line.tax - tax, net)


def _most(rest: Iterable[Left]) -> dict[Stretch, Decimal]:
    """What credit notes can take of the periods of these lines."""
    wanted = {key[:2] for one in rest if (key := _stretch(one.line))}
    return {key: one.left for key, one in standing(wanted).items() if one.has_fee}


def _stretch(line: InvoiceLine) -> Stretch | None:
    return stretch_of(line.account_id, line.subscription_id, line.cause)


def _limited(rest: Sequence[Left], most: Mapping[Stretch, Decimal], currency: str) -> list[Left]:
    """With less of the lines of a period that days were given back of on other invoices."""
    over: dict[Stretch, Decimal] = defaultdict(lambda: ZERO)
    for one in rest:
        if (key := _stretch(one.line)) and key in most:
            over[key] += one.net
    over = {key: net - most[key] for key, net in over.items() if net > most[key]}
    found = []
    for one in rest:
        key = _stretch(one.line)
        less = min(over.get(key, ZERO), one.net) if key and one.net > 0 else ZERO
        if key and less:
            over[key] -= less
            net = one.net - less
            one = Left(one.line, net, credited(one.line.amount, one.line.tax, one.gone, net, currency), one.gone)
        found.append(one)
    return found


def _check_periods(taken: Iterable[Taken], most: Mapping[Stretch, Decimal]) -> None:
    """A fee and its discount stand together, and with what was given back of their days."""
    sums: dict[Stretch, Decimal] = defaultdict(lambda: ZERO)
    for one in taken:
        if (key := _stretch(one.line)) and key in most:
            sums[key] += one.net
    for key, net in sums.items():
        if net > most[key]:
            raise Invalid(
                f"{most[key]} is left of what the period from {key[2]} was charged, discount and days given back counted;"
                f" {net} is more.", field="lines",
            )  # fmt: skip


def _signed(one: Left, nets: Mapping[int, Decimal]) -> Decimal:
    """What is asked for of a line, with the line's sign: a discount is taken back by what it took off."""
    asked = nets.get(one.line.position, ZERO)
    if not asked.is_finite() or asked < 0:
        raise Invalid("An amount to be credited is not below zero.", field="lines")
    return -asked if one.line.amount < 0 else asked


def _taken(invoice: Invoice, one: Left, net: Decimal) -> Taken:
    line = one.line
    if to_minor(net, invoice.currency) != net:
        raise Invalid(f"{net} is finer than {invoice.currency} can be paid.", field="lines")
    if abs(net) > abs(one.net):
        raise Invalid(f"“{line.description}”: {abs(one.net)} is left to credit; {abs(net)} is more.", field="lines")
    if not net:
        return Taken(line, ZERO, one.tax if not one.net else ZERO)
    return Taken(line, net, credited(line.amount, line.tax, one.gone, net, invoice.currency))


def _post(account: Account, note_id: UUID, invoice: Invoice, correction: Correction) -> None:
    backs = [deferral.TakenBack(one.line.revenue_code, one.line.service_from, one.line.service_until, one.net)
             for one in correction.taken]  # fmt: skip
    debits = deferral.take_back(account.id, invoice.id, backs)
    tax = sum((one.tax for one in correction.taken), ZERO)
    sides = [*(Side(code, amount) for code, amount in debits.items()), Side(TAX, tax), Side("receivable", -correction.total)]
    moving = [side for side in sides if side.amount]
    movement = Movement(
        new_id(), "credit_note", str(note_id), moving, f"Credit note for {invoice.number}", correction.actor
    )
    post(account.id, invoice.currency, [movement])


def _line(note: CreditNote, one: Taken, position: int) -> CreditNoteLine:
    line = one.line
    whole = one.net == line.amount
    copied: dict[str, Any] = {name: getattr(line, name) for name in _COPIED}
    return CreditNoteLine(
        account_id=note.account_id,
        credit_note_id=note.id,
        position=position,
        invoice_id=line.invoice_id,
        invoice_position=line.position,
        detail=line.detail if whole else f"{abs(one.net)} of {abs(line.amount)} of line {line.position}",
        quantity=line.quantity if whole else Decimal(1),
        unit_price=line.unit_price if whole else one.net,
        amount=one.net,
        tax=one.tax,
        **copied,
    )


def _now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(SQL["now"])
        return cursor.fetchone()[0]
