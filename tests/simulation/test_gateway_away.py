"""The gateway is away for a day while usage goes on; `TOLLBOOK_WALLETS_WAITING=200` makes it as large as what is claimed."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from unittest import mock

import pytest
from django.test.utils import override_settings

from tests import databases
from tests.databases import Database
from tests.refills.shop import SUPPORT
from tests.simulation.clock import Clock, simulated
from tests.simulation.gateway import Leaving
from tests.simulation.run import CHARGED, rows_of
from tests.simulation.world import World
from tollbook.audit.books import audit
from tollbook.payments import collect, dunning
from tollbook.refills import run
from tollbook.refills.due import due_wallets
from tollbook.refills.tables import OPEN_STATES, Refill, RefillStop
from tollbook.settings import REFILLS_AT_ONCE
from tollbook.usage.record import record_batch

WAITING = int(os.environ.get("TOLLBOOK_WALLETS_WAITING", "24"))
MOST_HOURS = 96
AN_HOUR, A_SECOND, SOON = timedelta(hours=1), timedelta(seconds=1), timedelta(minutes=10)


@pytest.fixture
def clock(own: Database) -> Iterator[Clock]:
    """The clock of everything in the test; the gateway's answers take their time of it."""
    settings = {"GATEWAYS": {"simulated": "tests.simulation.gateway.Leaving"}, "REFILLS_AT_ONCE": 1}
    with simulated(own) as (clock, _), override_settings(**settings), ExitStack() as stack:
        stack.enter_context(mock.patch.object(Leaving, "go_on", clock.go_on, create=True))
        yield clock


@pytest.fixture
def own(server: databases.Server) -> Iterator[Database]:
    """A database of the test's own, whose clock is another."""
    with databases.created(server, "postgres") as made:
        yield made


def test_after_a_day_without_a_gateway_every_refill_is_made_within_ten_minutes(clock: Clock) -> None:
    assert Leaving.AT_ONCE == REFILLS_AT_ONCE, "the pace that is configured"
    world = World(clock, seed=24, size=WAITING)
    world.open()
    dunning.set_schedule(False, dunning.USUAL_DAYS, "Only refills here.", SUPPORT)
    with mock.patch.object(Leaving, "is_away", True):
        hour = 0
        while hour < 48 or len(waiting()) < WAITING and hour < MOST_HOURS:  # of many some use little, and are due later
            use(world, hour)
            for _ in range(3):
                clock.go_on(timedelta(seconds=11))
                run.run_due()
            clock.go_on(AN_HOUR / 2)
            hour += 1
    assert rows_of("SELECT count(*) FROM usage_event") == [(WAITING * hour // 2,)], "usage went on"
    assert len(waiting()) == WAITING and Refill.objects.filter(state="succeeded").count() == 0
    assert set(RefillStop.objects.values_list("code", flat=True)) == {"gateway_away"}
    back = clock.at
    while waiting() and clock.at - back <= SOON:
        clock.go_on(A_SECOND)
        run.run_due()
        collect.run_due()
    print(f"{WAITING} wallets were refilled within {clock.at - back} after a day without a gateway")
    assert waiting() == set()
    for slug, charged, paid, refilled, credited, _ in rows_of(CHARGED):
        assert 0 < charged == paid == refilled == credited, slug
    assert audit() == []


def use(world: World, hour: int) -> None:
    """Half of the accounts use something; in a day each a little more than a refill restores."""
    told = record_batch(world.usage(hour))
    assert not told.rejections


def waiting() -> set[object]:
    """Wallets that are due, and those with an open refill."""
    open_ = Refill.objects.filter(state__in=OPEN_STATES).values_list("wallet_id", flat=True)
    return {wallet.wallet_id for wallet in due_wallets()} | set(open_)
