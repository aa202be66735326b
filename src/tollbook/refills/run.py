"""One refill moved on by a step; everything that is due. Killed anywhere and run again, the result is the same."""

import logging
from collections.abc import Callable
from threading import Event
from uuid import UUID

from django.db import OperationalError

from tollbook.payments import gateway
from tollbook.refills import decide, send, stops
from tollbook.refills.due import DueWallet, Unfinished, due_wallets, unfinished
from tollbook.refills.settle import settle
from tollbook.refills.tables import Refill, RefillState

log = logging.getLogger(__name__)

ask = decide.ask
"""A manual refill; see `decide.ask`."""


def step(account_id: UUID, refill_id: UUID) -> bool:
    """Move one refill on as far as it goes now; whether anything was done. Must not be called inside a transaction.

    decided: checked again, marked charging, charged, settled. Sent already (this process or another died, or the gateway
    gave no answer): the gateway is asked what became of it; only a charge it has no record of is sent again, under
    the same key.
    """
    refill = Refill.objects.get(account_id=account_id, id=refill_id)
    if refill.state == RefillState.DECIDED:
        return _charge(account_id, refill_id, send.begin(account_id, refill_id))
    if refill.state in send.SENT:
        return _resolve(account_id, refill_id)
    return False


def run_due(stop: Event | None = None) -> int:
    """Do everything that is due, up to `due.LIMIT` of each; answers how many things were done.

    Unfinished refills first, then wallets that are due. Safe with any number of others doing the same: claims and the
    one-open-refill rule decide who does what. What fails for one wallet is logged and keeps no other from its turn.
    """
    stop = stop or Event()
    moved = _each(stop, unfinished(), _move_on)
    decided = _each(stop, due_wallets(), _refill)
    return moved + decided + stops.clear_all_gone()


def _each(stop: Event, items: list, work: Callable[..., bool]) -> int:
    done = 0
    for item in items:
        if stop.is_set():
            break
        try:
            done += work(item)
        except OperationalError:
            raise  # the database is away: the next round asks again
        except Exception:
            log.exception("refills: %s failed", item)
    return done


def _move_on(open_: Unfinished) -> bool:
    return step(open_.account_id, open_.refill_id)


def _refill(wallet: DueWallet) -> bool:
    refill_id = decide.decide(wallet.account_id, wallet.type_code)
    return refill_id is not None and step(wallet.account_id, refill_id)


def _charge(account_id: UUID, refill_id: UUID, charge: send.Charge | None) -> bool:
    if charge is None:
        return False
    answer = gateway.charge(charge.gateway, charge.request)
    settle(account_id, refill_id, answer)
    return True


def _resolve(account_id: UUID, refill_id: UUID) -> bool:
    refill = send.claim(account_id, refill_id)
    if refill is None:
        return False
    answer = gateway.look_up(send.card_of(refill).gateway, account_id, send.key_of(refill))
    if answer is None:
        return _charge(account_id, refill_id, send.begin_again(account_id, refill_id))
    return settle(account_id, refill_id, answer) != refill.state
