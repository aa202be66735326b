"""Server time and size of the billing pages of an account with many invoices: `INVOICES=1000000 python -m benchmarks.pages`.

The aim is 50 ms at the median and 100 KB compressed for every page; files are measured too, without an aim. Times are
what the server itself says in `Server-Timing`: everything from the first middleware to the last, in this one process.
The aim is for 1,000,000 invoices, one in ten of them owed on; INVOICES is 100,000 by default, which load in seconds.
"""

import logging
import os
import shutil
import sys
from datetime import timedelta
from decimal import Decimal

from django.core.management import call_command
from django.db import connections
from django.test import Client
from tests import conftest
from tests.databases import Database, created
from tests.many_invoices import load
from tests.people import People, people

from benchmarks.harness.results import figure, keep
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.postgres.embedded import Embedded
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind

INVOICES, RUNS, FILE_RUNS = int(os.environ.get("INVOICES", "100000")), 20, 1
LAST, MIDDLE, SOME = INVOICES // 25, INVOICES // 50, f"INV-{INVOICES // 2:06d}"
AIM_MS, AIM_KB = 50, 100
PAGES = {
    "start page": "/",
    "Invoice History": "/billing/invoices/",
    "100 rows": "/billing/invoices/?rows=100",
    "the middle page": f"/billing/invoices/?page={MIDDLE}",
    "last page": f"/billing/invoices/?page={LAST}",
    "largest first": "/billing/invoices/?sort=-amount",
    "by amount, the middle page": f"/billing/invoices/?sort=-amount&page={MIDDLE}",
    "by balance": "/billing/invoices/?sort=-balance",
    "by balance, inside the paid ones": f"/billing/invoices/?sort=balance&page={MIDDLE}",
    "by number, the middle page": f"/billing/invoices/?sort=number&page={MIDDLE}",
    "by status": "/billing/invoices/?sort=status",
    "by status, the middle page": f"/billing/invoices/?sort=status&page={MIDDLE}",
    "overdue": "/billing/invoices/?status=overdue",
    "overdue by amount, the middle page": f"/billing/invoices/?status=overdue&sort=amount&page={LAST // 22}",
    "two statuses by amount, the middle page": (
        f"/billing/invoices/?status=paid&status=overdue&sort=amount&page={MIDDLE}"
    ),
    "a year, paid": "/billing/invoices/?status=paid&from=2025-01-01&to=2025-12-31",
    "a year and a bit by amount, the middle page": (
        f"/billing/invoices/?from=2025-01-05&to=2026-02-10&sort=-amount&page={LAST // 10}"
    ),
    "a month by balance": "/billing/invoices/?from=2026-01-01&to=2026-01-31&sort=-balance",
    "search by number": "/billing/invoices/?number=0421",
    "search by number, by amount, overdue": "/billing/invoices/?number=421&sort=-amount&status=overdue",
    "search by two digits": "/billing/invoices/?number=42",
    "one invoice": f"/billing/invoices/{SOME}/",
    "Subscriptions": "/billing/subscriptions/",
}
FILES = {
    "PDF of one invoice": f"/billing/invoices/{SOME}.pdf",
    "CSV of all invoices": "/billing/invoices.csv",
}


def main() -> int:
    """Print one row for each page; answers 1 when one misses its aim."""
    logging.getLogger("tollbook.web").setLevel(logging.WARNING)  # or a line for each request would hide the rows
    try:
        with Embedded(conftest.HOME / "server") as server, created(server, "postgres") as database:
            call_command("collectstatic", interactive=False, verbosity=0)
            client = _signed_in(_filled(database))
            pages = {name: _measured(client, address, RUNS) for name, address in PAGES.items()}
            files = {name: _measured(client, address, FILE_RUNS) for name, address in FILES.items()}
            connections.close_all()
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)
    figures = [figure(name, "ms", times, AIM_MS, at_most=True) for name, (times, _) in pages.items()]
    figures.append(figure("largest page as sent", "KB", [max(size for _, size in pages.values())], AIM_KB, at_most=True))
    figures += [figure(name, "ms", times) for name, (times, _) in files.items()]
    return keep("pages", figures, invoices=INVOICES)


def _measured(client: Client, address: str, runs: int) -> tuple[list[float], float]:
    """The milliseconds of each run after the first, and the kilobytes of the answer."""
    times, size = [], 0
    for _ in range(runs + 1):
        response = client.get(address)
        assert response.status_code == 200, f"{address} answers {response.status_code}"
        size = len(b"".join(response))
        times.append(float(response["Server-Timing"].removeprefix("app;dur=")))
    return times[1:], size / 1024


def _filled(database: Database) -> People:
    them = people()
    account, today = them.northwind, today_in(them.northwind)
    load(database, account, INVOICES, until=today)
    for number in range(20):
        offer(f"fee-{number}", f"Component {number}", FeeKind.RECURRING, Decimal(number + 1), SYSTEM)
        offer(f"setup-{number}", f"Setup {number}", FeeKind.SETUP, Decimal(100), SYSTEM)
        for code in (f"fee-{number}", f"setup-{number}"):
            start(account, NewSubscription(code, today - timedelta(days=90)), SYSTEM)
    return them


def _signed_in(them: People) -> Client:
    client = Client(headers={"host": "127.0.0.1", "accept-encoding": "gzip"})
    client.force_login(them.owner)
    return client


if __name__ == "__main__":
    sys.exit(main())
