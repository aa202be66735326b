"""A payment that the card's holder contests: frozen while it is open, gone when it is lost, back when it is won.

The gateway's state now decides, not the order in which anybody tells of it. Open: the sum leaves our cash for
`disputed:<gateway>`, with the gateway's fee; its account credit is frozen and nothing of it is given back. Lost: it is
taken back from the credit and the invoices that it paid, which are owed again. Won: it returns.
"""

import logging
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from tollbook.accounts.audit import SYSTEM, note
from tollbook.accounts.tables import Account
from tollbook.invoicing.settle import lock_settlements, take_back
from tollbook.invoicing.tables import Settlement
from tollbook.ledger.post import Movement, Side, post
from tollbook.money.amount import ZERO
from tollbook.payments import credit, gateway
from tollbook.payments.gateway import Dispute
from tollbook.payments.tables import Disputed, DisputeState, Payment
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction

log = logging.getLogger(__name__)

LOSS = "loss:disputes"


def refresh(name: str, reference: str) -> Disputed | None:
    """Something is said to have happened to this dispute: ask the gateway what, and take that. For webhooks.

    None when it is about no payment in the books. Must not be called inside a transaction. Raises gateway.Unreachable,
    LookupError when the gateway has no such dispute.
    """
    return take(name, gateway.dispute(name, reference))


def take(name: str, told: Dispute) -> Disputed | None:
    """Take a dispute as the gateway has it now; what is in the books of it afterwards. Safe to repeat.

    Own transaction. Locks the account's row. None when it is about no payment in the books, or in another currency than
    that was: then nothing is booked, and a person has to.
    """
    payment = payment_of(name, told.charge_reference)
    if payment is None:
        log.error("dispute %s is about charge %s, which is not in the books", told.reference, told.charge_reference)
        return None
    if told.currency != payment.currency:
        what = f"{told.amount} {told.currency}", f"{payment.amount} {payment.currency}"
        log.error("dispute %s is about %s of a payment of %s; nothing of it is booked", told.reference, *what)
        return None
    id = new_id()
    return in_transaction(lambda: _take(name, told, payment, id))


def payment_of(name: str, charge_reference: str) -> Payment | None:
    """The payment of any account that is this charge."""
    accounts = list(Account.objects.values_list("id", flat=True))
    found = Payment.objects.filter(account_id__in=accounts, gateway=name, charge_reference=charge_reference)
    return found.first()


def of_payment(payment: Payment) -> list[Disputed]:
    """Its disputes, the newest first."""
    mine = Disputed.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    return list(mine.order_by("-opened_at", "-id"))


def _take(name: str, told: Dispute, payment: Payment, id: UUID) -> Disputed:
    lock_settlements(payment.account_id)
    case = _known(name, told, payment, id)
    if (told.amount, told.currency) != (case.amount, case.currency):
        log.error("dispute %s is about %s %s now, was %s", told.reference, told.amount, told.currency, case.amount)
    if told.fee != case.fee:
        _fee(case, told.fee)
    if told.state != case.state:
        _turn(case, payment, DisputeState(told.state))
    return case


def _known(name: str, told: Dispute, payment: Payment, id: UUID) -> Disputed:
    mine = Disputed.objects.filter(account_id=payment.account_id, gateway=name, reference=told.reference)
    return mine.first() or _opened(name, told, payment, id)


def _opened(name: str, told: Dispute, payment: Payment, id: UUID) -> Disputed:
    case = Disputed.objects.create(
        account_id=payment.account_id,
        id=id,
        gateway=name,
        reference=told.reference,
        payment_id=payment.id,
        currency=told.currency,
        amount=told.amount,
        opened_at=told.created_at,
    )
    _post(case, "dispute", "Disputed, frozen by the gateway", (_frozen(case), case.amount), (_cash(case), -case.amount))
    after = {"dispute": told.reference, "amount": str(told.amount)}
    note(case.account_id, SYSTEM, "payment.dispute", f"payment/{payment.id}", after=after)
    wake.tell(case.account_id)
    return case


def _fee(case: Disputed, fee: Decimal) -> None:
    """What the gateway keeps for it, or gives back of that."""
    more = fee - case.fee
    _post(case, "dispute_fee", "The gateway's fee of a dispute", (f"fees:{case.gateway}", more), (_cash(case), -more))
    _write(case, fee=fee)


def _turn(case: Disputed, payment: Payment, state: DisputeState) -> None:
    before = case.state
    if before == DisputeState.OPEN and state == DisputeState.LOST:
        _lose(case, payment)
    elif before == DisputeState.OPEN and state == DisputeState.WON:
        _post(case, "dispute_won", "A dispute was won", (_cash(case), case.amount), (_frozen(case), -case.amount))
        _write(case, state=state, closed_at=datetime.now(UTC))
        credit.use(case.account_id)
    elif before == DisputeState.LOST and state == DisputeState.WON:
        _win_back(case, payment)
    else:
        log.error("dispute %s is %s at the gateway, %s in the books; a person has to look", case.reference, state, before)
        return
    told = {"state": str(before)}
    note(case.account_id, SYSTEM, "payment.dispute", f"payment/{payment.id}", before=told, after={"state": str(state)})


def _lose(case: Disputed, payment: Payment) -> None:
    """What the payment did is undone: credit first, then invoices, which are owed again; what neither covers is our loss."""
    left = case.amount - _out_of_credit(case, case.amount)
    left -= _out_of_invoices(case, payment, left)
    if left:
        _post(case, "dispute_loss", "A lost dispute", (LOSS, left), (_frozen(case), -left))
    _write(case, state=DisputeState.LOST, taken=case.amount - left, lost=left, closed_at=datetime.now(UTC))


def _out_of_credit(case: Disputed, wanted: Decimal) -> Decimal:
    part = min(wanted, credit.of_payment(case.account_id, case.payment_id))
    if part:
        credit.draw(case.account_id, case.payment_id, part)
        _post(case, "dispute_credit", "A lost dispute", (credit.CODE, part), (_frozen(case), -part))
    return part


def _out_of_invoices(case: Disputed, payment: Payment, wanted: Decimal) -> Decimal:
    settled = Settlement.objects.filter(account_id=case.account_id, payment_id=payment.id)
    sums = settled.values_list("invoice_id").annotate(sum=Sum("amount")).filter(sum__gt=0).order_by("-invoice_id")
    left = wanted
    for invoice_id, sum_ in list(sums):
        part = min(left, sum_)
        if part:
            cause = f"dispute:{case.id}:{case.moves}"
            take_back(case.account_id, invoice_id, payment.id, part, cause, _frozen(case))
            left -= part
    return wanted - left


def _win_back(case: Disputed, payment: Payment) -> None:
    """Lost before, won after all: the money is there again, as credit, which pays what is owed again."""
    if case.lost:
        _post(case, "dispute_loss", "A dispute was won after all", (_cash(case), case.lost), (LOSS, -case.lost))
    taken = case.taken
    _write(case, state=DisputeState.WON, taken=ZERO, lost=ZERO, closed_at=datetime.now(UTC))
    if taken:
        credit.park(payment, taken, f"dispute:{case.id}:{case.moves}", _cash(case))
    credit.use(case.account_id)


def _frozen(case: Disputed) -> str:
    return f"disputed:{case.gateway}"


def _cash(case: Disputed) -> str:
    return f"cash:{case.gateway}"


def _post(case: Disputed, kind: str, what: str, *sides: tuple[str, Decimal]) -> None:
    """One transfer of a dispute; each has a number of its own, so that what happens twice is booked twice."""
    reference = f"{case.id}:{case.moves}"
    movement = Movement(new_id(), kind, reference, [Side(*side) for side in sides], what, SYSTEM.name)
    post(case.account_id, case.currency, [movement])
    _write(case, moves=case.moves + 1)


def _write(case: Disputed, **values: object) -> None:
    Disputed.objects.filter(account_id=case.account_id, id=case.id).update(**values)
    for name, value in values.items():
        setattr(case, name, value)
    wake.tell(case.account_id)
