"""Refills under SIGKILL at every write to a socket: to the gateway, and to the database. Before it, half way, after it.

`TOLLBOOK_FAULT_WRITES=20` draws as many writes for each way to die as we claim; without it they are few.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.databases import Database
from tests.faults.refilling import World, at_the_gateway
from tests.gateway import running
from tests.payments.at_stripe import secrets
from tests.refills.mortal import Mortal, mortal
from tests.refills.shop import Shop
from tollbook.refills import health, run

pytestmark = pytest.mark.faults

DRAWN = int(os.environ.get("TOLLBOOK_FAULT_WRITES", "4"))
MOST_WRITES = 130
"""About as many as one refill takes; a number beyond the last one kills nobody."""


@dataclass
class Walk:
    """The path of a refill, walked by a process that dies on it."""

    world: World
    process: Mortal

    def due(self) -> Shop:
        """A new account whose wallet is due."""
        self.world.open(1)
        shop = self.world.shops[-1]
        shop.use("11.00")
        return shop

    def recover(self, shop: Shop) -> None:
        """Ten seconds after a restart it is done, by asking or by sending once more."""
        self.world.later(timedelta(seconds=10), [shop])
        for _ in range(2):
            health.forget()
            run.run_due()
        assert shop.states() == {"succeeded": 1}
        self.world.assert_sound()


@pytest.fixture
def path(db: Database, tmp_path: Path) -> Iterator[Walk]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler here (cc, gcc, clang), or this is not Linux")
    library = tmp_path / "deadly_writes.so"
    source = Path(__file__).parent / "deadly_writes.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    with running(tmp_path / "gateway") as gateway, at_the_gateway(gateway):
        gateway.limits(search_per_second=0)
        environment = secrets() | {
            "TOLLBOOK_GATEWAYS": "stripe", "TOLLBOOK_STRIPE_API_BASE": gateway.url, "TOLLBOOK_REFILLS_AT_ONCE": "1",
            "LD_PRELOAD": str(library),
        }
        with mortal(db, **environment) as process:
            yield Walk(World(db, gateway, seed=0), process)


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_killed_at_every_write_to_the_gateway_a_refill_is_charged_and_credited_once(path: Walk, when: str) -> None:
    number, died = 1, True
    while died:
        shop = path.due()
        died = path.process.dies("write", when, number, port=path.world.gateway.port)
        path.recover(shop)
        number += 1
    assert number > 2, "there was a write to die at"


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_killed_at_every_write_of_the_question_what_became_of_a_charge(path: Walk, when: str) -> None:
    number, died = 1, True
    while died:
        shop = path.due()
        path.world.gateway.plan({"kind": "drop_after", "match": {"method": "POST", "path": "/v1/payment_intents"}})
        health.forget()
        run.run_due()
        assert shop.states() == {"unknown": 1}
        path.world.later(timedelta(seconds=10), [shop])
        died = path.process.dies("write", when, number, port=path.world.gateway.port)
        path.recover(shop)
        number += 1
    assert number > 3, "it searches, lists and reads"


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_killed_at_any_write_drawn_by_seed(path: Walk, when: str) -> None:
    died = 0
    for seed in range(DRAWN):
        shop = path.due()
        number = random.Random(f"{when} {seed}").randint(1, MOST_WRITES)
        died += path.process.dies("write", when, number)
        path.recover(shop)
    assert died >= DRAWN / 2
