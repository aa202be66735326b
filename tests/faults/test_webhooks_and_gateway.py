"""Webhooks over real connections from a gateway that sends them early, late, many times, in any order, or never.

`TOLLBOOK_FAULT_WEBHOOKS=1700` payments in each of the six ways are more than the 10,000 that we claim.
"""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

from tests import processes
from tests.databases import Database
from tests.faults.refilling import World, at_the_gateway
from tests.gateway import Gateway, running
from tests.payments.at_stripe import secrets
from tests.refills.shop import Shop
from tests.together import together
from tollbook.payments import inbox
from tollbook.payments.tables import GatewayEventSeen
from tollbook.refills import decide, health
from tollbook.worker.timetable import SETTLERS

pytestmark = pytest.mark.faults

PAYMENTS = int(os.environ.get("TOLLBOOK_FAULT_WEBHOOKS", "8"))
ACCOUNTS = 50
"""Each pays once in a round; a day and more lies between two rounds."""

MUTE_SETTLED_SECONDS, PATIENCE_SECONDS = 120, 300
WAYS = [("early", "come"), ("early", "get lost"), ("late", "come"), ("duplicate", "get lost"), ("shuffle", "get lost")]


@pytest.mark.parametrize(("mode", "answers"), WAYS)
def test_each_payment_is_credited_once_however_its_webhooks_come(
    db: Database, tmp_path: Path, mode: str, answers: str
) -> None:
    with _told(db, tmp_path, mode) as world:
        if answers == "get lost":
            lost = {"kind": "drop_after", "match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 0}
            world.gateway.plan(lost)
        for shops in _rounds(world):
            with _looking_into_webhooks():
                _pay_at_once(world, shops)
                told = world.gateway.wait_for_webhooks(PATIENCE_SECONDS)
            _process_all()
            assert world.open_refills() == [], "without asking"
        assert [refill.state for refill in world.refills()] == ["succeeded"] * PAYMENTS
        world.assert_sound()
        print(f"{PAYMENTS} payments, webhooks {mode}, answers {answers}: {told}")
        assert told["sent"] == told["accepted"] >= (2 if mode == "duplicate" else 1) * 2 * PAYMENTS
        assert not GatewayEventSeen.objects.filter(kind="charge", done_at__isnull=True).exists()


def test_a_gateway_that_tells_nothing_is_asked(db: Database, tmp_path: Path) -> None:
    with _told(db, tmp_path, "mute") as world:
        lost = {"kind": "drop_after", "match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 0}
        world.gateway.plan(lost)
        longest = timedelta(0)
        for shops in _rounds(world):
            _pay_at_once(world, shops)
            waited = timedelta(0)
            for pause in (timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=60)):
                waited += pause if world.ask_again(pause) else timedelta(0)
            longest = max(longest, waited)
        assert longest <= timedelta(seconds=MUTE_SETTLED_SECONDS)
        assert [refill.state for refill in world.refills()] == ["succeeded"] * PAYMENTS
        world.gateway.control("webhooks/release", {})
        world.gateway.wait_for_webhooks(PATIENCE_SECONDS)
        assert _process_all() > 0
        world.assert_sound()
        print(f"{PAYMENTS} payments of which nobody tells: settled within {longest}")


def _rounds(world: World) -> Iterator[list[Shop]]:
    """So many payments, each account at most once at a time."""
    left = PAYMENTS
    while left > 0:
        some = world.shops[:left]
        yield some
        left -= len(some)
        world.later(timedelta(hours=26), world.shops)


@contextmanager
def _told(db: Database, folder: Path, mode: str) -> Iterator[World]:
    """Accounts at a gateway that sends its webhooks over 8 connections to Tollbook's own web process."""
    with running(folder / "gateway") as gateway, at_the_gateway(gateway):
        gateway.limits(search_per_second=0)
        world = World(db, gateway, seed=0)
        world.open(min(PAYMENTS, ACCOUNTS))
        environment = db.environment() | secrets() | {"TOLLBOOK_GATEWAYS": "stripe", "TOLLBOOK_STRIPE_API_BASE": gateway.url}
        never_away = mock.patch.object(health, "SILENT_AFTER", 10**9)  # lost answers are meant here
        with never_away, processes.web(environment, folder / "web.log") as address:
            _send_to(gateway, f"{address}/api/v1/gateways/stripe/webhook", mode)
            yield world


def _send_to(gateway: Gateway, target: str, mode: str) -> None:
    gateway.webhooks(target=target, mode=mode, connections=8, most=20, seconds=0.5)


def _pay_at_once(world: World, shops: list[Shop]) -> None:
    """Each of them pays, four at the same time."""
    waiting: queue.SimpleQueue[Shop] = queue.SimpleQueue()
    for shop in shops:
        shop.use(shop.balance() - Decimal(49))
        waiting.put(shop)

    def pay() -> None:
        while True:
            try:
                shop = waiting.get_nowait()
            except queue.Empty:
                return
            refill = decide.decide(shop.id, "outbound")
            assert refill is not None
            world.step(shop.id, refill)

    together(4, pay)


@contextmanager
def _looking_into_webhooks() -> Iterator[None]:
    """What the worker does, meanwhile."""
    ends = threading.Event()

    def work() -> None:
        while not ends.wait(0.05):
            inbox.process(SETTLERS)

    worker = threading.Thread(target=together, args=(1, work))
    worker.start()
    try:
        yield
    finally:
        ends.set()
        worker.join()


def _process_all() -> int:
    done = 0
    while (some := inbox.process(SETTLERS)) > 0:
        done += some
    return done
