"""Killed anywhere, run again: charged once, credited once."""

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.databases import Database
from tests.refills.shop import OWNER, Shop
from tollbook.refills import run

CHILD = """
import django; django.setup()
from django.test.utils import override_settings
from tollbook.refills import run
with override_settings(GATEWAYS={"simulated": "tests.payments.gateways.Killing"}):
    run.run_due()
"""


pytestmark = pytest.mark.faults


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


class KillAt:
    """Kills at one statement: before it reaches the database, or after, when its answer is lost."""

    def __init__(self, number: int, before: bool) -> None:
        self.left, self.before = number, before

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.left -= 1
        if self.left == 0 and self.before:
            raise Killed
        answer = execute(sql, params, many, context)
        if self.left == 0:
            raise Killed
        return answer


def killed_at(number: int, before: bool) -> bool:
    """Whether `run_due` was killed at that statement; False when it has fewer."""
    try:
        with connection.execute_wrapper(KillAt(number, before)):
            run.run_due()
    except Killed:
        return True
    return False


@pytest.mark.parametrize(
    ("token", "before", "stride"),
    [("sim_4242", True, 1), ("sim_4242", False, 2), ("sim_0408", True, 2), ("sim_0002", True, 3)],
)
def test_a_process_that_dies_at_any_statement_leaves_what_the_next_one_finishes(
    db: Database, token: str, before: bool, stride: int
) -> None:
    number = 1
    while True:
        db.empty()
        shop = Shop(db).ready("50.00", token)
        if not killed_at(number, before):
            break
        shop.finish()
        shop.assert_sound()
        assert len(shop.charges()) == len({charge.idempotency_key for charge in shop.charges()})
        if token == "sim_0002":
            assert set(shop.states()) == {"declined"}
        else:
            assert (shop.states(), shop.charged(), shop.balance()) == ({"succeeded": 1}, Decimal(500), Decimal(550))
        number += stride
    assert number > 20


@pytest.mark.parametrize(("die", "charges"), [("before the charge", 0), ("after the charge", 1)])
def test_a_process_that_really_dies_around_the_charge_charges_once(shop: Shop, die: str, charges: int) -> None:
    shop.ready("50.00")
    environment = os.environ | shop.db.environment() | {"DIE": die}
    child = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=60)
    assert child.returncode == 9, child.stderr
    assert (shop.states(), len(shop.charges())) == ({"charging": 1}, charges)
    shop.run(2)
    assert shop.states() == {"charging": 1}, "the lease of whoever sends is respected"
    shop.later(seconds=31)
    shop.run()
    assert (shop.states(), len(shop.charges()), shop.balance()) == ({"succeeded": 1}, 1, Decimal(550))
    shop.assert_sound()


def test_an_intent_whose_process_died_is_charged_by_the_next(shop: Shop) -> None:
    shop.card()
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    assert shop.balance() == Decimal(100)
