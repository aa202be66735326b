"""What a person settles: payments of which the gateway does not tell, or tells something that can't be.

Somebody looks at the gateway's own dashboard and says what it shows, with a reason; it is written to the audit trail. The
gateway is asked once more before, and what it says for sure counts more than what anybody saw.
"""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Forbidden, Invalid
from tollbook.invoicing.settle import lock_settlements
from tollbook.payments import collect, intent, questions, seen
from tollbook.payments.captured import settle
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Succeeded
from tollbook.payments.seen import Meant
from tollbook.payments.tables import OPEN_INTENTS, IntentState, PaymentIntent
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction

Verdict = Literal["charged", "not_charged", "given_back", "dealt_with"]
OPEN_VERDICTS: dict[str, str] = {
    "charged": "It was charged, exactly the sum of this payment",
    "not_charged": "It was not charged, and can't be any more",
    "given_back": "It was charged, and I have given the money back there",
}
ENDED_VERDICTS: dict[str, str] = {"dealt_with": "I have seen to it, as the reason says"}
LONGEST_REFERENCE = 120
MOST = 100


def waiting() -> list[PaymentIntent]:
    """The payments that wait for a person at the desk, the longest waiting first. As engine; reads only."""
    return list(PaymentIntent.objects.filter(needs_person_at__isnull=False).order_by("needs_person_at")[:MOST])


def verdicts(asked: PaymentIntent) -> dict[str, str]:
    """What can be said of it: what became of the money while it is open; that it was seen to, when it has ended, or that
    the money of a charge that is not booked yet was given back."""
    if asked.state in OPEN_INTENTS:
        return OPEN_VERDICTS
    if asked.state != IntentState.SUCCEEDED and questions.waits_unbooked(asked):
        return ENDED_VERDICTS | {"given_back": OPEN_VERDICTS["given_back"]}
    return ENDED_VERDICTS


def check(asked: PaymentIntent, verdict: str, reference: str, reason: str) -> None:
    """Raise what `resolve` would raise without asking the gateway: Conflict, Invalid with the field. Reads only."""
    if asked.needs_person_at is None:
        raise Conflict("This payment does not wait for anybody any more.")
    if verdict not in verdicts(asked):
        raise Invalid("Say what the gateway's dashboard shows.", field="verdict")
    if not reason.strip():
        raise Invalid("Say what you saw; the reason stays in the audit trail.", field="reason")
    if verdict != "charged":
        return
    if not 1 <= len(reference.strip()) <= LONGEST_REFERENCE:
        raise Invalid("Write the charge's name from the dashboard, up to 120 characters.", field="reference")
    if questions.is_about(asked.question, reference.strip()):
        raise Invalid("The gateway itself says that this charge took another sum: give it back there.", field="reference")


def resolve(
    account: Account, id: UUID, verdict: str, reference: str, reason: str, actor: Actor, shown: str | None = None
) -> IntentState:
    """Settle a waiting payment by what a person saw; answers its state. Audited.

    `shown` is the mark (`questions.mark`) of what the page asked that is answered; None: whatever is asked now.

    charged: received as if the gateway had said so under `reference`, once, unless it says otherwise. not_charged: ended at
    the gateway first, where it still waits for its payer; a charge that is told of later all the same is booked, and put
    before a person again. given_back: the same, but what is told of that charge later is never booked. dealt_with: only the
    question is answered. Own transactions; must not be called inside one. Raises NotFound, Forbidden for the system,
    Conflict when the gateway says otherwise or something else was asked meanwhile, and what `check` raises.
    """
    if actor.kind == SYSTEM.kind:
        raise Forbidden("A person looks at the gateway's dashboard, never the system.")
    asked, reference = intent.find(account.id, id), reference.strip()
    check(asked, verdict, reference, reason)
    if shown is not None:
        questions.refuse_unseen(asked.question, shown)
    if verdict == "charged":
        meant = Meant(asked.gateway, account.id, intent.PURPOSE, id, asked.amount, asked.currency)
        charged, attempt = seen.charged(meant, reference)
        settle(account.id, id, attempt or asked.attempt, charged)
    elif asked.state in OPEN_INTENTS and verdict in ("not_charged", "given_back"):
        _refuse_against_the_gateway(asked, verdict)
    return in_transaction(lambda: _close(asked, verdict, reference, reason.strip(), actor))


def _refuse_against_the_gateway(asked: PaymentIntent, verdict: str) -> None:
    """The gateway has the last word, while it has one: raises Conflict when it says otherwise for sure."""
    answer: ChargeAnswer | None = collect.end(asked)
    if isinstance(answer, ActionRequired):
        raise Conflict("Its payer can still pay it. Cancel it at the gateway first.")
    if verdict == "not_charged" and isinstance(answer, Succeeded):
        settle(asked.account_id, asked.id, asked.attempt, answer)
        raise Conflict(f"The gateway says that it was charged, as {answer.reference}. Look again.")
    if verdict == "given_back" and (answer is None or isinstance(answer, Declined)):
        raise Conflict("The gateway says that it was not charged, so there was nothing to give back. Look again.")


def _close(asked: PaymentIntent, verdict: str, reference: str, reason: str, actor: Actor) -> IntentState:
    """Nothing waits any more; what is still open was not charged. The question stays, so that it is not asked again."""
    lock_settlements(asked.account_id)
    mine = PaymentIntent.objects.filter(account_id=asked.account_id, id=asked.id)
    if verdict != "charged" and _about(mine.get()) != _about(asked):
        raise Conflict("Something was told of this payment meanwhile. Look again.")
    if verdict in ("not_charged", "given_back"):
        said = "not charged" if verdict == "not_charged" else "given back"
        ended = {"state": IntentState.WITHDRAWN, "outcome": f"{actor.name} looked: {said}."[:200], "code": verdict}
        mine.filter(state__in=OPEN_INTENTS).update(**ended, finished_at=datetime.now(UTC), next_ask_at=None)
        if verdict == "given_back":  # of one that had ended before, too: what is told of that charge later is never booked
            mine.exclude(state=IntentState.SUCCEEDED).update(code=verdict)
    if verdict != "charged":  # settling it has ended what that answers
        mine.update(needs_person_at=None)
    state = IntentState(mine.get().state)
    before = {"state": str(asked.state), "question": asked.question}
    after = {"verdict": verdict, "reference": reference, "state": str(state)}
    note(asked.account_id, actor, "payment.resolve", f"payment/{asked.id}", before=before, after=after, reason=reason)
    wake.tell(asked.account_id)
    return state


def _about(asked: PaymentIntent) -> tuple[object, ...]:
    """What a person's answer is about."""
    return asked.state, asked.attempt, asked.question, asked.needs_person_at
