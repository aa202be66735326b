"""Refills under SIGKILL: at every named point, and at statements and commits drawn by seed. Charged once, credited once.

`TOLLBOOK_FAULT_SEEDS=200` makes as many drawn deaths for each card, `TOLLBOOK_FAULT_POINT_SEEDS=20` as many worlds to die in
at each named point, as we claim; without them they are few.
"""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.databases import Database
from tests.refills.mortal import Mortal, mortal
from tests.refills.shop import Shop, gateway_is, let_pass
from tollbook.refills import health

pytestmark = pytest.mark.faults

SEEDS = int(os.environ.get("TOLLBOOK_FAULT_SEEDS", "6"))
POINT_SEEDS = int(os.environ.get("TOLLBOOK_FAULT_POINT_SEEDS", "1"))
POINTS = [
    "the decision", "the intent", "charging", "the attempt's key", "the charge", "the answer", "the payment", "the credit",
    "the invoice", "the settlement",
]  # fmt: skip
LATER_POINTS = ["the claim", "the question", "charging again"]


@pytest.fixture(scope="module")
def started(database: Database) -> Iterator[Mortal]:
    with mortal(database) as started:
        yield started


@pytest.fixture
def process(started: Mortal) -> Iterator[Mortal]:
    health.forget()
    with gateway_is():
        yield started


def recovered(shop: Shop, balance: Decimal = Decimal(50)) -> None:
    """Ten seconds after the restart it is done; what the gateway would not tell takes as long as it takes."""
    shop.later(seconds=10)
    shop.run(3)
    if shop.states() != {"succeeded": 1}:
        shop.finish()
    keys = [charge.idempotency_key for charge in shop.charges()]
    assert len(keys) == len(set(keys))
    assert (shop.charged(), shop.balance()) == (Decimal(500), balance + 500)
    shop.assert_sound()


def due(db: Database, dice: random.Random, most: int) -> dict[Shop, Decimal]:
    """Some shops whose wallets are due, and the balance of each: 50.00, or less when there may be several."""
    found = {}
    for number in range(dice.randint(1, most)):
        shop = Shop(db, f"shop-{number}").ready("50.00")
        if most > 1:
            shop.use(Decimal(dice.randint(1, 30_000)) / 100)
        found[shop] = shop.balance()
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seed", range(POINT_SEEDS))
def test_killed_at_a_named_point_a_refill_is_charged_and_credited_once(
    db: Database, process: Mortal, point: str, when: str, seed: int
) -> None:
    dice = random.Random(f"{point} {when} {seed}")
    shops = due(db, dice, most=3 if seed else 1)
    assert process.dies(point, when, dice.randint(1, len(shops)))
    let_pass(db, [shop.id for shop in shops], timedelta(seconds=10))
    for shop, balance in shops.items():
        shop.run(2)
        assert shop.states() == {"succeeded": 1}, "recovered within ten seconds of the restart"
        recovered(shop, balance)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", LATER_POINTS)
@pytest.mark.parametrize("seed", range(POINT_SEEDS))
def test_killed_while_it_asks_what_became_of_a_charge(
    db: Database, process: Mortal, point: str, when: str, seed: int
) -> None:
    """Charged or not before the first death, asked about by the second process, finished by the third."""
    dice = random.Random(f"{point} {when} {seed}")
    shop = Shop(db).ready("50.00")
    if seed:
        shop.use(Decimal(dice.randint(1, 30_000)) / 100)
    balance = shop.balance()
    assert process.dies("the charge", "before" if point == "charging again" else "after")
    shop.later(seconds=9 + dice.randrange(seed + 1))
    assert process.dies(point, when)
    recovered(shop, balance)


@pytest.mark.parametrize("token", ["sim_4242", "sim_0408", "backup"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_at_any_statement_or_commit_drawn_by_seed(db: Database, process: Mortal, token: str, seed: int) -> None:
    dice = random.Random(f"{token} {seed}")
    shop = Shop(db).ready("50.00", "sim_9995" if token == "backup" else token)
    if token == "backup":
        shop.backup()
    for _ in range(3):
        point, when = dice.choice(["statement", "commit"]), dice.choice(["before", "after"])
        process.dies(point, when, dice.randint(1, 80 if point == "statement" else 6))
        shop.later(seconds=10)
    recovered(shop)
