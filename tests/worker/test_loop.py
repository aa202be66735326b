"""The worker: runs what is due, wakes when told, survives the database, stops at once."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from tests.databases import Database
from tests.refills.shop import OWNER, Shop, gateway_is
from tollbook.logs import JsonLines
from tollbook.refills import run as refills
from tollbook.worker import loop
from tollbook.worker.tables import Beat
from tollbook.worker.timetable import JOBS, Job


@pytest.fixture(autouse=True)
def _gateways() -> Iterator[None]:
    with gateway_is():
        yield


@contextmanager
def working(jobs: tuple[Job, ...] = JOBS) -> Iterator[threading.Thread]:
    """A worker in a thread, stopped after the block."""
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop, jobs))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_worker_refills_a_wallet_by_itself(db: Database) -> None:
    shop = Shop(db).ready("60.00")
    with working():
        until(lambda: Beat.objects.filter(job="refills").exists())
        shop.use("10.00")
        until(lambda: shop.balance() == Decimal(550))
    shop.assert_sound()


def test_two_workers_refill_once(db: Database) -> None:
    shop = Shop(db).ready("50.00")
    with working(), working():
        until(lambda: shop.balance() == Decimal(550))
        time.sleep(0.5)
    assert len(shop.charges()) == 1
    shop.assert_sound()


def test_every_job_leaves_its_beat(db: Database) -> None:
    with working():
        until(lambda: {job.name for job in JOBS} <= set(Beat.objects.values_list("job", flat=True)))
    assert set(Beat.objects.values_list("error", flat=True)) == {""}


def test_a_told_change_wakes_the_job_before_its_turn(db: Database) -> None:
    ran = []
    job = Job("woken", 3600, lambda stop: ran.append(1) or 0, woken=True)
    shop = Shop(db)
    shop.card()
    with working((job,)):
        until(lambda: len(ran) >= 1)
        time.sleep(1)
        before = len(ran)
        refills.ask(shop.account, "outbound", Decimal(10), OWNER)
        until(lambda: len(ran) > before, 2)


def test_a_thousand_changes_a_second_are_a_few_runs(db: Database) -> None:
    ran = []
    job = Job("woken", 3600, lambda stop: ran.append(1) or 0, woken=True)
    with working((job,)), db.connect() as other:
        until(lambda: len(ran) >= 1)
        ran.clear()
        for _ in range(1000):
            other.execute("SELECT pg_notify('tollbook_account', gen_random_uuid()::text)")
        assert len(ran) <= 30


def test_it_stops_within_a_second_even_in_the_middle_of_something_long(db: Database) -> None:
    begun = threading.Event()

    def dawdle(stop: threading.Event) -> int:
        begun.set()
        time.sleep(3)
        return 0

    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop, (Job("long", 1, dawdle), *JOBS)))
    thread.start()
    assert begun.wait(10)
    asked = time.monotonic()
    stop.set()
    thread.join(5)
    assert time.monotonic() - asked < 1.2
    time.sleep(2.5)  # the left-behind thread ends before the next test


def test_a_job_that_fails_says_so_and_is_tried_again(db: Database, caplog) -> None:
    tries = []

    def fail(stop: threading.Event) -> int:
        tries.append(1)
        raise ValueError("no luck")

    with working((Job("unlucky", 1, fail),)):
        until(lambda: len(tries) >= 2)
        until(lambda: Beat.objects.filter(job="unlucky", error="ValueError: no luck").exists())
    assert any(record.levelname == "ERROR" and record.job == "unlucky" for record in caplog.records)


def test_a_job_that_did_something_logs_one_line_of_json(db: Database, caplog) -> None:
    caplog.set_level(logging.INFO)
    shop = Shop(db).ready("50.00")
    with working():
        until(lambda: shop.balance() == Decimal(550))
        until(lambda: any(getattr(record, "job", "") == "refills" for record in caplog.records))
    line = next(record for record in caplog.records if getattr(record, "job", "") == "refills")
    said = json.loads(JsonLines().format(line))
    assert (said["job"], said["message"], said["took_ms"] >= 0) == ("refills", "refills did 1", True)


def test_it_comes_back_when_the_database_does(fresh_server) -> None:
    shop = Shop(fresh_server.database).ready("60.00")
    with working():
        until(lambda: Beat.objects.filter(job="refills").exists())
        fresh_server.kill()
        time.sleep(0.5)
        fresh_server.server.start()
        until(lambda: _used(shop), 20)
        until(lambda: shop.balance() == Decimal(550), 30)
    shop.assert_sound()


def _used(shop: Shop) -> bool:
    """Use brings the wallet to its minimum, as soon as this process's own connections are back."""
    try:
        shop.use("10.00")
    except Exception:
        return False
    return True
