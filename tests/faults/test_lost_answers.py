"""The database commits, and the line is cut before it can say so: nobody knows, and still nothing is debited twice."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import cast
from tests.databases import Database
from tests.faults import world
from tests.faults.lossy import lossy
from tests.faults.senders import Senders
from tests.faults.serving import own_server, running_web
from tollbook.audit.books import audit
from tollbook.usage.tables import UsageEvent

pytestmark = [pytest.mark.faults, own_server]

CUTS = int(os.environ.get("TOLLBOOK_FAULT_KILLS", "3")) * 10
ONE_IN = 5
SMS, HELD = Decimal("0.0075"), 3
PATIENCE_SECONDS = 60


def test_a_commit_whose_answer_is_lost_is_repeated_without_a_second_debit(db: Database, tmp_path: Path) -> None:
    """Stripe's advice on idempotency, in our own house: what is repeated after a lost answer must know that it happened."""
    made, telling = world.made(), world.Telling(8006)
    with lossy(db, ONE_IN, seed=8006) as (line, environment), running_web(environment, tmp_path / "web.log") as web:
        single = Senders(web.address, made.secret, 4, telling.one)
        batches = Senders(web.address, made.secret, 4, lambda: telling.upto(200))
        both = (single, batches)
        while line.lost_answers < CUTS:
            single.go_on(10)
            batches.go_on(5)
        for senders in both:
            senders.stop()
        for senders in both:
            senders.join()
    for senders in both:
        assert senders.surprises == [] and senders.rejected == []
        assert senders.broken == 0
    assert single.accepted + batches.accepted <= len(telling.told)
    world.prove(made, telling.told)
    print(f"{line.lost_commits} commits and {line.lost_answers} answers lost, {len(telling.told)} events")


def insist(client: httpx.Client, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """POST with the same Idempotency-Key until it is done; anything but patience asked for is a failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = client.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": key})
        if answer.is_success:
            return answer.json()
        assert answer.status_code in (409, 503) and "retry-after" in answer.headers, (path, answer.text)
        time.sleep(0.05)
    raise AssertionError(f"{path} with {key} is never done")


def calls(client: httpx.Client, caller: int, count: int) -> None:
    """Hold, extend, and capture; every third is released instead."""
    for number in range(count):
        name = f"call-{caller}-{number}"
        one = {"event_id": name, "account": "northwind", "type": "sms", "quantity": HELD}
        hold = insist(client, "/holds", one, f"place-{name}")["id"]
        insist(client, f"/holds/{hold}/extend", {"quantity": HELD}, f"extend-{name}")
        if number % 3 == 2:
            insist(client, f"/holds/{hold}/release", {}, f"release-{name}")
            continue
        used = {"quantity": 2, "occurred_at": datetime.now(UTC).isoformat()}
        captured = insist(client, f"/holds/{hold}/capture", used, f"capture-{name}")
        assert captured["accepted"] + captured["duplicates"] == 1


def test_a_hold_whose_answers_are_lost_is_placed_extended_and_captured_once(db: Database, tmp_path: Path) -> None:
    made, callers, count = world.made(), 4, CUTS // 2
    headers = {"Authorization": f"Bearer {made.secret}"}
    with (
        lossy(db, ONE_IN, seed=4006) as (line, environment),
        running_web(environment, tmp_path / "web.log") as web,
        httpx.Client(base_url=web.address, headers=headers, timeout=30, trust_env=False) as client,
        ThreadPoolExecutor(callers) as pool,
    ):
        list(pool.map(lambda caller: calls(client, caller, count), range(callers)))
    assert line.lost_answers >= CUTS // 2, "too few answers were lost: this test has shown little"
    captured = callers * sum(number % 3 != 2 for number in range(count))
    wallet = cast.wallet(made.accounts["northwind"], "sms")
    assert UsageEvent.objects.count() == captured
    assert (wallet.paid, wallet.held) == (world.FUNDED - captured * 2 * SMS, 0)
    assert audit() == []
    print(f"{line.lost_commits} commits and {line.lost_answers} answers lost, {captured} calls captured")
