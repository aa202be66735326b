"""Billing runs whose workers are killed: every charge is billed once, numbers are dense, the books are right."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from django.db import Error, connection, connections

from tests.databases import Database
from tests.many_accounts import FEES, load
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.invoicing.run import bill
from tollbook.invoicing.tables import Invoice, InvoiceLine
from tollbook.money.period import add_months

pytestmark = pytest.mark.faults

INVOICES = int(os.environ.get("TOLLBOOK_BILLING_INVOICES", "200"))
KILLS = int(os.environ.get("TOLLBOOK_BILLING_KILLS", "6"))
"""50,000 and 500 when it is to be shown."""

ROUNDS = int(os.environ.get("TOLLBOOK_BILLING_ROUNDS", "2"))
"""Of eight runs at once, killed and run again. 200 when it is to be shown."""

WORKERS, PART_SIZE = 8, 5


def first_of_month() -> date:
    return datetime.now(UTC).date().replace(day=1)


def prove(accounts: int, periods: int, lines: int) -> None:
    """Each account has each period once, with all its lines; numbers count 1..n; the books of a sample are proven."""
    count = accounts * periods
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT sequence), max(sequence), count(DISTINCT (account_id, cause)) FROM invoice"
        )
        assert cursor.fetchone() == (count, count, count, count)
        cursor.execute("SELECT count(*), count(DISTINCT (account_id, cause)) FROM invoice_line WHERE cause <> ''")
        assert cursor.fetchone() == (count * lines, count * lines)
        cursor.execute("SELECT account_id FROM invoice GROUP BY 1 HAVING count(*) <> %s", [periods])
        assert cursor.fetchall() == []
        cursor.execute("SELECT sum(amount) FROM entry GROUP BY transfer_id HAVING sum(amount) <> 0")
        assert cursor.fetchall() == []
    assert audit(list(Account.objects.order_by("slug")[:20])) == []


def test_workers_killed_anywhere_leave_nothing_out_and_nothing_twice(db: Database) -> None:
    """Eight processes share the run; one after another is killed with SIGKILL, and another one takes its place."""
    load(db, INVOICES, first_of_month())
    connections.close_all()
    dice, killed = random.Random(5), 0
    command = [sys.executable, "-m", "tests.faults.biller", str(PART_SIZE if INVOICES < 5_000 else 25)]

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=os.environ | db.environment(), stderr=subprocess.DEVNULL)

    workers = [started() for _ in range(WORKERS)]
    try:
        while Invoice.objects.count() < INVOICES:
            time.sleep(dice.random() / 5)
            victim = dice.randrange(WORKERS)
            if killed < KILLS and Invoice.objects.exists():
                workers[victim].kill()
                killed += 1
            for place, worker in enumerate(workers):
                if worker.poll() is not None:
                    worker.wait()
                    workers[place] = started()
        ends = {worker.wait(120) for worker in workers}
        assert ends <= {0, -signal.SIGKILL}, "the last one that was killed may not have been replaced any more"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    bill()
    assert killed, "nothing was killed while there was something to do: this test has shown nothing"
    print(f"{killed} kills, {INVOICES} invoices")
    prove(INVOICES, 1, len(FEES))


def work(pids: list[int]) -> None:
    """A run in a thread, whose connection may be cut; it tells which one that is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pids.append(cursor.fetchone()[0])
    with contextlib.suppress(Error):
        bill(part_size=2)
    connections.close_all()


def test_eight_runs_at_once_cut_off_and_run_again_bill_each_period_once(db: Database) -> None:
    """Three periods are due; every worker's connection is cut at some moment, in the midst of whatever it does."""
    accounts, dice, cut = 0, random.Random(8), Counter[str]()
    for _ in range(ROUNDS):
        begins_on, today = add_months(first_of_month(), -2), datetime.now(UTC).date()
        accounts += len(load(db, 6, begins_on, 2, slug=f"round-{accounts}", recorded_on=today))
        pids: list[int] = []

        threads = [threading.Thread(target=work, args=(pids,)) for _ in range(WORKERS)]
        [thread.start() for thread in threads]
        with db.connect("login") as cutter:
            while any(thread.is_alive() for thread in threads):
                time.sleep(dice.random() / 50)
                if pids and cut["cut"] < 40 * ROUNDS:
                    cutter.execute("SELECT pg_terminate_backend(%s)", [dice.choice(pids)])
                    cut["cut"] += 1
        [thread.join() for thread in threads]
        bill(part_size=2)
        prove(accounts, 3, 2)
    assert InvoiceLine.objects.count() == accounts * 6
