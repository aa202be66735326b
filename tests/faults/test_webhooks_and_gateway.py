"""Webhooks over real connections from a gateway that sends them early, late, many times, in any order, or never.

`TOLLBOOK_FAULT_WEBHOOKS=2000` payments in each of the six ways are more than the 10,000 that we claim.
"""

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from tests import processes
from tests.databases import Database
from tests.faults.refilling import World, at_the_gateway
from tests.gateway import Gateway, running
from tests.payments.at_stripe import secrets
from tests.together import together
from tollbook.payments import inbox
from tollbook.payments.tables import GatewayEventSeen
from tollbook.refills import decide, health
from tollbook.worker.timetable import SETTLERS

pytestmark = pytest.mark.faults

PAYMENTS = int(os.environ.get("TOLLBOOK_FAULT_WEBHOOKS", "8"))
MUTE_SETTLED_SECONDS = 120
WAYS = [("early", "come"), ("early", "get lost"), ("late", "come"), ("duplicate", "get lost"), ("shuffle", "get lost")]


@pytest.mark.parametrize(("mode", "answers"), WAYS)
def test_each_payment_is_credited_once_however_its_webhooks_come(
    db: Database, tmp_path: Path, mode: str, answers: str
) -> None:
    with _told(db, tmp_path, mode) as world:
        if answers == "get lost":
            lost = {"kind": "drop_after", "match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 0}
            world.gateway.plan(lost)
        with _looking_into_webhooks():
            _pay_at_once(world)
            told = world.gateway.wait_for_webhooks()
        _process_all()
        assert {refill.state for refill in world.refills()} == {"succeeded"}, "without asking"
        world.assert_sound()
        assert told["sent"] == told["accepted"] >= (2 if mode == "duplicate" else 1) * 2 * PAYMENTS
        assert not GatewayEventSeen.objects.filter(kind="charge", done_at__isnull=True).exists()


def test_a_gateway_that_tells_nothing_is_asked(db: Database, tmp_path: Path) -> None:
    with _told(db, tmp_path, "mute") as world:
        lost = {"kind": "drop_after", "match": {"method": "POST", "path": "/v1/payment_intents"}, "times": 0}
        world.gateway.plan(lost)
        _pay_at_once(world)
        waited = timedelta(0)
        for pause in (timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=60)):
            waited += pause if world.ask_again(pause) else timedelta(0)
        assert waited <= timedelta(seconds=MUTE_SETTLED_SECONDS)
        assert {refill.state for refill in world.refills()} == {"succeeded"}
        world.gateway.control("webhooks/release", {})
        world.gateway.wait_for_webhooks()
        assert _process_all() > 0
        world.assert_sound()


@contextmanager
def _told(db: Database, folder: Path, mode: str) -> Iterator[World]:
    """Accounts at a gateway that sends its webhooks over 8 connections to Tollbook's own web process."""
    with running(folder / "gateway") as gateway, at_the_gateway(gateway):
        gateway.limits(search_per_second=0)
        world = World(db, gateway, seed=0)
        world.open(PAYMENTS)
        environment = db.environment() | secrets() | {"TOLLBOOK_GATEWAYS": "stripe", "TOLLBOOK_STRIPE_API_BASE": gateway.url}
        never_away = mock.patch.object(health, "SILENT_AFTER", 10**9)  # lost answers are meant here
        with never_away, processes.web(environment, folder / "web.log") as address:
            _send_to(gateway, f"{address}/api/v1/gateways/stripe/webhook", mode)
            yield world


def _send_to(gateway: Gateway, target: str, mode: str) -> None:
    gateway.webhooks(target=target, mode=mode, connections=8, most=20, seconds=0.5)


def _pay_at_once(world: World) -> None:
    """Every account pays, four at the same time."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for place, shop in enumerate(world.shops):
        shop.use("11.00")
        waiting.put(place)

    def pay() -> None:
        while True:
            try:
                shop = world.shops[waiting.get_nowait()]
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
