"""The one list of what runs when. Each job asks the database what there is to do, so a missed or doubled run is harmless."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from django.conf import settings

from tollbook.accounts.remember import forget_old
from tollbook.alerts import deliver, notify
from tollbook.invoicing import drafts
from tollbook.invoicing.deferral import recognise_due
from tollbook.invoicing.run import bill
from tollbook.invoicing.run import forget_old as forget_runs
from tollbook.payments import collect, inbox, method, reconcile, refund
from tollbook.refills.run import run_due
from tollbook.refills.settlers import SETTLERS, open_since
from tollbook.subscriptions import include
from tollbook.usage.fold import fold_due
from tollbook.wallets.hold import expire_due


@dataclass(frozen=True, slots=True)
class Job:
    """Something that runs every so many seconds, and earlier when `woken` and an account's numbers moved.

    `run` gets the event that asks it to stop early, between two things to do, and answers how many it did.
    """

    name: str
    every_seconds: float
    run: Callable[[Event], int]
    woken: bool = False


def give_included(stop: Event) -> int:
    """Credit that subscriptions include each month."""
    return include.give_due(stop)


def expire_holds(stop: Event) -> int:
    """Let holds go whose time is over."""
    return expire_due()


def bill_periods(stop: Event) -> int:
    """Invoice what has become due, or draft it where a person reviews it; forget old runs that issued nothing."""
    forget_runs()
    return drafts.draft_due(stop) if settings.BILLING_REVIEW else len(bill(stop=stop).issued)


def recognise(stop: Event) -> int:
    """Revenue that a day earns, as the day begins."""
    return recognise_due(stop)


def move_payments(stop: Event) -> int:
    """Invoices to be charged, payments and refunds to be asked about, credit to be used."""
    return collect.run_due(stop) + refund.run_due(stop)


def catch_up(stop: Event) -> int:
    """What no webhook told of charges and disputes."""
    return reconcile.catch_up(stop, SETTLERS, open_since)


def look_into_webhooks(stop: Event) -> int:
    """What gateways told: ask them about it, and take what they say."""
    return inbox.process(SETTLERS, stop)


def forget_cards(stop: Event) -> int:
    """Have gateways drop the cards that were removed."""
    return method.forget_removed(stop)


def forget_webhooks(stop: Event) -> int:
    """Forget what gateways told long ago."""
    return inbox.forget_old()


def forget_answers(stop: Event) -> int:
    """Forget answers to machines that are too old to be asked for again."""
    return forget_old()


def forget_deliveries(stop: Event) -> int:
    """Forget what was sent long ago, and what became of it."""
    return deliver.forget_old()


def beat(stop: Event) -> int:
    """Nothing: that it ran to its end is written down, and says that a worker is alive."""
    return 0


JOBS = (
    Job("refills", 1, run_due, woken=True),
    Job("payments", 2, move_payments, woken=True),
    Job("webhooks", 1, look_into_webhooks),
    Job("holds", 5, expire_holds),
    Job("rollups", 2, fold_due),
    Job("alerts", 3, notify.look),
    Job("letters", 60, notify.write_letters),
    Job("deliveries", 2, deliver.send_due),
    Job("included credit", 15 * 60, give_included),
    Job("billing", 15 * 60, bill_periods),
    Job("recognition", 5 * 60, recognise),
    Job("reconcile", 60 * 60, catch_up),
    Job("answers", 60 * 60, forget_answers),
    Job("removed cards", 60, forget_cards),
    Job("old webhooks", 60 * 60, forget_webhooks),
    Job("old deliveries", 60 * 60, forget_deliveries),
    Job("beat", 5, beat),
)
