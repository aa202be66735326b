"""What a person settles: refills of which the gateway does not tell, or tells something that can't be.

Somebody looks at the gateway's own dashboard and says what it shows, with a reason; it is written to the audit trail. A
customer may give up what waits for them.
"""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from django.db import transaction

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound
from tollbook.payments import gateway, questions, seen
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Succeeded, Unknown
from tollbook.payments.seen import Meant
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction
from tollbook.refills.send import PURPOSE, attempt_of, became
from tollbook.refills.settle import settle
from tollbook.refills.tables import OPEN_STATES, AttemptState, Refill, RefillAttempt, RefillState

Verdict = Literal["charged", "not_charged", "given_back"]
VERDICTS: dict[str, str] = {
    "charged": "It was charged, exactly the sum of this refill",
    "not_charged": "It was not charged, and can't be any more",
    "given_back": "It was charged, and I have given the money back there",
}
MOST = 100


def waiting() -> list[Refill]:
    """The refills that wait for a person at the desk, the longest waiting first. As engine; reads only."""
    return list(Refill.objects.filter(needs_person_at__isnull=False).order_by("needs_person_at")[:MOST])


def check(refill: Refill, verdict: str, reference: str, reason: str) -> None:
    """Raise what `resolve` would raise: Conflict when nothing waits, Invalid with the field."""
    if refill.needs_person_at is None:
        raise Conflict("This refill does not wait for anybody any more.")
    if verdict not in VERDICTS:
        raise Invalid("Say what the gateway's dashboard shows.", field="verdict")
    if not reason.strip():
        raise Invalid("Say what you saw; the reason stays in the audit trail.", field="reason")
    if verdict == "charged":
        _check_charged(refill, reference)
    elif verdict == "not_charged" and refill.state == RefillState.SUCCEEDED:
        raise Invalid("This refill was charged and credited; only a second charge can be given back.", field="verdict")


def resolve(
    account: Account, refill_id: UUID, verdict: str, reference: str, reason: str, actor: Actor, shown: str | None = None
) -> RefillState:
    """Settle a waiting refill by what a person saw; answers its state. Own transactions; audited.

    `shown` is the mark (`questions.mark`) of what the page asked that is answered; None: whatever is asked now.

    charged: credited as if the gateway had said so under `reference`, once, unless it says otherwise. not_charged: nothing
    is credited and the refill ends, at the gateway first, where it still waits for its holder; a charge that is told of
    later all the same is honoured. given_back: the same, but what is told of that charge later is never credited; it waits
    for a person again. Must not be called inside a transaction. Raises NotFound, Forbidden for the system, Conflict when the
    gateway says otherwise or something was told of it meanwhile, and what `check` raises.
    """
    if actor.kind == SYSTEM.kind:
        raise Forbidden("A person looks at the gateway's dashboard, never the system.")
    refill = find(account.id, refill_id)
    reference = reference.strip()
    check(refill, verdict, reference, reason)
    if shown is not None:
        questions.refuse_unseen(refill.question, shown)
    if verdict == "charged":
        _settle_charged(refill, reference)
    elif refill.state in OPEN_STATES:
        _refuse_against_the_gateway(refill, verdict)
    return in_transaction(lambda: _close(refill, verdict, reference, reason.strip(), actor))


def give_up(account: Account, refill_id: UUID, actor: Actor) -> None:
    """A person does not want a refill that is not charged yet: one that waits for their confirmation, or was just decided.

    As engine or portal, in the caller's transaction or its own; audited. The worker has the gateway cancel the charge, and
    only then the refill ends: what was confirmed a moment ago is credited. Raises NotFound, Conflict when it is too late.
    """
    with transaction.atomic():
        refill = find(account.id, refill_id)
        mine = Refill.objects.filter(account_id=account.id, id=refill_id, given_up_at__isnull=True)
        may = mine.filter(state__in=[RefillState.DECIDED, RefillState.ACTION_REQUIRED])
        if not may.update(given_up_at=datetime.now(UTC), given_up_by=actor.name):
            raise Conflict("This refill can't be given up any more.")
        note(account.id, actor, "refill.give_up", f"refill/{refill.id}", before={"state": refill.state})
        wake.tell(account.id)


def find(account_id: UUID, refill_id: UUID) -> Refill:
    """A refill of the account. Raises NotFound."""
    refill = Refill.objects.filter(account_id=account_id, id=refill_id).first()
    if refill is None:
        raise NotFound("There is no such refill.")
    return refill


def _check_charged(refill: Refill, reference: str) -> None:
    if refill.state == RefillState.SUCCEEDED:
        raise Invalid("This refill is credited already; a second charge is given back at the gateway.", field="verdict")
    if not 1 <= len(reference) <= 120:
        raise Invalid("Write the charge's name from the dashboard, up to 120 characters.", field="reference")
    if attempt_of(refill).state == AttemptState.GIVEN_BACK:
        raise Invalid("Somebody said that this money was given back; credit is added by hand now.", field="verdict")
    if questions.is_about(refill.question, reference):
        raise Invalid(
            "The gateway itself says that this charge took another sum: give it back there.", field="reference"
        )


def _settle_charged(refill: Refill, reference: str) -> None:
    """Take the charge of this name as the gateway has it, if it can be asked; else as the person has seen it."""
    meant = Meant(attempt_of(refill).gateway, refill.account_id, PURPOSE, refill.id, refill.amount, refill.currency)
    charged, attempt = seen.charged(meant, reference)
    settle(refill.account_id, refill.id, charged, attempt)


def _refuse_against_the_gateway(refill: Refill, verdict: str) -> None:
    """The gateway has the last word, while it has one: raises Conflict when it says otherwise for sure."""
    attempt = attempt_of(refill)
    answer = _ended(attempt)
    if isinstance(answer, ActionRequired):
        raise Conflict("Its card's holder can still confirm it. Cancel it at the gateway first.")
    if verdict == "not_charged" and isinstance(answer, Succeeded):
        settle(refill.account_id, refill.id, answer, attempt.attempt)
        raise Conflict(f"The gateway says that it was charged, as {answer.reference}. Look again.")
    if verdict == "given_back" and (answer is None or isinstance(answer, Declined)):
        raise Conflict("The gateway says that it was not charged, so there was nothing to give back. Look again.")


def _ended(attempt: RefillAttempt) -> ChargeAnswer | None:
    """What became of the charge, ended at the gateway first if it still waits for its holder. One that waits stays one that
    waits until the gateway has said more."""
    answer = became(attempt)
    if not isinstance(answer, ActionRequired):
        return answer
    ended = gateway.cancel(attempt.gateway, attempt.account_id, answer.reference or attempt.reference)
    return answer if isinstance(ended, Unknown) else ended


def _close(refill: Refill, verdict: str, reference: str, reason: str, actor: Actor) -> RefillState:
    mine = Refill.objects.filter(account_id=refill.account_id, id=refill.id)
    current = mine.select_for_update(no_key=True).get()
    if verdict != "charged" and _about(current) != _about(refill):
        raise Conflict("Something was told of this refill meanwhile. Look again.")
    state = _end(refill, verdict, reference, actor)
    after = {"verdict": verdict, "reference": reference, "state": state.value}
    told = {"state": refill.state, "question": refill.question}
    note(refill.account_id, actor, "refill.resolve", f"refill/{refill.id}", before=told, after=after, reason=reason)
    wake.tell(refill.account_id)
    return state


def _about(refill: Refill) -> tuple[object, ...]:
    """What a person's answer is about."""
    return refill.state, refill.attempt, refill.question, refill.needs_person_at


def _end(refill: Refill, verdict: str, reference: str, actor: Actor) -> RefillState:
    """Nothing waits any more, and what is still open was not charged. Settling a charge has ended what that answers."""
    mine = Refill.objects.filter(account_id=refill.account_id, id=refill.id)
    if verdict != "charged":
        mine.update(needs_person_at=None)
        outcome = f"{actor.name} looked: {'not charged' if verdict == 'not_charged' else 'given back'}."
        values = {"state": RefillState.WITHDRAWN, "outcome": outcome[:200], "finished_at": datetime.now(UTC)}
        ended = mine.filter(state__in=OPEN_STATES).update(**values, next_ask_at=None)
        if ended or (verdict == "given_back" and refill.state != RefillState.SUCCEEDED):
            _close_attempt(refill, verdict, reference)
    return RefillState(mine.get().state)


def _close_attempt(refill: Refill, verdict: str, reference: str) -> None:
    attempt, now = attempt_of(refill), datetime.now(UTC)
    mine = RefillAttempt.objects.filter(account_id=refill.account_id, refill_id=refill.id, attempt=attempt.attempt)
    if verdict == "given_back":
        known = reference[:120] or attempt.reference
        mine.update(state=AttemptState.GIVEN_BACK, reference=known, answered_at=now)
    else:
        mine.filter(answered_at__isnull=True).update(state=AttemptState.NEVER_RECEIVED, answered_at=now)
