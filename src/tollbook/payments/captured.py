"""A gateway's answer about an invoice's payment becomes what it means, once, whoever brings it.

The charge's own answer, a look-up, a webhook: all come through `settle`, and the intent's state decides under the account's
lock. A success is honoured in whatever state it finds the intent, because the money was taken.
"""

import logging
from datetime import UTC, datetime
from uuid import UUID

from django.db import OperationalError

from tollbook.accounts.audit import SYSTEM, note
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.settle import settle as apply
from tollbook.invoicing.tables import OpenBalance
from tollbook.money.written import money
from tollbook.payments import attempts, credit, questions
from tollbook.payments import method as methods
from tollbook.payments.asking import (
    CONFIRM_WITHIN,
    PERSON_AFTER,
    SHORT_WAIT,
    USUAL_PAUSE,
    pause_after,
    pause_for_payer,
)
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Succeeded, Unknown
from tollbook.payments.intent import card_of, find, key_of, postpone
from tollbook.payments.questions import UNSAID
from tollbook.payments.receive import is_received, receive
from tollbook.payments.tables import OPEN_INTENTS, IntentState, Payment, PaymentIntent, PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction

log = logging.getLogger(__name__)

GIVEN_UP = "given_up"
"""The code of a payment that its payer ended."""

GIVEN_BACK = "given_back"
"""The code of a payment whose money a person gave back at the gateway: it is never booked. What is told of it later is put
before a person."""


WRONG_SUM = "wrong_sum"
"""The code of an open payment of which another sum was taken than it is of: only a person ends it, or the right sum."""

ENDLESS = "Its time is over, and the gateway does not end it. Look at its dashboard and cancel it there."


def settle(account_id: UUID, intent_id: UUID, attempt: int, answer: ChargeAnswer) -> IntentState:
    """Take a gateway's answer about an attempt that was sent; answers the intent's state. Safe to repeat, in any order.

    Own transaction. Locks the account's row. A success receives the payment, applies it to the invoice as far as that is
    still owed, and keeps the rest as account credit, all or nothing; one that can't be booked is put before a person.
    """
    try:
        return in_transaction(lambda: _settle(account_id, intent_id, attempt, answer))
    except OperationalError:
        raise  # the database is away: somebody asks again
    except Exception as error:
        if isinstance(answer, Succeeded):
            question = questions.unbooked(answer.reference, error)
            in_transaction(lambda: _not_booked(account_id, intent_id, answer.reference, question))
        raise


def _not_booked(account_id: UUID, intent_id: UUID, reference: str, question: str) -> None:
    """Put it before a person, and remember that the gateway has told of the charge: it is never taken for lost."""
    lock_settlements(account_id)
    intent = PaymentIntent.objects.filter(account_id=account_id, id=intent_id).first()
    if intent is not None:
        if intent.state in OPEN_INTENTS and not intent.charge_reference:
            _write(intent, charge_reference=reference[:120])
        _ask_person(intent, question)
        postpone(intent, USUAL_PAUSE)


def _settle(account_id: UUID, intent_id: UUID, attempt: int, answer: ChargeAnswer) -> IntentState:
    lock_settlements(account_id)
    intent = find(account_id, intent_id)
    if isinstance(answer, Succeeded):
        _succeeded(intent, answer)
    elif intent.state in OPEN_INTENTS and intent.attempt == attempt:
        if intent.code == WRONG_SUM:
            postpone(intent, USUAL_PAUSE)
        else:
            _not_paid(intent, answer)
    return IntentState(intent.state)


def _succeeded(intent: PaymentIntent, answer: Succeeded) -> None:
    attempts.excused(intent.account_id, key_of(intent))
    if (answer.amount, answer.currency) != (intent.amount, intent.currency):
        _alarm(intent, answer)
    elif intent.code == GIVEN_BACK:
        log.error("payment %s was given back by a person; charge %s is not booked", intent.id, answer.reference)
        _ask_person(intent, f"{answer.reference} was charged; somebody said that it was given back. Nothing was booked.")
    elif intent.state != IntentState.SUCCEEDED and is_received(intent.account_id, intent.gateway, answer.reference):
        log.error("payment %s: charge %s is in the books already", intent.id, answer.reference)
        _ask_person(intent, f"{answer.reference}: the books have it already, as a payment of its own. It pays nothing else.")
        postpone(intent, USUAL_PAUSE)
    elif intent.state != IntentState.SUCCEEDED:
        _pay(intent, answer)
    elif intent.charge_reference != answer.reference:
        log.error("payment %s was charged twice: %s and %s", intent.id, intent.charge_reference, answer.reference)
        _ask_person(
            intent,
            f"{answer.reference}: charged twice. {intent.charge_reference} is booked, this one is not: give it back.",
        )


def _pay(intent: PaymentIntent, answer: Succeeded) -> None:
    card, before, outcome = card_of(intent), IntentState(intent.state), intent.outcome
    label = methods.label(card) if card else "Payment page"
    payment = receive(
        intent.account_id, intent.gateway, answer.reference, answer.amount, answer.currency, label, intent.requested_by
    )
    pay_with(payment, intent.invoice_id)
    answered = f"{answer.reference}: ", f"{answer.reference} {questions.UNBOOKED}"
    ended = _end(intent, IntentState.SUCCEEDED, "", *answered)
    _write(intent, **ended, code="", charge_reference=answer.reference, payment_id=payment.id)
    if before not in OPEN_INTENTS:
        _came_late(intent, payment, before, outcome)


def _came_late(intent: PaymentIntent, payment: Payment, before: IntentState, outcome: str) -> None:
    """It was told that nothing was charged, so somebody may have paid again: what came is booked, and a person looks."""
    sum_ = money(payment.amount, payment.currency)
    log.error("payment %s was charged as %s after it had ended: %s", intent.id, payment.charge_reference, outcome)
    told = {"state": str(before), "outcome": outcome}
    after = {"state": str(IntentState.SUCCEEDED), "payment": str(payment.id)}
    note(intent.account_id, SYSTEM, "payment.late", f"payment/{intent.id}", before=told, after=after)
    ended = f"It had ended before ({outcome})." if outcome else "It had ended before."
    _ask_person(
        intent,
        f"{payment.charge_reference}: {sum_} was charged after all and is booked. {ended}"[:230]
        + " See whether it was paid twice, and give back what is too much.",
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
        case Declined() if answer.ours:
            _refused(intent, answer)
        case Declined():
            _declined(intent, answer)
        case ActionRequired():
            _wait_for_payer(intent, answer)
        case Unknown():
            _stay_unknown(intent, answer)


def _wait_for_payer(intent: PaymentIntent, answer: ActionRequired) -> None:
    """Until it is confirmed or paid, or its time is over, which the gateway is told then: see `collect`."""
    now = datetime.now(UTC)
    confirm_by = intent.confirm_by or now + CONFIRM_WITHIN
    page_url = answer.url or intent.page_url
    reference = intent.charge_reference if intent.on_page else answer.reference or intent.charge_reference
    told = {"page_url": page_url, "charge_reference": reference, "confirm_by": confirm_by}
    _stay_open(intent, IntentState.ACTION_REQUIRED, answer.message, **told)
    _ask_if_endless(intent)
    postpone(intent, pause_for_payer(now - (intent.charging_at or now), max(confirm_by - now, SHORT_WAIT)))


def _stay_unknown(intent: PaymentIntent, answer: Unknown) -> None:
    """Not knowing takes back nothing that is known. After an hour, a person is asked too."""
    if intent.state == IntentState.CHARGING:
        _stay_open(intent, IntentState.UNKNOWN, answer.message)
    age = datetime.now(UTC) - (intent.charging_at or intent.decided_at)
    if intent.state == IntentState.UNKNOWN and age >= PERSON_AFTER and intent.needs_person_at is None:
        _ask_person(intent, UNSAID)
    _ask_if_endless(intent)
    postpone(intent, pause_after(intent.asks))


def _ask_if_endless(intent: PaymentIntent) -> None:
    """What is to be ended, and can't be at the gateway, is put before a person."""
    over = [at for at in (intent.given_up_at, intent.confirm_by) if at is not None]
    if intent.state != IntentState.ACTION_REQUIRED or not over or intent.needs_person_at is not None:
        return
    if datetime.now(UTC) - min(over) >= PERSON_AFTER:
        _ask_person(intent, ENDLESS)


def _refused(intent: PaymentIntent, answer: Declined) -> None:
    """The gateway did not take the request: nothing was charged, the card was never asked, and the fault is with us."""
    attempts.excused(intent.account_id, key_of(intent))
    log.error("payment %s: the gateway refused the request: %s (%s)", intent.id, answer.message, answer.code)
    outcome = "It could not be sent to the payment provider. Nothing was charged; Support has been told."
    _write(intent, **_end(intent, IntentState.WITHDRAWN, outcome), code=answer.code[:60])
    _ask_person(intent, f"The gateway refuses the request itself, so see to the settings: {answer.message}")


def _declined(intent: PaymentIntent, answer: Declined) -> None:
    attempts.failed(intent.account_id, key_of(intent), answer.hard)
    values = {"outcome": answer.message[:200], "code": answer.code[:60], "is_hard": answer.hard}
    backup = _backup(intent, answer)
    if backup is not None:
        again = {"attempt": 2, "method_id": backup.id, "gateway": backup.gateway, "confirm_by": None, "page_url": ""}
        again |= {"charge_reference": "", "next_ask_at": None} | _answered(intent)
        _write(intent, state=IntentState.DECIDED, **again, **values)
        return
    # What its payer gave up is no failure; by itself it is tried again when the schedule says so, and no sooner.
    state = IntentState.WITHDRAWN if answer.code == GIVEN_UP and not intent.automatic else IntentState.DECLINED
    _write(intent, **_end(intent, state, answer.message), **{name: values[name] for name in ("code", "is_hard")})


def _end(intent: PaymentIntent, state: IntentState, outcome: str, *answered: str) -> dict[str, object]:
    """What every end of a payment writes; nobody is asked any more what it answers."""
    ended = {"state": state, "outcome": outcome[:200], "finished_at": datetime.now(UTC), "next_ask_at": None}
    return ended | _answered(intent, *answered)


def _answered(intent: PaymentIntent, *answered: str) -> dict[str, object]:
    """What is asked still once it is known what became of the charge: what is about money that was taken."""
    left = questions.without(intent.question, [UNSAID, ENDLESS, *answered]) if intent.needs_person_at else ""
    return {"question": left, "needs_person_at": intent.needs_person_at if left else None}


def _ask_person(intent: PaymentIntent, question: str) -> None:
    """Put it before a person at the desk, once for each question, beside what is asked already."""
    asked = questions.with_another(intent.question, question, is_open=intent.needs_person_at is not None)
    if asked is not None:
        _write(intent, needs_person_at=datetime.now(UTC), question=asked)


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
        if (intent.outcome, intent.code) != (outcome, WRONG_SUM):
            told = {"charge_reference": answer.reference, "code": WRONG_SUM}
            _write(intent, state=IntentState.UNKNOWN, outcome=outcome, **told)
        postpone(intent, USUAL_PAUSE)
    _ask_person(intent, f"{answer.reference}: {said} was charged instead of {meant}. Nothing was booked.")


def _write(intent: PaymentIntent, **values: object) -> None:
    PaymentIntent.objects.filter(account_id=intent.account_id, id=intent.id).update(**values)
    for name, value in values.items():
        setattr(intent, name, value)
    wake.tell(intent.account_id)
