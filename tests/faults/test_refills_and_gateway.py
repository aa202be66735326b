"""Refills by card under every fault of the fault plan: the gateway's truth against our ledger.

`TOLLBOOK_FAULT_REFILLS=10000` makes it as large as what we claim, `TOLLBOOK_FAULT_SEED` repeats a run: the same seed
meets the same requests with the same faults.
"""

import os
import secrets

import pytest

from tests.databases import Database
from tests.faults.refilling import SLOW_SECONDS, World, at_the_gateway
from tests.gateway import Gateway, running

pytestmark = pytest.mark.faults

REFILLS = int(os.environ.get("TOLLBOOK_FAULT_REFILLS", "500"))
SEED = int(os.environ.get("TOLLBOOK_FAULT_SEED") or secrets.randbelow(10**9))
ACCOUNTS = 25
RATES = {
    "drop_before": 0.04, "drop_after": 0.06, "half_answer": 0.04, "garbled": 0.03, "error_after": 0.04,
    "error_failed": 0.02, "error_before": 0.03, "rate_limited": 0.03, "slow": 0.005, "stalled": 0.005,
}
"""Of all requests, questions included: a third of them meets trouble."""


def test_under_every_kind_of_fault_each_refill_is_charged_at_most_once_and_credited_exactly_then(db: Database) -> None:
    with running(search_lag_seconds=60) as gateway, at_the_gateway(gateway):
        world = _world(db, gateway, ACCOUNTS, SEED)
        injected = 0
        while len(world.refills()) < REFILLS:
            world.round()
        injected = sum(gateway.injected().values())
        print(f"seed {SEED}: {len(world.refills())} refills, {injected} faults {gateway.injected()}")
        world.assert_sound()
        assert injected >= len(world.refills()) / 2
        frequent = {kind for kind, rate in RATES.items() if rate >= 0.02}
        assert len(world.refills()) < 500 or set(gateway.injected()) >= frequent


def test_a_seed_repeats_a_run(db: Database) -> None:
    prints = []
    for _ in range(2):
        db.empty()
        with running(search_lag_seconds=60) as gateway, at_the_gateway(gateway):
            world = _world(db, gateway, 12, seed=20261123)
            world.round()
            world.assert_sound()
            prints.append(world.fingerprint())
    assert prints[0] == prints[1]


def _world(db: Database, gateway: Gateway, accounts: int, seed: int) -> World:
    gateway.limits(search_per_second=0)
    world = World(db, gateway, seed)
    world.open(accounts)
    gateway.plan(seed=seed, rates=RATES, counts="all", seconds=SLOW_SECONDS)
    return world
