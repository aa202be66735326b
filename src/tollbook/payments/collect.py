"""Invoices paid by card, moved on step by step: asked for by a person, or by themselves on the dunning schedule.

Killed anywhere and run again, the result is the same: what was sent is asked for at the gateway, never guessed, and only a
charge of which the gateway has no record is sent again, under the same key, while the gateway would still recognise it.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TypeVar
from uuid import UUID

from django.db import OperationalError, connection

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import SYSTEM, Actor
from tollbook.accounts.tables import Account
from tollbook.errors import Refused
from tollbook.payments import credit, dunning, gateway, intent
from tollbook.payments import method as methods
from tollbook.payments.asking import CONFIRM_WITHIN, LEASE, SHORT_WAIT, pause_after
from tollbook.payments.captured import GIVEN_UP, settle
from tollbook.payments.dunning import Due
from tollbook.payments.found import became
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Unknown
from tollbook.payments.intent import Charge, Wish
from tollbook.payments.tables import IntentState, PaymentIntent
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
log = logging.getLogger(__name__)

LIMIT = 200
STALE_PAGE = timedelta(minutes=5)
"""A payment page that was asked for and not opened within this time never will be."""

SENT = (IntentState.CHARGING, IntentState.UNKNOWN, IntentState.ACTION_REQUIRED)
_Item = TypeVar("_Item")


def ask(account: Account, wish: Wish, actor: Actor) -> PaymentIntent:
    """As `intent.ask`: commit the wish; the worker, or `step`, charges it."""
    return intent.ask(account, wish, actor)


def step(account_id: UUID, intent_id: UUID) -> bool:
    """Move one payment on as far as it goes now; whether anything was done. Must not be called inside a transaction."""
    found = intent.find(account_id, intent_id)
    if found.state == IntentState.DECIDED:
        return _close_stale(found) if found.on_page else _charge(found, intent.begin(account_id, intent_id))
    if found.state in SENT and _claim(account_id, intent_id):
        return _resolve(intent.find(account_id, intent_id))  # as it is now: it may have been given up a moment ago
    return False


def open_page(account_id: UUID, intent_id: UUID, return_url: str) -> str:
    """The address of the gateway's page where an intent without a card is paid; opened once, then the same again.

    Must not be called inside a transaction. Raises Conflict when it can't be paid any more, gateway.Unreachable.
    """
    charge = intent.begin(account_id, intent_id)
    if charge is not None:
        try:
            page = gateway.pay_page(charge.gateway, charge.request, return_url)
        except Refused as refusal:
            # Whatever was opened, nobody was told where: it can't be paid.
            intent.withdraw(intent.find(account_id, intent_id), refusal.message)
            raise
        _write_page(account_id, intent_id, page.url, page.reference)
    found = intent.find(account_id, intent_id)
    if not found.page_url:
        raise intent.PaymentUnderWay("This payment can't be made on a page any more.", payment=str(intent_id))
    return found.page_url


def confirm_page(account_id: UUID, intent_id: UUID, return_url: str) -> str | None:
    """The address of the page where the card's holder confirms a charge; None when nothing is to be confirmed any more.

    Must not be called inside a transaction.
    """
    found = intent.find(account_id, intent_id)
    if found.state != IntentState.ACTION_REQUIRED:
        return None
    if found.on_page or not found.charge_reference:
        return found.page_url or None
    answer = gateway.confirm(found.gateway, account_id, found.charge_reference, return_url)
    settle(account_id, intent_id, found.attempt, answer)
    again = intent.find(account_id, intent_id)
    return again.page_url or None if again.state == IntentState.ACTION_REQUIRED else None


def give_up(account: Account, intent_id: UUID, actor: Actor) -> IntentState:
    """A person does not want a payment that is not made yet: it is ended at the gateway at once, or as soon as that can be
    reached; answers its state. What was paid a moment ago stays paid.

    Must not be called inside a transaction. Audited. Raises NotFound, Conflict when it is too late.
    """
    intent.give_up(account.id, intent_id, actor)
    step(account.id, intent_id)
    return IntentState(intent.find(account.id, intent_id).state)


def settle_by(account_id: UUID, our_id: UUID | str) -> IntentState | None:
    """Something is said to have happened to the charge of this intent: ask the gateway what, and settle that.

    For webhooks, and for who comes back from the gateway's page. None when it is not one of ours. Must not be called inside
    a transaction. Safe to repeat, early or late: the state of the charge now decides, not the order of messages.
    """
    found = PaymentIntent.objects.filter(account_id=account_id, id=our_id).first()
    if found is None:
        return None
    if found.state != IntentState.DECIDED:
        answer = _asked(found)
        if answer is not None:
            return settle(account_id, found.id, found.attempt, answer)
    return IntentState(found.state)


def settle_by_reference(account_id: UUID, name: str, reference: str) -> IntentState | None:
    """The same by the gateway's own name of a charge that an answer has told us; None when there is no such intent."""
    mine = PaymentIntent.objects.filter(account_id=account_id, gateway=name)
    found = mine.filter(charge_reference=reference).first() or mine.filter(page_reference=reference).first()
    return settle_by(account_id, found.id) if found else None


def run_due(stop: Event | None = None) -> int:
    """Do everything that is due, up to `LIMIT` of each: unfinished payments, credit that could be used, the schedule.

    Safe with any number of others doing the same. What fails for one keeps no other from its turn.
    """
    stop = stop or Event()
    moved = _each(stop, _unfinished(), lambda one: step(*one))
    return moved + credit.use_everywhere() + _each(stop, dunning.due(LIMIT), collect)


def collect(due: Due) -> bool:
    """Charge what is due on an invoice to the account's default card, as the schedule says; whether it was tried."""
    account, card = by_id(due.account_id), methods.default_of(due.account_id)
    if card is None:
        return False
    reason = f"Try {due.tries + 1} of {due.of}, {due.day} days after it was issued."
    wish = Wish(due.invoice_id, due.balance, card.id, due.balance, reason, automatic=True, request_key=due.request_key)
    try:
        asked = intent.ask(account, wish, SYSTEM)
    except Refused as refusal:
        log.info("invoice %s is not collected: %s", due.invoice_id, refusal.message)
        return False
    step(account.id, asked.id)
    if intent.find(account.id, asked.id).state == IntentState.DECIDED:  # declined, and there is a backup card
        step(account.id, asked.id)
    return True


def _each(stop: Event, items: Iterable[_Item], work: Callable[[_Item], bool]) -> int:
    done = 0
    for item in items:
        if stop.is_set():
            break
        try:
            done += work(item)
        except OperationalError:
            raise  # the database is away: the next round asks again
        except Exception:
            log.exception("payments: %s failed", item)
    return done


def _unfinished() -> list[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["unfinished"], {"limit": LIMIT, "stale": STALE_PAGE})
        return list(cursor.fetchall())


def _claim(account_id: UUID, intent_id: UUID) -> bool:
    """Take the turn to speak to the gateway about a payment that was sent, if it is time to."""

    def work() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(SQL["claim"], {"account_id": account_id, "id": intent_id, "lease": LEASE})
            return cursor.rowcount == 1

    return in_transaction(work)


def _charge(found: PaymentIntent, charge: Charge | None) -> bool:
    if charge is None:
        return False
    answer = gateway.charge(charge.gateway, charge.request)
    settle(found.account_id, found.id, charge.request.attempt, answer)
    return True


def _resolve(found: PaymentIntent) -> bool:
    answer = _asked(found)
    if answer is not None:
        return settle(found.account_id, found.id, found.attempt, _ended(found, answer)) != found.state
    intent.postpone(found, pause_after(found.asks))
    if found.on_page or datetime.now(UTC) - found.charging_at > intent.resend_within(found.gateway):
        return _never_received(found)
    return _charge(found, intent.begin(found.account_id, found.id, again=True))


def _never_received(found: PaymentIntent) -> bool:
    """The gateway has no record of it, and it is not sent again. A page of which nobody was told where can't be paid."""
    if not found.on_page and not intent.never_arrived(found):
        return False
    intent.withdraw(found, "The gateway never received the charge; nothing was charged.")
    return True


def end(found: PaymentIntent) -> ChargeAnswer | None:
    """Ask what became of a payment that was sent, and end it at the gateway if it still waits for its payer; what is so
    then, None if the gateway never received it. One that waits stays one that waits until the gateway has said more. Not
    inside a transaction; settles nothing."""
    answer = _asked(found)
    if not isinstance(answer, ActionRequired):
        return answer
    reference = found.page_reference if found.on_page else answer.reference or found.charge_reference
    ended = gateway.cancel(found.gateway, found.account_id, reference) if reference else answer
    return answer if isinstance(ended, Unknown) else ended


def _ended(found: PaymentIntent, answer: ChargeAnswer) -> ChargeAnswer:
    """What still waits for its payer, whose time is over or who gave it up, is ended at the gateway: only if the gateway
    says that it can't succeed any more, it is declined."""
    is_late = found.confirm_by is not None and found.confirm_by <= datetime.now(UTC)
    if not isinstance(answer, ActionRequired) or not (found.given_up_at or is_late):
        return answer
    ended = end(found) or answer
    if not isinstance(ended, Declined):
        return ended
    if found.given_up_at:
        return Declined(GIVEN_UP, f"{found.given_up_by} gave it up.")
    return Declined("not_confirmed", "Nobody confirmed the payment in time.")


def _asked(found: PaymentIntent) -> ChargeAnswer | None:
    """What became of the charge; None only if the gateway never received it, for sure."""
    if found.on_page and found.page_reference:
        return gateway.paid_on(found.gateway, found.account_id, found.page_reference)
    reference, was_told = found.charge_reference, intent.was_told(found)
    return became(found.gateway, found.account_id, intent.key_of(found), reference, was_told=was_told)


def _close_stale(found: PaymentIntent) -> bool:
    if found.given_up_at is None and datetime.now(UTC) - found.decided_at < STALE_PAGE:
        return False
    told = f"{found.given_up_by} gave it up." if found.given_up_at else "The payment page was not opened."
    intent.withdraw(found, f"{told} Nothing was charged.")
    return True


def _write_page(account_id: UUID, intent_id: UUID, url: str, reference: str) -> None:
    mine = PaymentIntent.objects.filter(account_id=account_id, id=intent_id, state=IntentState.CHARGING)
    told = "Waiting for the payment on the gateway's page."
    now = datetime.now(UTC)
    mine.update(
        state=IntentState.ACTION_REQUIRED,
        page_url=url,
        page_reference=reference,
        outcome=told,
        confirm_by=now + CONFIRM_WITHIN,
        next_ask_at=now + SHORT_WAIT,
    )
