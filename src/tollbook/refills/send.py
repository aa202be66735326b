"""An intent becomes a charge: once, and only if it still holds when the money would move.

Between the decision and this moment a person may have changed the rule, the operator may have switched refills off, an
adjustment may have filled the wallet. So everything is asked again under the locks, and the state `charging` and the
attempt with its idempotency key are committed before the gateway hears anything. The key comes from the installation, the
refill and its attempt, never from a job.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from tollbook.accounts.account import by_id
from tollbook.accounts.tables import Account
from tollbook.payments import attempts, found, gateway, questions
from tollbook.payments.gateway import ChargeAnswer, ChargeRequest
from tollbook.payments.method import default_of, tokens_of
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType
from tollbook.refills.brakes import Stop, first_stop_of_sending
from tollbook.refills.decide import is_due
from tollbook.refills.due import LEASE, pause_after
from tollbook.refills.facts import Facts, gather, take_turn, told
from tollbook.refills.rule import locked
from tollbook.refills.tables import Refill, RefillAttempt, RefillState
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import Locked, lock

SQL = load(__file__)

PURPOSE = "refill"

NEVER_ARRIVED_AFTER = timedelta(hours=1)
"""How long after the last sending a gateway's "no such charge" is taken for final, when it is not to be sent again."""

KEY_MARGIN = timedelta(hours=1)
"""A key is not sent again in the last hour in which the gateway says that it remembers it."""

ENDLESS = "Nobody waits for this charge any more, and the gateway does not end it. Cancel it there."

SENT = (RefillState.CHARGING, RefillState.UNKNOWN, RefillState.ACTION_REQUIRED)
UNANSWERED = (RefillState.CHARGING, RefillState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be sent to which gateway, for which attempt."""

    gateway: str
    request: ChargeRequest
    attempt: int


def begin(account_id: UUID, refill_id: UUID) -> Charge | None:
    """Commit `decided → charging` and answer what to send; None when it was withdrawn or somebody else began it.

    Own transaction. Locks the wallet, its rule, the card, takes the turn to decide, then the refill's row by the guarded
    update.
    """
    return in_transaction(lambda: _begin(account_id, refill_id))


def begin_again(account_id: UUID, refill_id: UUID) -> Charge | None:
    """The same for a charge the gateway has no record of and has never told of: send it again under the same key, if it
    still holds and while the gateway remembers keys for sure.

    If it does not hold, it stays open while what was sent last could still arrive (`NEVER_ARRIVED_AFTER`), and is then
    withdrawn. A key that may be forgotten, counted from when it was sent first, is never sent again: the refill ends, and a
    wallet that is still due gets a new one.
    """
    return in_transaction(lambda: _begin_again(account_id, refill_id))


def claim(account_id: UUID, refill_id: UUID) -> Refill | None:
    """Take the turn to speak to the gateway about a refill that was sent; None when it is somebody else's, or too early.
    Own transaction; no locks beyond the guarded update."""

    def work() -> Refill | None:
        with connection.cursor() as cursor:
            cursor.execute(SQL["claim"], {"account_id": account_id, "id": refill_id, "lease": LEASE})
            mine = cursor.rowcount == 1
        return _find(account_id, refill_id) if mine else None

    return in_transaction(work)


def became(attempt: RefillAttempt) -> ChargeAnswer | None:
    """Ask the gateway what became of an attempt; None only if it never received it, for sure. Not inside a transaction."""
    return found.became(
        attempt.gateway,
        attempt.account_id,
        attempt.idempotency_key,
        attempt.reference,
        was_told=attempt.answered_at is not None,
    )


def attempt_of(refill: Refill, number: int | None = None) -> RefillAttempt:
    """One attempt of a refill that was sent; the newest without a number."""
    mine = RefillAttempt.objects.filter(account_id=refill.account_id, refill_id=refill.id)
    return mine.get(attempt=number) if number else mine.latest("attempt")


def card_of(attempt: RefillAttempt) -> PaymentMethod:
    """The card that was attempted, even when it was removed since."""
    return PaymentMethod.objects.get(account_id=attempt.account_id, id=attempt.method_id)


def chosen_card(refill: Refill) -> PaymentMethod | None:
    """The card that a decision is to be sent to, unless it was removed since."""
    if refill.method_id is None:
        return default_of(refill.account_id)
    cards = PaymentMethod.objects.filter(account_id=refill.account_id, id=refill.method_id, removed_at__isnull=True)
    return cards.first()


def _begin(account_id: UUID, refill_id: UUID) -> Charge | None:
    account, refill, wallet = _locked(account_id, refill_id)
    if refill.state != RefillState.DECIDED or questions.waits_unbooked(refill):
        return None  # a charge of an earlier attempt that waits to be booked is this decision's money
    card = chosen_card(refill)
    facts, problem = _checked(account, refill, wallet, card)
    if card is None:
        problem = problem or Stop("card_removed", "The card was removed before it was charged.")
    if problem or card is None:
        _take_back(refill, problem.reason if problem else "")
        return None
    return _charging(refill, wallet, card, facts)


def _begin_again(account_id: UUID, refill_id: UUID) -> Charge | None:
    account, refill, wallet = _locked(account_id, refill_id)
    attempt = attempt_of(refill)
    if refill.state not in UNANSWERED or attempt.answered_at is not None:
        return None  # the gateway has told of it: it was received
    card = card_of(attempt)
    since_first, since_last = refill.asked_at - attempt.first_sent_at, refill.asked_at - attempt.sent_at
    _, problem = _checked(account, refill, wallet, card)
    if card.removed_at is not None:
        problem = Stop("card_removed", "The card was removed.")
    if since_first >= gateway.remembers(card.gateway) - KEY_MARGIN:
        problem = Stop("key_too_old", "It is too long ago to send it again.")
    if problem is None:
        return _charging_again(refill, wallet, card, attempt)
    if since_last > NEVER_ARRIVED_AFTER:
        _withdraw(refill, UNANSWERED, f"The gateway never received the charge. {problem.reason}")
    else:
        postpone(refill, pause_after(refill.asks, since_first))
    return None


def questions_left(refill: Refill, *answered: str) -> dict[str, object]:
    """What is asked still once it is known what became of the charge: what is about money that was taken."""
    left = questions.without(refill.question, [questions.UNSAID, ENDLESS, *answered]) if refill.needs_person_at else ""
    return {"question": left, "needs_person_at": refill.needs_person_at if left else None}


def postpone(refill: Refill, pause: timedelta) -> None:
    """Ask about it again after `pause` from now on, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["postpone"], {"account_id": refill.account_id, "id": refill.id, "pause": pause})


def _locked(account_id: UUID, refill_id: UUID) -> tuple[Account, Refill, Locked]:
    """Read everything under the wallet's lock, which settling takes too."""
    refill = _find(account_id, refill_id)
    type_code = Wallet.objects.values_list("type_code", flat=True).get(account_id=account_id, id=refill.wallet_id)
    wallet = lock(account_id, [type_code])[type_code]
    return by_id(account_id), _find(account_id, refill_id), wallet


def _checked(account: Account, refill: Refill, wallet: Locked, card: PaymentMethod | None) -> tuple[Facts, Stop | None]:
    """The facts now, and why the refill must not be sent: it does not hold any more, or a brake."""
    rule = locked(account.id, wallet.id)
    if card is not None:
        _lock_card(card)
    take_turn()
    facts = gather(account, wallet.id, rule, card, refill.amount, automatic=refill.automatic, but_not=refill.id)
    return facts, _outdated(refill, wallet, facts) or (first_stop_of_sending(facts) if card else None)


def _outdated(refill: Refill, wallet: Locked, facts: Facts) -> Stop | None:
    if refill.given_up_at is not None:
        return Stop("given_up", f"{refill.given_up_by} gave it up.")
    if not refill.automatic:
        return None
    if facts.rule is None or not facts.rule.automatic:
        return Stop("rule_off", "Automatic refill was switched off before the card was charged.")
    if facts.rule.version != (refill.rule or {}).get("version"):
        return Stop("rule_changed", "The rule was changed before the card was charged.")
    if not is_due(wallet, facts.rule):
        return Stop("not_due", "The wallet was filled otherwise before the card was charged.")
    return None


def _charging(refill: Refill, wallet: Locked, card: PaymentMethod, facts: Facts) -> Charge | None:
    key = gateway.key_of(PURPOSE, refill.id, refill.attempt)
    if not _mark(refill, card, (RefillState.DECIDED,)):
        return None
    values = {
        "account_id": refill.account_id,
        "refill_id": refill.id,
        "attempt": refill.attempt,
        "method_id": card.id,
        "gateway": card.gateway,
        "token": card.token,
        "idempotency_key": key,
        "facts": json.dumps(told(facts)),
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL["attempt"], values)
    attempts.begin(card, key)
    return _charge(refill, wallet, card, key, refill.attempt)


def _charging_again(refill: Refill, wallet: Locked, card: PaymentMethod, attempt: RefillAttempt) -> Charge | None:
    if not _mark(refill, card, UNANSWERED):
        return None
    values = {"account_id": refill.account_id, "refill_id": refill.id, "attempt": attempt.attempt}
    with connection.cursor() as cursor:
        cursor.execute(SQL["attempt_again"], values)
    return _charge(refill, wallet, card, attempt.idempotency_key, attempt.attempt)


def _mark(refill: Refill, card: PaymentMethod, states: tuple[RefillState, ...]) -> bool:
    """The guarded step; whether it was ours."""
    values = {
        "account_id": refill.account_id,
        "id": refill.id,
        "method_id": card.id,
        "states": list(states),
        "lease": LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL["charging"], values)
        mine = cursor.rowcount == 1
    if mine:
        wake.tell(refill.account_id)
    return mine


def _charge(refill: Refill, wallet: Locked, card: PaymentMethod, key: str, attempt: int) -> Charge:
    name = CreditType.objects.get(code=wallet.type_code).name
    request = ChargeRequest(
        account_id=refill.account_id,
        idempotency_key=key,
        token=card.token,
        amount=refill.amount,
        currency=refill.currency,
        description=f"{name} refill",
        purpose=PURPOSE,
        our_id=str(refill.id),
        attempt=attempt,
    )
    return Charge(card.gateway, request, attempt)


def _take_back(refill: Refill, reason: str) -> None:
    """A decision that is not sent: withdrawn; or, when its first card was declined already, declined."""
    if refill.attempt == 1:
        _withdraw(refill, (RefillState.DECIDED,), reason)
        return
    outcome = f"{attempt_of(refill).message} The backup card was not charged: {reason}"
    _end(refill, "decline", (RefillState.DECIDED,), outcome)


def _withdraw(refill: Refill, states: tuple[RefillState, ...], reason: str) -> None:
    _end(refill, "withdraw", states, reason)
    values = {"account_id": refill.account_id, "refill_id": refill.id}
    with connection.cursor() as cursor:
        cursor.execute(SQL["never_received"], values)
    attempts.excused(refill.account_id, gateway.key_of(PURPOSE, refill.id, refill.attempt))


def _end(refill: Refill, name: str, states: tuple[RefillState, ...], outcome: str) -> None:
    values = {"account_id": refill.account_id, "id": refill.id, "outcome": outcome[:200], "states": list(states)}
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values | questions_left(refill))
    wake.tell(refill.account_id)


def _lock_card(card: PaymentMethod) -> None:
    """Charges of one card begin one after another, so that its attempts are counted exactly."""
    cards = PaymentMethod.objects.select_for_update(no_key=True)
    same = {"account_id": card.account_id, "gateway": card.gateway, "token__in": tokens_of(card)}
    list(cards.filter(**same).order_by("id"))


def _find(account_id: UUID, refill_id: UUID) -> Refill:
    return Refill.objects.get(account_id=account_id, id=refill_id)
