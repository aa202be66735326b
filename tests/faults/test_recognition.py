"""Recognition whose connections are cut again and again: every day of every account is earned once, to the last cent."""

import contextlib
import os
import random
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import Error, connection, connections, transaction

from tests.cast import an_account
from tests.databases import Database
from tollbook.invoicing import deferral
from tollbook.invoicing.deferral import Deferred, recognise_due
from tollbook.ledger.post import Movement, Side, post
from tollbook.postgres.ids import new_id

pytestmark = pytest.mark.faults

ACCOUNTS = int(os.environ.get("TOLLBOOK_RECOGNITION_ACCOUNTS", "12"))
CUTS = int(os.environ.get("TOLLBOOK_RECOGNITION_CUTS", "25"))
"""500 when it is to be shown."""

DAYS, GONE = 30, 20
FEE = Decimal("99.99")
CUT = "SELECT pg_terminate_backend(%s)"


def test_connections_cut_anywhere_leave_no_day_out_and_none_twice(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferral, "AT_ONCE", 5)
    today = datetime.now(UTC).date()
    for number in range(ACCOUNTS):
        _an_invoice(f"customer-{number}", today)
    seed = int(os.environ.get("TOLLBOOK_FAULT_SEED", random.randrange(10**6)))
    print("seed", seed)
    pids: set[int] = set()
    done = threading.Event()
    last = today + timedelta(days=GONE - 1)
    workers = [threading.Thread(target=_work, args=(last, pids, done)) for _ in range(3)]
    for worker in workers:
        worker.start()
    cuts = _cut(db, pids, random.Random(seed))
    done.set()
    for worker in workers:
        worker.join(timeout=60)
    recognise_due(today=last)
    assert cuts == CUTS
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT recognised, next_on FROM deferral")
        assert cursor.fetchall() == [(Decimal("66.66"), last + timedelta(days=1))]
        cursor.execute("SELECT -sum(amount) FROM entry WHERE code = 'revenue:recurring' GROUP BY account_id")
        assert set(cursor.fetchall()) == {(Decimal("66.66"),)}
        cursor.execute("SELECT account_id, left(reference, 10) FROM transfer WHERE kind = 'recognition'")
        told = cursor.fetchall()
    assert len(told) == len(set(told)) == ACCOUNTS * GONE


def _an_invoice(slug: str, today: date) -> None:
    account = an_account(slug)
    row = Deferred(account.id, new_id(), "deferred:recurring", "USD", today, today + timedelta(days=DAYS - 1), FEE)
    with transaction.atomic():
        deferral.begin([row])
        sides = [Side("receivable", FEE), Side(row.code, -FEE)]
        post(account.id, "USD", [Movement(new_id(), "invoice", str(row.invoice_id), sides)])


def _work(last: date, pids: set[int], done: threading.Event) -> None:
    """Recognise until there is nothing left and nobody cuts any more."""
    while True:
        with contextlib.suppress(Error):
            connection.ensure_connection()
            pids.add(connection.connection.info.backend_pid)
            did = recognise_due(today=last)
            if not did and done.is_set():
                break
        if connection.connection is not None and connection.connection.closed:
            connection.close()
    connections.close_all()


def _cut(db: Database, pids: set[int], dice: random.Random) -> int:
    """End the workers' sessions, one at a time, at moments nobody chose; every few cuts there is a day more to do."""
    cuts = 0
    with db.connect("login") as cutter, contextlib.suppress(psycopg.errors.OperationalError):
        while cuts < CUTS:
            threading.Event().wait(dice.uniform(0.002, 0.05))
            if pids:
                cutter.execute(CUT, [pids.pop()])
                cuts += 1
    return cuts
