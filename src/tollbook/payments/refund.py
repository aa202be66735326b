"""Money given back out of a payment: in full or in parts, once, and never more than was captured.

What goes back is set aside in the books when it is decided, so that nobody spends it meanwhile; the gateway is asked
afterwards, outside any transaction, under a key made of the refund's id. While a refund is under way its sum stands in
clearing; it returns to zero with the gateway's answer.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing.settle import lock_settlements, take_back
from tollbook.invoicing.tables import Invoice, InvoiceKind, Settlement
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO, minor_unit, to_minor
from tollbook.money.written import money
from tollbook.payments import credit, gateway
from tollbook.payments.asking import LEASE
from tollbook.payments.collect import LIMIT
from tollbook.payments.gateway import Declined, RefundAnswer, Refunded, RefundRequest, Unknown
from tollbook.payments.intent import resend_within
from tollbook.payments.tables import (
    OPEN_REFUNDS,
    Disputed,
    DisputeState,
    Payment,
    Refund,
    RefundSource,
    RefundState,
)
from tollbook.payments.transfer import GATEWAY as MANUAL
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.wallets import credit as wallet_credit
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import Locked, lock

SQL = load(__file__)
log = logging.getLogger(__name__)

GOODWILL = "revenue:refund"
PURPOSE = "refund"
NEVER_RECEIVED = "never_received"
SHOWN_FOR = timedelta(days=30)
"""How long the desk shows a refund that failed."""


@dataclass(frozen=True, slots=True)
class Back:
    """What is to be given back: `amount` of a payment, in its currency and its minor unit, taken from `source`.

    `reference` is the bank's, for a transfer that a person has sent; cards need none.
    """

    payment_id: UUID
    amount: Decimal
    source: str
    reason: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A place where money can be taken from, and how much of it at most."""

    source: RefundSource
    at_most: Decimal
    invoice_id: UUID | None = None
    invoice_number: str = ""
    wallet_id: UUID | None = None
    type_code: str = ""


def refundable(payment: Payment) -> Decimal:
    """What of a payment could still go back: what was captured less what went or goes back, disputed or refunded."""
    mine = {"account_id": payment.account_id, "payment_id": payment.id}
    refunds = Refund.objects.filter(**mine).exclude(state=RefundState.DECLINED)
    disputes = Disputed.objects.filter(**mine).exclude(state=DisputeState.WON)
    gone = [rows.aggregate(sum=Sum("amount"))["sum"] or ZERO for rows in (refunds, disputes)]
    return payment.amount - sum(gone, ZERO)


def choices(payment: Payment) -> list[Choice]:
    """Where a refund of this payment can be taken from now, each with the most it can be. Reads only."""
    whole = refundable(payment)
    found = [*_from_credit(payment), *_from_invoices(payment), *_from_wallet(payment)]
    found.append(Choice(RefundSource.GOODWILL, whole))
    capped = [_capped(choice, whole, payment.currency) for choice in found]
    return [choice for choice in capped if choice.at_most > 0]


def ask(account: Account, back: Back, actor: Actor, id: UUID | None = None) -> Refund:
    """Commit the refund and set its sum aside; `step`, or the worker, has the gateway give it back.

    With an `id`, made by the caller before, it is made once however often it is asked for. Own transaction; as engine. Locks
    the wallet (when it is taken from one), then the account's row. A bank transfer was sent by a person and is booked at
    once. Raises Invalid (amount, source, reason), NotFound, Conflict (a dispute, other values under this id).
    """
    id = id or new_id()
    return in_transaction(lambda: _ask(account, back, actor, id))


def check(payment: Payment, back: Back) -> Choice:
    """Raise Invalid or Conflict for a refund that can't be made now; answers where it is taken from."""
    amount, currency = back.amount, payment.currency
    if not amount.is_finite() or amount <= 0 or to_minor(amount, currency) != amount:
        raise Invalid("The amount is more than zero and no finer than the currency can be paid.", field="amount")
    if not back.reason.strip():
        raise Invalid("Say why: the reason is part of the books.", field="reason")
    if payment.gateway == MANUAL and not back.reference.strip():
        raise Invalid("Write the bank's reference of the transfer that you sent.", field="reference")
    if _disputed(payment):
        raise Conflict("This payment is disputed: the bank decides what goes back.")
    whole = refundable(payment)
    if amount > whole:
        raise Invalid(f"{money(whole, currency)} of this payment is left to give back.", field="amount")
    for choice in choices(payment):
        if choice.source == back.source:
            if amount > choice.at_most:
                most = money(choice.at_most, currency)
                raise Invalid(f"At most {most} can be taken from {choice.source.label.lower()}.", field="amount")
            return choice
    raise Invalid("Nothing can be taken from there for this payment.", field="source")


def step(account_id: UUID, refund_id: UUID) -> bool:
    """Move one refund on as far as it goes now; whether anything was done. Must not be called inside a transaction."""
    refund = find(account_id, refund_id)
    if refund.state not in OPEN_REFUNDS or not in_transaction(lambda: _claim(account_id, refund_id)):
        return False
    request = _request(refund)
    name = _payment(refund).gateway
    known = None if refund.state == RefundState.DECIDED else gateway.look_up_refund(name, request)
    settle(account_id, refund_id, known or _sent(refund, name, request))
    return True


def settle(account_id: UUID, refund_id: UUID, answer: RefundAnswer) -> RefundState:
    """Take a gateway's answer about a refund that was sent; answers its state. Safe to repeat, in any order.

    Own transaction. Locks the wallet, when it was taken from one, then the account's row. What is refused goes back to where
    it was taken from, also when it was accepted first.
    """
    return in_transaction(lambda: _settle(account_id, refund_id, answer))


def settle_by(account_id: UUID, our_id: UUID | str) -> RefundState | None:
    """Something is said to have happened to this refund: ask the gateway what, and settle that. None when it is not ours.

    For webhooks. Must not be called inside a transaction.
    """
    refund = Refund.objects.filter(account_id=account_id, id=our_id).first()
    if refund is None:
        return None
    if refund.sent_at is not None:
        answer = gateway.look_up_refund(_payment(refund).gateway, _request(refund))
        if answer is not None:
            return settle(account_id, refund.id, answer)
    return RefundState(refund.state)


def run_due(stop: Event | None = None) -> int:
    """Send what is decided, ask about what is not known, up to `LIMIT`. What fails for one keeps no other from its turn."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["unfinished"], {"limit": LIMIT, "lease": LEASE})
        waiting = list(cursor.fetchall())
    done = 0
    for account_id, refund_id in waiting:
        if stop is not None and stop.is_set():
            break
        try:
            done += step(account_id, refund_id)
        except Conflict:
            log.exception("refund %s failed", refund_id)
    return done


def find(account_id: UUID, refund_id: UUID) -> Refund:
    """The refund as it stands. Raises NotFound."""
    found = Refund.objects.filter(account_id=account_id, id=refund_id).first()
    if found is None:
        raise NotFound("There is no such refund.")
    return found


def of_payment(payment: Payment) -> list[Refund]:
    """Its refunds, the newest first."""
    mine = Refund.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    return list(mine.order_by("-decided_at", "-id"))


def failed_lately(limit: int) -> list[Refund]:
    """Refunds of all accounts that the gateway refused within `SHOWN_FOR`, the newest first. As engine; reads only."""
    since = datetime.now(UTC) - SHOWN_FOR
    mine = Refund.objects.filter(account_id__in=list(Account.objects.values_list("id", flat=True)))
    return list(mine.filter(state=RefundState.DECLINED, finished_at__gte=since).order_by("-finished_at")[:limit])


def key_of(refund: Refund) -> str:
    """The idempotency key of a refund, which has one attempt: what was refused is asked for anew by a person."""
    return gateway.key_of(PURPOSE, refund.id)


def _ask(account: Account, back: Back, actor: Actor, id: UUID) -> Refund:
    payment = Payment.objects.filter(account_id=account.id, id=back.payment_id).first()
    if payment is None:
        raise NotFound("There is no such payment.")
    wallet = _locked_wallet(payment, back.source)
    lock_settlements(account.id)
    known = Refund.objects.filter(account_id=account.id, id=id).first()
    if known is not None:
        return _same(known, back)
    choice = check(payment, back)
    refund = Refund.objects.create(
        account_id=account.id,
        id=id,
        payment_id=payment.id,
        amount=back.amount,
        currency=payment.currency,
        source=back.source,
        invoice_id=choice.invoice_id,
        wallet_id=choice.wallet_id,
        reason=back.reason.strip()[:300],
        requested_by=actor.name,
        decided_at=datetime.now(UTC),
    )
    _set_aside(refund, payment, wallet, actor)
    if payment.gateway == MANUAL:
        _given(refund, payment, " ".join(back.reference.split())[:120])
    after = {"refund": str(id), "amount": str(back.amount), "from": back.source}
    note(account.id, actor, "payment.refund", f"payment/{payment.id}", after=after, reason=refund.reason)
    wake.tell(account.id)
    return refund


def _same(known: Refund, back: Back) -> Refund:
    if (known.payment_id, known.amount, known.source) != (back.payment_id, back.amount, back.source):
        raise Conflict("This refund was asked for before, with other values. Begin again for another one.")
    return known


def _set_aside(refund: Refund, payment: Payment, wallet: Locked | None, actor: Actor) -> None:
    """Take the sum from its source into clearing, where it stands until the gateway has answered."""
    clearing, cause = f"clearing:{payment.gateway}", f"refund:{refund.id}"
    match refund.source:
        case RefundSource.CREDIT:
            credit.draw(payment.account_id, payment.id, refund.amount)
            _post(refund, "refund_begun", Side(credit.CODE, refund.amount), Side(clearing, -refund.amount))
        case RefundSource.INVOICE:
            take_back(payment.account_id, _invoice_id(refund), payment.id, refund.amount, cause, clearing)
        case RefundSource.WALLET:
            _move_wallet(refund, _there(wallet), -refund.amount, "refund_begun", clearing, actor.name)
        case RefundSource.GOODWILL:
            _post(refund, "refund_begun", Side(GOODWILL, refund.amount), Side(clearing, -refund.amount))


def _settle(account_id: UUID, refund_id: UUID, answer: RefundAnswer) -> RefundState:
    refund = find(account_id, refund_id)
    payment = _payment(refund)
    wallet = _locked_wallet(payment, refund.source)
    lock_settlements(account_id)
    refund = find(account_id, refund_id)
    if refund.state in OPEN_REFUNDS:
        match answer:
            case Refunded() if (answer.amount, answer.currency) != (refund.amount, refund.currency):
                _alarm(refund, answer)
            case Refunded():
                _given(refund, payment, answer.reference)
            case Declined():
                _put_back(refund, payment, wallet)
                _write(refund, state=RefundState.DECLINED, outcome=answer.message[:200], finished_at=datetime.now(UTC))
            case Unknown():
                _write(refund, state=RefundState.UNKNOWN, outcome=answer.message[:200])
    elif refund.state == RefundState.SUCCEEDED and isinstance(answer, Declined) and answer.code != NEVER_RECEIVED:
        _came_back(refund, payment, wallet, answer)
    elif refund.state == RefundState.DECLINED and isinstance(answer, Refunded):
        log.error("refund %s was given back as %s after it was refused", refund.id, answer.reference)
    return RefundState(refund.state)


def _given(refund: Refund, payment: Payment, reference: str) -> None:
    sides = Side(f"clearing:{payment.gateway}", refund.amount), Side(f"cash:{payment.gateway}", -refund.amount)
    _post(refund, "refund", *sides)
    _write(refund, state=RefundState.SUCCEEDED, outcome="", reference=reference, finished_at=datetime.now(UTC))


def _came_back(refund: Refund, payment: Payment, wallet: Locked | None, answer: Declined) -> None:
    """Accepted first, as transfers to a bank are, and refused days later: the money is with us again, as before."""
    cash, clearing = f"cash:{payment.gateway}", f"clearing:{payment.gateway}"
    _post(refund, "refund_failed", Side(cash, refund.amount), Side(clearing, -refund.amount))
    _put_back(refund, payment, wallet)
    told = f"It failed after the gateway had accepted it; the customer did not get it. {answer.message}"[:200]
    _write(refund, state=RefundState.DECLINED, outcome=told, finished_at=datetime.now(UTC))
    sum_, before = money(refund.amount, refund.currency), {"state": str(RefundState.SUCCEEDED)}
    after = {"refund": str(refund.id), "state": str(RefundState.DECLINED)}
    note(refund.account_id, SYSTEM, "payment.refund", f"payment/{payment.id}", before=before, after=after, reason=told)
    log.error("refund %s of %s failed after it was accepted: %s", refund.id, sum_, answer.message)


def _put_back(refund: Refund, payment: Payment, wallet: Locked | None) -> None:
    """The gateway refused: what was set aside returns. An invoice that is owed again gets it through account credit."""
    clearing = f"clearing:{payment.gateway}"
    match refund.source:
        case RefundSource.CREDIT | RefundSource.INVOICE:
            credit.park(payment, refund.amount, f"refund:{refund.id}", clearing)
            credit.use(payment.account_id)
        case RefundSource.WALLET:
            _move_wallet(refund, _there(wallet), refund.amount, "refund_undone", clearing, refund.requested_by)
        case RefundSource.GOODWILL:
            _post(refund, "refund_undone", Side(clearing, refund.amount), Side(GOODWILL, -refund.amount))


def _sent(refund: Refund, name: str, request: RefundRequest) -> RefundAnswer:
    """Sent, or, of which the gateway has no record, sent again while it still knows the key; later not at all."""
    if refund.sent_at is None or datetime.now(UTC) - refund.sent_at <= resend_within(name):
        return gateway.refund(name, request)
    return Declined(NEVER_RECEIVED, "The gateway never received the refund; ask for it again.")


def _alarm(refund: Refund, answer: Refunded) -> None:
    said, meant = money(answer.amount, answer.currency), money(refund.amount, refund.currency)
    log.error("refund %s: the gateway gave %s back instead of %s", refund.id, said, meant)
    told = f"The gateway says it gave {said} back instead of {meant}. A person has to look."
    _write(refund, state=RefundState.UNKNOWN, outcome=told, reference=answer.reference)


def _request(refund: Refund) -> RefundRequest:
    return RefundRequest(
        account_id=refund.account_id,
        idempotency_key=key_of(refund),
        charge_reference=_payment(refund).charge_reference,
        amount=refund.amount,
        currency=refund.currency,
        reason=refund.reason,
    )


def _claim(account_id: UUID, refund_id: UUID) -> bool:
    """Take the turn to speak to the gateway; the first time, `sending` is committed by it."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["claim"], {"account_id": account_id, "id": refund_id, "lease": LEASE})
        return cursor.rowcount == 1


def _from_credit(payment: Payment) -> list[Choice]:
    return [Choice(RefundSource.CREDIT, credit.of_payment(payment.account_id, payment.id))]


def _from_invoices(payment: Payment) -> list[Choice]:
    """The invoice of which this payment settled most; one that sold credit is undone from its wallet instead."""
    settled = Settlement.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    sums = list(settled.values_list("invoice_id").annotate(sum=Sum("amount")).order_by("-sum"))
    for invoice_id, sum_ in sums:
        invoice = Invoice.objects.get(account_id=payment.account_id, id=invoice_id)
        if invoice.kind != InvoiceKind.REFILL:
            return [Choice(RefundSource.INVOICE, sum_, invoice_id, invoice.number)]
    return []


def _from_wallet(payment: Payment) -> list[Choice]:
    """Bought credit of the wallet it filled, neither used nor held; granted credit never goes back."""
    wallet = _wallet_of(payment)
    if wallet is None:
        return []
    return [
        Choice(
            RefundSource.WALLET,
            max(ZERO, min(wallet.paid, wallet.paid + wallet.granted - wallet.held)),
            wallet_id=wallet.id,
            type_code=wallet.type_code,
        )
    ]


def _wallet_of(payment: Payment) -> Wallet | None:
    """The wallet whose refill this payment paid."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["wallet_of"], {"account_id": payment.account_id, "payment_id": payment.id})
        row = cursor.fetchone()
    return Wallet.objects.get(account_id=payment.account_id, id=row[0]) if row else None


def _locked_wallet(payment: Payment, source: str) -> Locked | None:
    wallet = _wallet_of(payment) if source == RefundSource.WALLET else None
    return lock(payment.account_id, [wallet.type_code])[wallet.type_code] if wallet else None


def _capped(choice: Choice, whole: Decimal, currency: str) -> Choice:
    """Wallets hold fractions of the minor unit; what goes back does not."""
    most = min(choice.at_most, whole)
    rounded = to_minor(most, currency)
    least = rounded if rounded <= most else rounded - minor_unit(currency)
    return Choice(
        choice.source, least, choice.invoice_id, choice.invoice_number, choice.wallet_id, choice.type_code
    )


def _disputed(payment: Payment) -> bool:
    mine = Disputed.objects.filter(account_id=payment.account_id, payment_id=payment.id, state=DisputeState.OPEN)
    return mine.exists()


def _move_wallet(refund: Refund, wallet: Locked, amount: Decimal, kind: str, counter: str, actor: str) -> None:
    what = f"Refund: {refund.reason}"[:300]
    given = wallet_credit.Credit(wallet.type_code, amount, "paid", kind, str(refund.id), counter, what, actor)
    wallet_credit.credit(refund.account_id, wallet, given)


def _post(refund: Refund, kind: str, *sides: Side) -> None:
    movement = Movement(new_id(), kind, str(refund.id), list(sides), f"Refund: {refund.reason}"[:300], refund.requested_by)
    post(refund.account_id, refund.currency, [movement])


def _write(refund: Refund, **values: object) -> None:
    Refund.objects.filter(account_id=refund.account_id, id=refund.id).update(**values)
    for name, value in values.items():
        setattr(refund, name, value)
    wake.tell(refund.account_id)


def _payment(refund: Refund) -> Payment:
    return Payment.objects.get(account_id=refund.account_id, id=refund.payment_id)


def _invoice_id(refund: Refund) -> UUID:
    if refund.invoice_id is None:
        raise NotFound("This refund is of no invoice.")
    return refund.invoice_id


def _there(wallet: Locked | None) -> Locked:
    if wallet is None:
        raise NotFound("The wallet that this payment filled is gone.")
    return wallet
