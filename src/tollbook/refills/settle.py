"""A gateway's answer becomes what it means, once, whoever brings it: the charge's own answer, a look-up, a webhook.

The state of the refill decides under the wallet's lock (akash #3449, AutoGPT #10672: a check outside the lock credited
twice). A success is honoured in whatever state it finds the refill, because the money was taken.
"""

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import OperationalError

from tollbook.accounts.account import by_id, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.settle import settle as apply
from tollbook.invoicing.tables import InvoiceKind
from tollbook.money.written import money
from tollbook.payments import attempts, questions
from tollbook.payments.gateway import CANCELED, ActionRequired, ChargeAnswer, Declined, Succeeded, Unknown
from tollbook.payments.method import backup_of, label, printed, tokens_of
from tollbook.payments.questions import UNSAID
from tollbook.payments.receive import is_received, receive
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType
from tollbook.refills import stops
from tollbook.refills.due import CONFIRM_PAUSE, CONFIRM_WITHIN, LONG_PAUSE, PERSON_AFTER, USUAL_PAUSE, pause_after
from tollbook.refills.send import ENDLESS, attempt_of, card_of, postpone, questions_left
from tollbook.refills.tables import OPEN_STATES, AttemptState, Refill, RefillAttempt, RefillState
from tollbook.wallets.credit import fund
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import Locked, code_of, lock

log = logging.getLogger(__name__)
REFUSES = "The gateway refuses the request itself"


def settle(account_id: UUID, refill_id: UUID, answer: ChargeAnswer, attempt: int | None = None) -> RefillState:
    """Take a gateway's answer about a refill that was sent; answers the refill's state. Safe to repeat, in any order.

    `attempt` is the one that the answer is about (None: the newest). Own transaction. Locks the wallet, the refill, then
    what invoicing locks. A success receives the payment, credits the wallet, issues the invoice, which is Paid at birth,
    and settles it, all or nothing; one that can't be booked is put before a person. A decline that another card can cure
    lets the backup card be tried, once.
    """
    try:
        return in_transaction(lambda: _settle(account_id, refill_id, answer, attempt))
    except OperationalError:
        raise  # the database is away: somebody asks again
    except Exception as error:
        if isinstance(answer, Succeeded):
            question = questions.unbooked(answer.reference, error)
            in_transaction(lambda: _not_booked(account_id, refill_id, attempt, answer.reference, question))
        raise


def _not_booked(account_id: UUID, refill_id: UUID, number: int | None, reference: str, question: str) -> None:
    """Put it before a person, and remember that the gateway has told of the charge: it is never taken for lost."""
    refill = Refill.objects.select_for_update(no_key=True).filter(account_id=account_id, id=refill_id).first()
    if refill is not None:
        mine = RefillAttempt.objects.filter(account_id=account_id, refill_id=refill_id, answered_at__isnull=True)
        told = {"answered_at": datetime.now(UTC), "reference": reference[:120]}
        mine.filter(attempt=number or refill.attempt).update(**told)
        _ask_person(refill, question)
        if refill.state in OPEN_STATES:
            postpone(refill, USUAL_PAUSE)


def is_over(refill: Refill) -> bool:
    """Whether its card's holder is not waited for any longer: somebody gave it up, or the time to confirm it is over.

    That alone ends nothing, for the holder may confirm it at this moment: the gateway has to end the charge.
    """
    over_since = _over_since(refill)
    return over_since is not None and over_since <= datetime.now(UTC)


def _over_since(refill: Refill) -> datetime | None:
    return refill.given_up_at or refill.confirm_by


def _settle(account_id: UUID, refill_id: UUID, answer: ChargeAnswer, number: int | None) -> RefillState:
    wallet_id = Refill.objects.values_list("wallet_id", flat=True).get(account_id=account_id, id=refill_id)
    type_code = Wallet.objects.values_list("type_code", flat=True).get(account_id=account_id, id=wallet_id)
    wallet = lock(account_id, [type_code])[type_code]
    refill = Refill.objects.select_for_update(no_key=True).get(account_id=account_id, id=refill_id)
    attempt = attempt_of(refill, number)
    _take_down(attempt, answer)
    if isinstance(answer, Succeeded):
        _succeeded(refill, attempt, wallet, answer)
    elif attempt.attempt == refill.attempt and refill.state in OPEN_STATES:
        if attempt.state == AttemptState.SUCCEEDED:
            postpone(refill, LONG_PAUSE)  # a wrong sum was taken: only a person ends it, or the right sum
        else:
            _not_succeeded(refill, attempt, answer)
    return RefillState(refill.state)


def _take_down(attempt: RefillAttempt, answer: ChargeAnswer) -> None:
    """What the gateway said stands with the attempt. A success stands for ever, as does what a person gave back, and not
    knowing hides no other answer."""
    is_final = attempt.state in (AttemptState.SUCCEEDED, AttemptState.GIVEN_BACK)
    if is_final or (isinstance(answer, Unknown) and attempt.answered_at is not None):
        return
    values: dict[str, Any] = {"answered_at": datetime.now(UTC)}
    match answer:
        case Succeeded():
            values |= {"state": AttemptState.SUCCEEDED, "reference": answer.reference, "message": ""}
        case Declined():
            values |= {"state": AttemptState.DECLINED, "code": answer.code[:80], "hard": answer.hard}
        case ActionRequired():
            values |= {"state": AttemptState.ACTION_REQUIRED, "reference": answer.reference}
        case Unknown():
            values = {"state": AttemptState.UNKNOWN}
    if not isinstance(answer, Succeeded):
        values["message"] = answer.message[:300]
    mine = RefillAttempt.objects.filter(account_id=attempt.account_id, refill_id=attempt.refill_id)
    mine.filter(attempt=attempt.attempt).update(**values)
    is_ours = isinstance(answer, Declined) and answer.ours
    if is_ours:
        log.error("refill %s: the gateway refused the request: %s", attempt.refill_id, values["message"])
    if is_ours or isinstance(answer, Succeeded):
        attempts.excused(attempt.account_id, attempt.idempotency_key)
    elif isinstance(answer, Declined | ActionRequired):
        attempts.failed(attempt.account_id, attempt.idempotency_key, values.get("hard", False))


def _not_succeeded(refill: Refill, attempt: RefillAttempt, answer: ChargeAnswer) -> None:
    """An answer about the newest attempt of an open refill."""
    match answer:
        case Declined():
            _declined(refill, attempt, answer)
        case ActionRequired():
            _wait_for_holder(refill, answer)
        case Unknown():
            _stay_unknown(refill, attempt, answer)


def _declined(refill: Refill, attempt: RefillAttempt, answer: Declined) -> None:
    if answer.code == CANCELED and is_over(refill):
        _write(refill, **_ended(refill, *_end_of_waiting(refill)))
        return
    if answer.ours:
        _refused(refill, answer)
        return
    backup = _backup(refill, attempt, answer)
    if backup is None:
        _write(refill, **_ended(refill, RefillState.DECLINED, answer.message))
        return
    outcome = f"{label(card_of(attempt))}: {answer.message} {label(backup)} is charged instead."
    _write(
        refill,
        state=RefillState.DECIDED,
        attempt=attempt.attempt + 1,
        method_id=backup.id,
        outcome=outcome[:200],
        next_ask_at=None,
        asks=0,
        confirm_by=None,
        confirm_url="",
        **questions_left(refill),
    )


def _refused(refill: Refill, answer: Declined) -> None:
    """The gateway did not take the request: nothing was charged, no bank was asked, and the fault is with us."""
    outcome = "It could not be sent to the payment provider. Nothing was charged; Support has been told."
    state = RefillState.WITHDRAWN if refill.attempt == 1 else RefillState.DECLINED
    _write(refill, **_ended(refill, state, outcome))
    question = f"{REFUSES}, so see to the settings: {answer.message}"
    waiting = Refill.objects.filter(account_id=refill.account_id, needs_person_at__isnull=False)
    if not waiting.filter(question__startswith=question[:100]).exists():
        _ask_person(refill, question)


def _backup(refill: Refill, attempt: RefillAttempt, answer: Declined) -> PaymentMethod | None:
    """The card to try once more with, if the reason lies with the first one and nobody gave the refill up."""
    if attempt.attempt > 1 or not answer.curable_by_other_card or refill.given_up_at is not None:
        return None
    backup = backup_of(refill.account_id)
    if backup is None or (backup.gateway == attempt.gateway and attempt.token in tokens_of(backup)):
        return None
    return backup


def _wait_for_holder(refill: Refill, answer: ActionRequired) -> None:
    """Until the card's holder confirms, or the gateway has ended it (see `is_over`)."""
    confirm_by = refill.confirm_by or datetime.now(UTC) + CONFIRM_WITHIN
    values = {"state": RefillState.ACTION_REQUIRED, "outcome": answer.message[:200], "confirm_by": confirm_by}
    values["confirm_url"] = answer.url or refill.confirm_url
    changed = any(getattr(refill, name) != value for name, value in values.items())
    if changed:
        _write(refill, **values)
    _ask_person_to_end(refill)
    postpone(refill, CONFIRM_PAUSE)


def _end_of_waiting(refill: Refill) -> tuple[RefillState, str]:
    if refill.given_up_at is not None:
        return RefillState.WITHDRAWN, f"{refill.given_up_by} gave it up."
    return RefillState.DECLINED, "Nobody confirmed the payment in time."


def _ask_person_to_end(refill: Refill) -> None:
    """A charge that the gateway does not end within an hour keeps its wallet from every other refill."""
    over_since = _over_since(refill)
    if over_since is None or refill.needs_person_at is not None:
        return
    if datetime.now(UTC) - over_since >= PERSON_AFTER:
        _ask_person(refill, ENDLESS)


def _stay_unknown(refill: Refill, attempt: RefillAttempt, answer: Unknown) -> None:
    """Not knowing takes back nothing that is known. After an hour, a person is asked too."""
    age = datetime.now(UTC) - attempt.first_sent_at
    if refill.state == RefillState.CHARGING:
        _write(refill, state=RefillState.UNKNOWN, outcome=answer.message[:200])
    if age >= PERSON_AFTER and refill.needs_person_at is None and refill.state == RefillState.UNKNOWN:
        _ask_person(refill, UNSAID)
    _ask_person_to_end(refill)
    postpone(refill, pause_after(refill.asks, age))


def _succeeded(refill: Refill, attempt: RefillAttempt, wallet: Locked, answer: Succeeded) -> None:
    if (answer.amount, answer.currency) != (refill.amount, refill.currency):
        _alarm(refill, answer)
    elif attempt.state == AttemptState.GIVEN_BACK:
        log.error("refill %s: charge %s is said to be given back, and succeeded", refill.id, answer.reference)
        _ask_person(refill, f"{answer.reference} was charged; somebody said that it was given back. Nothing was credited.")
    elif refill.state != RefillState.SUCCEEDED and is_received(refill.account_id, attempt.gateway, answer.reference):
        log.error("refill %s: charge %s is in the books already", refill.id, answer.reference)
        _ask_person(refill, f"{answer.reference}: the books have it already, as a payment of its own. Nothing was credited.")
        if refill.state in OPEN_STATES:
            postpone(refill, LONG_PAUSE)
    elif refill.state != RefillState.SUCCEEDED:
        _credit(refill, attempt, wallet, answer)
    elif refill.charge_reference != answer.reference:
        log.error("refill %s was charged twice: %s and %s", refill.id, refill.charge_reference, answer.reference)
        _ask_person(refill, f"Charged twice: {refill.charge_reference} was credited, {answer.reference} was not.")


def _credit(refill: Refill, attempt: RefillAttempt, wallet: Locked, answer: Succeeded) -> None:
    """Everything a success means. The invoice comes last but one: its number's lock is everybody's."""
    account, card = by_id(refill.account_id), card_of(attempt)
    name = CreditType.objects.get(code=wallet.type_code).name
    payment = receive(
        account.id, card.gateway, answer.reference, answer.amount, answer.currency, label(card), SYSTEM.name
    )
    fund(account.id, wallet, refill.amount, str(refill.id), f"{name} refill by {label(card)}", refill.requested_by)
    lock_settlements(account.id)
    invoice = issue(account, _draft(account, refill, wallet, name, card))
    apply(account.id, invoice.id, payment.id, refill.amount)
    answered = (f"{answer.reference}: ", f"{answer.reference} {questions.UNBOOKED}", REFUSES)
    _write(
        refill,
        **_ended(refill, RefillState.SUCCEEDED, "", *answered),
        method_id=card.id,
        charge_reference=answer.reference,
        invoice_id=invoice.id,
    )
    stops.clear(account.id, wallet.id)


def _draft(account: Account, refill: Refill, wallet: Locked, name: str, card: PaymentMethod) -> Draft:
    today = today_in(account)
    line = DraftLine(
        description=f"{name}: prepaid credit",
        detail="Automatic refill" if refill.automatic else f"Refill asked for by {refill.requested_by}",
        quantity=Decimal(1),
        unit_price=refill.amount,
        amount=refill.amount,
        revenue_code=code_of(wallet.type_code, "paid"),
    )
    paid = f"Paid {today:%b} {today.day}, {today.year} by {printed(card)}"
    return Draft(InvoiceKind.REFILL, str(refill.id), today, [line], due_on=today, payment_note=paid, actor=SYSTEM.name)


def _ended(refill: Refill, state: RefillState, outcome: str, *answered: str) -> dict[str, Any]:
    """What every end of a refill writes; nobody is asked any more what it answers."""
    return {
        "state": state,
        "outcome": outcome[:200],
        "finished_at": datetime.now(UTC),
        "next_ask_at": None,
        "confirm_url": "",
        **questions_left(refill, *answered),
    }


def _alarm(refill: Refill, answer: Succeeded) -> None:
    """The gateway says another sum was charged: nothing is credited, and a person must look."""
    said, meant = money(answer.amount, answer.currency), money(refill.amount, refill.currency)
    log.error("refill %s: charge %s took %s instead of %s", refill.id, answer.reference, said, meant)
    outcome = f"The gateway says it charged {said} instead of {meant}. Nothing was credited; Support has to look."
    if refill.state in OPEN_STATES:
        if refill.outcome != outcome:
            _write(refill, state=RefillState.UNKNOWN, outcome=outcome)
        postpone(refill, LONG_PAUSE)
    _ask_person(refill, f"{answer.reference}: {said} was charged instead of {meant}. Nothing was credited.")


def _ask_person(refill: Refill, question: str) -> None:
    """Put it before a person at the desk, once for each question, beside what is asked already."""
    asked = questions.with_another(refill.question, question, is_open=refill.needs_person_at is not None)
    if asked is not None:
        _write(refill, needs_person_at=datetime.now(UTC), question=asked)


def _write(refill: Refill, **values: Any) -> None:
    Refill.objects.filter(account_id=refill.account_id, id=refill.id).update(**values)
    for name, value in values.items():
        setattr(refill, name, value)
    wake.tell(refill.account_id)
