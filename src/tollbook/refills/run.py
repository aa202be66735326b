"""One refill moved on by a step; everything that is due. Killed anywhere and run again, the result is the same."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connections

from tollbook.payments import gateway
from tollbook.payments.found import LOST
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Unknown
from tollbook.refills import decide, health, send, stops
from tollbook.refills.due import DueWallet, Unfinished, due_wallets, unfinished
from tollbook.refills.settle import is_over, settle
from tollbook.refills.tables import Refill, RefillState

log = logging.getLogger(__name__)

ask = decide.ask
"""A manual refill; see `decide.ask`."""

MOST_STEPS = 2
"""A card, and its backup."""


def step(account_id: UUID, refill_id: UUID) -> bool:
    """Move one refill on as far as it goes now; whether anything was done. Must not be called inside a transaction.

    decided: checked again, marked charging, charged, settled; and once more with the backup card, if that is what the
    answer says. Sent already (this process or another died, or the gateway gave no answer): the gateway is asked what
    became of it; only a charge it never told of and has no record of is sent again, under the same key. What waits for its
    card's holder for too long, or was given up, ends when the gateway has cancelled it, and not before.
    """
    refill = Refill.objects.get(account_id=account_id, id=refill_id)
    if refill.state in send.SENT:
        return _resolve(refill)
    done = False
    for _ in range(MOST_STEPS):
        if refill.state != RefillState.DECIDED or not _charge_now(refill):
            break
        done = True
        refill = Refill.objects.get(account_id=account_id, id=refill_id)
    return done


def run_due(stop: Event | None = None) -> int:
    """Do everything that is due, up to `due.LIMIT` of each; answers how many things were done.

    Unfinished refills first, then wallets that are due, `settings.REFILLS_AT_ONCE` at a time. Safe with any number of
    others doing the same: claims and the one-open-refill rule decide who does what. What fails for one wallet is logged and
    keeps no other from its turn.
    """
    stop = stop or Event()
    moved = _each(stop, unfinished(), _move_on)
    decided = _each(stop, due_wallets(), _refill)
    return moved + decided + stops.clear_all_gone()


def _each(stop: Event, items: Sequence[Any], work: Callable[[Any], bool]) -> int:
    at_once = min(settings.REFILLS_AT_ONCE, len(items))
    if at_once <= 1:
        return sum(_one(stop, item, work) for item in items)
    with ThreadPoolExecutor(at_once, thread_name_prefix="refills") as pool:
        return sum(pool.map(lambda item: _one_apart(stop, item, work), items))


def _one_apart(stop: Event, item: Any, work: Callable[[Any], bool]) -> bool:
    """In a thread of the pool, whose connection goes back to the others after it."""
    try:
        return _one(stop, item, work)
    finally:
        connections.close_all()


def _one(stop: Event, item: Any, work: Callable[[Any], bool]) -> bool:
    if stop.is_set():
        return False
    try:
        return work(item)
    except OperationalError:
        raise  # the database is away: the next round asks again
    except Exception:
        log.exception("refills: %s failed", item)
        return False


def _move_on(open_: Unfinished) -> bool:
    return step(open_.account_id, open_.refill_id)


def _refill(wallet: DueWallet) -> bool:
    """A wallet that waits visibly for a silent gateway is not looked at again before that is asked anew: many of them, with
    every use that wakes the worker, would cost those who send usage."""
    if wallet.waits_for and health.is_away(wallet.waits_for):
        return False
    refill_id = decide.decide(wallet.account_id, wallet.type_code)
    return refill_id is not None and step(wallet.account_id, refill_id)


def _charge_now(refill: Refill) -> bool:
    """Send a decided refill; while its gateway is silent it waits as it is."""
    card = send.chosen_card(refill)
    if card is not None and not health.may_call(card.gateway):
        return False
    return _charge(refill, send.begin(refill.account_id, refill.id))


def _charge(refill: Refill, charge: send.Charge | None) -> bool:
    if charge is None:
        return False
    answer = gateway.charge(charge.gateway, charge.request)
    _heard(charge.gateway, answer)
    settle(refill.account_id, refill.id, answer, charge.attempt)
    return True


def _resolve(refill: Refill) -> bool:
    attempt = send.attempt_of(refill)
    if not health.may_call(attempt.gateway):
        return False
    claimed = send.claim(refill.account_id, refill.id)
    if claimed is None:
        return False
    attempt = send.attempt_of(claimed)
    answer = send.became(attempt)
    if isinstance(answer, ActionRequired) and is_over(claimed):
        answer = gateway.cancel(attempt.gateway, claimed.account_id, answer.reference or attempt.reference)
    _heard(attempt.gateway, answer)
    if answer is None:
        return _charge(claimed, send.begin_again(claimed.account_id, claimed.id))
    return settle(claimed.account_id, claimed.id, answer, attempt.attempt) != claimed.state


def _heard(name: str, answer: ChargeAnswer | None) -> None:
    health.heard(name, answered=not isinstance(answer, Unknown) or answer is LOST)
