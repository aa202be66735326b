"""Killed at any statement, run again: everything is told once, and what was sent comes again under the same id only."""

from collections.abc import Callable

import pytest
from django.db import connection

from tests.alerts.conftest import Told
from tests.alerts.receivers import Receiver
from tests.refills.shop import OWNER
from tests.refills.test_crashes import KillAt, Killed
from tollbook.alerts import deliver, log, notify


def killed_at(work: Callable[[], int], number: int, before: bool) -> bool:
    """Whether `work` was killed at that statement; False when it has fewer."""
    try:
        with connection.execute_wrapper(KillAt(number, before)):
            work()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("before", [True, False])
def test_a_look_killed_at_any_statement_tells_everything_once(told: Told, before: bool) -> None:
    told.hook("https://hooks.example/")
    told.shop.credit("100.00", "inbound")
    told.shop.ready("50.00").run()
    told.shop.use("95.00", "inbound")
    kills = 0
    while killed_at(notify.look, kills + 1, before):
        kills += 1
    assert kills > 10
    assert told.look() == 0
    assert sorted(one.kind for one in told.notices()) == ["invoice.issued", "refill.succeeded", "wallet.low"]
    by_kind = {notice.kind: told.deliveries(notice_id=notice.id) for notice in told.notices()}
    assert {kind: sorted(one.channel for one in rows) for kind, rows in by_kind.items()} == {
        "invoice.issued": ["webhook"], "refill.succeeded": ["mail", "webhook"], "wallet.low": ["mail", "webhook"],
    }  # fmt: skip


@pytest.mark.parametrize("before", [True, False])
def test_sending_killed_at_any_statement_sends_at_least_once_under_one_id(
    told: Told, receiver: Receiver, before: bool
) -> None:
    made, _ = told.hook(receiver.address)
    log.test(told.id, made.id, OWNER)
    kills = 0
    while killed_at(deliver.send_due, kills + 1, before):
        kills += 1
        told.later(minutes=3)
    assert kills > 3
    [delivery] = told.deliveries()
    assert delivery.state == "delivered" and len(set(receiver.ids)) == 1
    assert 1 <= len(receiver.received) <= delivery.attempts
