"""The billing run, 100,000 accounts with 5 fee lines each, taxed, numbered and posted: `python -m benchmarks.billing_run`.

The aim is 25 s on two cores, from the start of the first worker to the end of the last, beginning with empty books; then the
same run again, which finds everything billed. ACCOUNTS (default 100,000) and WORKERS (default 2) make it smaller or larger.
The workers are `tollbook bill`, which share one run. At the end every number, sum and balance is checked.
"""

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import connection, connections
from tests import conftest
from tests.databases import Database, created
from tests.many_accounts import load

from benchmarks.harness.results import figure, keep
from tollbook.invoicing.tables import TaxRule
from tollbook.postgres.embedded import Embedded
from tollbook.postgres.ids import new_id

ACCOUNTS, WORKERS = int(os.environ.get("ACCOUNTS", "100000")), int(os.environ.get("WORKERS", "2"))
LINES, AIM_SECONDS = 5, 25
TAX = Decimal("8.875")


def main() -> int:
    """Print the figures; answers 1 when the aim was missed."""
    try:
        with Embedded(conftest.HOME / "server") as server, created(server, "postgres") as database:
            _fill(database)
            first = _run(database)
            _check()
            again = _run(database)
            _check()
            connections.close_all()
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)
    aim = AIM_SECONDS * ACCOUNTS / 100_000
    figures = [
        figure(f"{ACCOUNTS:,} accounts x {LINES} lines", "s", [first], aim, at_most=True),
        figure("invoices a second", "/s", [ACCOUNTS / first]),
        figure("the same run again", "s", [again]),
    ]
    return keep("billing_run", figures, accounts=ACCOUNTS, lines=LINES, workers=WORKERS)


def _fill(database: Database) -> None:
    today = datetime.now(UTC).date()
    load(database, ACCOUNTS, date(today.year, today.month, 1), LINES)
    TaxRule.objects.create(
        id=new_id(), country="US", valid_from=date(2020, 1, 1), tax_rate=TAX, label="Sales tax", created_by="benchmark",
        created_at=datetime.now(UTC),
    )  # fmt: skip
    connections.close_all()


def _run(database: Database) -> float:
    """Seconds from the start of the first worker to the end of the last."""
    environment = os.environ | database.environment()
    began = time.monotonic()
    workers = [
        subprocess.Popen([sys.executable, "-m", "tollbook", "bill"], env=environment, stderr=subprocess.DEVNULL)
        for _ in range(WORKERS)
    ]
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    return time.monotonic() - began


def _check() -> None:
    """Every account has one invoice of 5 lines; numbers are dense; books, lines and balances agree."""
    facts = {
        "SELECT count(*), count(DISTINCT account_id), count(DISTINCT sequence), max(sequence) FROM invoice": [ACCOUNTS] * 4,
        "SELECT count(*) FROM invoice_line": [LINES * ACCOUNTS],
        "SELECT sum(total) - (SELECT sum(amount + tax) FROM invoice_line) FROM invoice": [0],
        "SELECT sum(balance) - (SELECT sum(amount) FROM entry WHERE code = 'receivable') FROM open_balance": [0],
        "SELECT sum(amount) FROM entry": [0],
    }
    with connection.cursor() as cursor:
        for query, expected in facts.items():
            cursor.execute(query)
            assert list(cursor.fetchone()) == expected, query


if __name__ == "__main__":
    sys.exit(main())
