"""A gateway's answer about an invoice's payment becomes what it means, once, whoever brings it.

The charge's own answer, a look-up, a webhook: all come through `settle`, and the intent's state decides under the account's
lock. A success is honoured in whatever state it finds the intent, because the money was taken.
"""

import logging
from datetime import UTC, datetime
from uuid import UUID

from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.settle import settle as apply
from tollbook.invoicing.tables import OpenBalance
from tollbook.money.written import money
from tollbook.payments import attempts, credit
from tollbook.payments import method as methods
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Succeeded, Unknown
from tollbook.payments.intent import card_of, find, key_of
from tollbook.payments.receive import receive
from tollbook.payments.tables import OPEN_INTENTS, IntentState, Payment, PaymentIntent, PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction

log = logging.getLogger(__name__)


def settle(account_id: UUID, intent_id: UUID, attempt: int, answer: ChargeAnswer) -> IntentState:
    """Take a gateway's answer about an attempt that was sent; answers the intent's state. Safe to repeat, in any order.

    Own transaction. Locks the account's row. A success receives the payment, applies it to the invoice as far as that is
    still owed, and keeps the rest as account credit, all or nothing.
    """
    return in_transaction(lambda: _settle(account_id, intent_id, attempt, answer))


def _settle(account_id: UUID, intent_id: UUID, attempt: int, answer: ChargeAnswer) -> IntentState:
    lock_settlements(account_id)
    intent = find(account_id, intent_id)
    if isinstance(answer, Succeeded):
        _succeeded(intent, answer)
    elif intent.state in OPEN_INTENTS and intent.attempt == attempt:
        _not_paid(intent, answer)
    return IntentState(intent.state)


def _succeeded(intent: PaymentIntent, answer: Succeeded) -> None:
    if (answer.amount, answer.currency) != (intent.amount, intent.currency):
        _alarm(intent, answer)
    elif intent.state != IntentState.SUCCEEDED:
        _pay(intent, answer)
    elif intent.charge_reference != answer.reference:
        log.error("payment %s was charged twice: %s and %s", intent.id, intent.charge_reference, answer.reference)


def _pay(intent: PaymentIntent, answer: Succeeded) -> None:
    card = card_of(intent)
    label = methods.label(card) if card else "Payment page"
    payment = receive(
        intent.account_id, intent.gateway, answer.reference, answer.amount, answer.currency, label, intent.requested_by
    )
    pay_with(payment, intent.invoice_id)
    _write(
        intent,
        state=IntentState.SUCCEEDED,
        finished_at=datetime.now(UTC),
        outcome="",
        code="",
        charge_reference=answer.reference,
        payment_id=payment.id,
    )


def pay_with(payment: Payment, invoice_id: UUID) -> None:
    """Apply a payment that was just received to an invoice, as far as that is owed; the rest becomes account credit.

    Transaction: the caller's, who holds the account's row. Clearing stands at zero afterwards.
    """
    owed = OpenBalance.objects.get(account_id=payment.account_id, invoice_id=invoice_id).balance
    applied = min(owed, payment.amount)
    if applied:
        apply(payment.account_id, invoice_id, payment.id, applied)
    if payment.amount > applied:
        credit.park(payment, payment.amount - applied, str(payment.id), f"clearing:{payment.gateway}")
        credit.use(payment.account_id)


def _not_paid(intent: PaymentIntent, answer: Declined | ActionRequired | Unknown) -> None:
    match answer:
        case Declined():
            _declined(intent, answer)
        case ActionRequired():
            page_url = answer.url or intent.page_url
            reference = answer.reference or intent.charge_reference
            _stay_open(
                intent, IntentState.ACTION_REQUIRED, answer.message, page_url=page_url, charge_reference=reference
            )
        case Unknown() if intent.state == IntentState.CHARGING:
            _stay_open(intent, IntentState.UNKNOWN, answer.message)


def _declined(intent: PaymentIntent, answer: Declined) -> None:
    attempts.failed(intent.account_id, key_of(intent), answer.hard)
    values = {"outcome": answer.message[:200], "code": answer.code[:60], "is_hard": answer.hard}
    backup = _backup(intent, answer)
    if backup is None:
        _write(intent, state=IntentState.DECLINED, finished_at=datetime.now(UTC), **values)
    else:
        _write(intent, state=IntentState.DECIDED, attempt=2, method_id=backup.id, gateway=backup.gateway, **values)


def _backup(intent: PaymentIntent, answer: Declined) -> PaymentMethod | None:
    """The account's backup card, tried once, for what nobody watches, when another card can cure it."""
    if not intent.automatic or intent.attempt > 1 or not answer.curable_by_other_card:
        return None
    mine = PaymentMethod.objects.filter(account_id=intent.account_id, is_backup=True, removed_at__isnull=True)
    backup = mine.first()
    return None if backup is None or attempts.record(backup).refusal() else backup


def _stay_open(intent: PaymentIntent, state: IntentState, outcome: str, **values: object) -> None:
    """An answer that leaves it open. Not knowing takes back nothing that is known."""
    if (intent.state, intent.outcome) != (state, outcome[:200]) or any(
        getattr(intent, name) != value for name, value in values.items()
    ):
        _write(intent, state=state, outcome=outcome[:200], **values)


def _alarm(intent: PaymentIntent, answer: Succeeded) -> None:
    """The gateway says another sum was charged: nothing is booked, and a person must look."""
    said, meant = money(answer.amount, answer.currency), money(intent.amount, intent.currency)
    log.error("payment %s: charge %s took %s instead of %s", intent.id, answer.reference, said, meant)
    if intent.state in OPEN_INTENTS:
        outcome = f"The gateway says it charged {said} instead of {meant}. Nothing was booked; Support has to look."
        if intent.outcome != outcome:
            _write(intent, state=IntentState.UNKNOWN, outcome=outcome, charge_reference=answer.reference)


def _write(intent: PaymentIntent, **values: object) -> None:
    PaymentIntent.objects.filter(account_id=intent.account_id, id=intent.id).update(**values)
    for name, value in values.items():
        setattr(intent, name, value)
    wake.tell(intent.account_id)
