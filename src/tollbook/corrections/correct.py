"""Correct an invoice as staff ask for it: one transaction for the credit note and the money it frees.

What is credited comes off what is owed. What of it was paid is taken back from the invoice first, the newest payment first,
and becomes credit of the account, out of the payment it came with; then, when that is wanted, it is given back from there.

Whoever confirms a review names what was `seen`. It is compared behind the account's lock, where nothing of it can move any
more, so that a payment that comes between review and confirmation is never corrected unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid5

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, NotFound, Refused
from tollbook.invoicing import credit_note, write_off
from tollbook.invoicing.settle import lock_settlements, take_back
from tollbook.invoicing.tables import CreditNote, Invoice, Reduction, Settlement
from tollbook.money.amount import ZERO, to_minor
from tollbook.payments import credit, refund
from tollbook.payments.refund import Back
from tollbook.payments.tables import Payment, RefundSource
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """A credit note as asked for: of all that is left, or of `nets` (without tax) by position of the line.

    `gives_back` asks for what was paid of it to be refunded; else it stays credit of the account. `id` is made by whoever
    asks, before, so that asking twice credits once.
    """

    reason: str
    nets: Mapping[int, Decimal] | None = None
    gives_back: bool = False
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a credit note would do: its sums, what comes off the `owed`, what is freed of payments. Invoice's currency."""

    subtotal: Decimal
    tax: Decimal
    total: Decimal
    owed: Decimal
    off_what_is_owed: Decimal
    freed: Decimal
    seen: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What of an invoice is owed, and what is written off."""

    owed: Decimal
    written_off: Decimal
    seen: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """The credit note; what became credit of the account, by payment; what is on its way back; why the rest is not."""

    note: CreditNote
    freed: Mapping[UUID, Decimal] = field(default_factory=dict)
    given_back: Decimal = ZERO
    kept_because: str = ""


def preview(account: Account, number: str, wanted: Wanted) -> Preview:
    """What the correction would do now; `seen` names it. Reads only. Raises as `correct`."""
    invoice = _invoice(account, number)
    return _preview(invoice, credit_note.planned(invoice, wanted.reason or "?", today_in(account), "", wanted.nets))


def standing(account: Account, number: str) -> Standing:
    """Where an invoice stands now; `seen` names it. Reads only. Raises NotFound."""
    return _standing(_invoice(account, number))


def correct(account: Account, number: str, wanted: Wanted, actor: Actor, seen: str | None = None) -> Corrected:
    """Issue the credit note; free, and when wanted give back, what was paid of it. Safe to repeat with the same `wanted.id`.

    `seen` is what `preview` named when a person looked at it; None when nobody did. Own transactions; as engine. Locks the
    account's row, then the series of credit notes. Raises NotFound, Invalid (nothing, too much, no reason), NothingLeft,
    Conflict (it would do something else than was seen). A refund that can't be made leaves the money as credit and says why.
    """
    note_, freed = in_transaction(partial(correct_in, account, number, wanted, actor, seen))
    return refunded(account, note_, freed, actor) if wanted.gives_back else Corrected(note_, freed)


def refunded(account: Account, note_: CreditNote, freed: Mapping[UUID, Decimal], actor: Actor) -> Corrected:
    """Give back what a credit note freed, by payment. Own transactions; as engine. What can't be stays credit, and why."""
    back, why = ZERO, ""
    for payment_id, amount in freed.items():
        try:
            asked = Back(payment_id, amount, RefundSource.CREDIT, f"{note_.number}: {note_.reason}"[:300])
            back += refund.ask(account, asked, actor, uuid5(note_.id, str(payment_id))).amount
        except Refused as error:
            why = error.message
    return Corrected(note_, freed, back, why)


def give_up(account: Account, number: str, reason: str, actor: Actor, seen: str | None = None) -> Reduction:
    """Write off what is owed on an invoice, if it still is what `standing` named when a person looked at it.

    Own transaction; as engine. Locks the account's row. Raises NotFound, Invalid, Conflict.
    """
    return in_transaction(partial(_write_off, account, number, reason, actor, True, seen))


def expect_again(account: Account, number: str, reason: str, actor: Actor, seen: str | None = None) -> Reduction:
    """Take a write-off back. The same."""
    return in_transaction(partial(_write_off, account, number, reason, actor, False, seen))


def correct_in(
    account: Account, number: str, wanted: Wanted, actor: Actor, seen: str | None = None
) -> tuple[CreditNote, dict[UUID, Decimal]]:
    """The credit note of `correct`, and what it freed, in the caller's transaction. Locks and errors as `correct`."""
    lock_settlements(account.id)
    invoice = _invoice(account, number)
    known = CreditNote.objects.filter(account_id=account.id, id=wanted.id).first()
    if known is not None:
        return known, _freed_before(account.id, invoice.id, known.id)
    planned = credit_note.planned(invoice, wanted.reason, today_in(account), actor.name, wanted.nets)
    would = _preview(invoice, planned)
    _must_be_seen(invoice, would.seen, seen)
    freed = _free(account, invoice, would.freed, wanted.id)
    made = credit_note.credit(account, invoice, planned, wanted.id)
    after = {"credit_note": made.number, "total": str(made.total)}
    note(account.id, actor, "invoice.credit", f"invoice/{invoice.number}", after=after, reason=made.reason)
    return made, freed


def _preview(invoice: Invoice, planned: credit_note.Correction) -> Preview:
    owed = credit_note.open_of(invoice)
    tax = sum((one.tax for one in planned.taken), ZERO)
    off = min(owed, planned.total)
    figures = (planned.total - tax, tax, planned.total, owed, off, planned.total - off)
    return Preview(*figures, _named(invoice, *figures))


def _standing(invoice: Invoice) -> Standing:
    figures = credit_note.open_of(invoice), write_off.written_off(invoice)
    return Standing(*figures, _named(invoice, *figures))


def _named(invoice: Invoice, *amounts: Decimal) -> str:
    """No secret, and in need of no signature: it only counts while it is what would be shown."""
    return " ".join([invoice.number, *(f"{to_minor(amount, invoice.currency):f}" for amount in amounts)])


def _must_be_seen(invoice: Invoice, now: str, seen: str | None) -> None:
    """Raises Conflict when a review that is confirmed showed other figures: something was paid or credited since."""
    if seen is not None and seen != now:
        raise Conflict(f"{invoice.number} has changed since your review. Nothing was done: review it again.")


def _free(account: Account, invoice: Invoice, amount: Decimal, note_id: UUID) -> dict[UUID, Decimal]:
    """Take `amount` of what was paid for an invoice back from it, into credit; by payment, the newest first."""
    freed: dict[UUID, Decimal] = {}
    for payment, settled in _paid(account.id, invoice.id) if amount > 0 else []:
        part = min(settled, amount)
        if part <= 0:
            continue
        clearing = f"clearing:{payment.gateway}"
        take_back(account.id, invoice.id, payment.id, part, _cause(note_id), clearing)
        credit.park(payment, part, f"{_cause(note_id)}:{payment.id}", clearing)
        freed[payment.id] = part
        amount -= part
    return freed


def _paid(account_id: UUID, invoice_id: UUID) -> list[tuple[Payment, Decimal]]:
    sums: dict[UUID, Decimal] = {}
    for one in Settlement.objects.filter(account_id=account_id, invoice_id=invoice_id):
        sums[one.payment_id] = sums.get(one.payment_id, ZERO) + one.amount
    payments = Payment.objects.filter(account_id=account_id, id__in=sums).order_by("-received_at", "-id")
    return [(payment, sums[payment.id]) for payment in payments]


def _freed_before(account_id: UUID, invoice_id: UUID, note_id: UUID) -> dict[UUID, Decimal]:
    mine = Settlement.objects.filter(account_id=account_id, invoice_id=invoice_id, cause=_cause(note_id))
    return {one.payment_id: -one.amount for one in mine}


def _cause(note_id: UUID) -> str:
    return f"credit_note:{note_id}"


def _write_off(account: Account, number: str, reason: str, actor: Actor, off: bool, seen: str | None) -> Reduction:
    lock_settlements(account.id)
    invoice = _invoice(account, number)
    _must_be_seen(invoice, _standing(invoice).seen, seen)
    made = (write_off.write_off if off else write_off.take_back)(account, invoice, reason, actor.name)
    action = "invoice.write_off" if off else "invoice.expect_again"
    note(account.id, actor, action, f"invoice/{number}", after={"amount": str(made.amount)}, reason=made.reason)
    return made


def _invoice(account: Account, number: str) -> Invoice:
    invoice = Invoice.objects.filter(account_id=account.id, number=number).first()
    if invoice is None:
        raise NotFound(f"There is no invoice {number}.")
    return invoice
