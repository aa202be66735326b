"""Server time and size of the billing pages of an account with 100,000 invoices: `python -m benchmarks.pages`.

The aim is 50 ms at the median and 100 KB compressed for every page; files are measured too, without an aim. Times are
what the server itself says in `Server-Timing`: everything from the first middleware to the last, in this one process.
"""

import platform
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.core.management import call_command
from django.db import connections
from django.test import Client
from tests import conftest
from tests.databases import Database, created
from tests.many_invoices import load
from tests.people import People, people

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.postgres.embedded import Embedded
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind

INVOICES, RUNS, FILE_RUNS = 100_000, 40, 3
AIM_MS, AIM_KB = 50, 100
PAGES = {
    "start page": "/",
    "Invoice History": "/billing/invoices/",
    "100 rows": "/billing/invoices/?rows=100",
    "page 2,000 of 4,000": "/billing/invoices/?page=2000",
    "last page": "/billing/invoices/?page=4000",
    "largest first": "/billing/invoices/?sort=-amount",
    "by amount, page 2,000": "/billing/invoices/?sort=-amount&page=2000",
    "by status": "/billing/invoices/?sort=status",
    "overdue": "/billing/invoices/?status=overdue",
    "a year, paid": "/billing/invoices/?status=paid&from=2025-01-01&to=2025-12-31",
    "search by number": "/billing/invoices/?number=0421",
    "one invoice": "/billing/invoices/INV-050000/",
    "Subscriptions": "/billing/subscriptions/",
}
FILES = {
    "PDF of one invoice": "/billing/invoices/INV-050000.pdf",
    "CSV of all invoices": "/billing/invoices.csv",
}


@dataclass(frozen=True)
class Measured:
    """One address: milliseconds of each run, sorted, and the size of its answer as sent."""

    name: str
    times: list[float]
    kilobytes: float

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def __str__(self) -> str:
        p95 = self.times[int(len(self.times) * 0.95)]
        return f"{self.name:<24} {self.median:>10.1f} {p95:>8.1f} {self.kilobytes:>8.1f}"


def main() -> int:
    """Print one row for each page, with the machine and the day; answers 1 when a page misses its aim."""
    print(f"pages, {platform.processor() or platform.machine()}, Python {platform.python_version()}, {_today()}")
    try:
        with Embedded(conftest.HOME / "server") as server, created(server, "postgres") as database:
            call_command("collectstatic", interactive=False, verbosity=0)
            client = _signed_in(_filled(database))
            print(f"{INVOICES:,} invoices\n{'':<24} {'ms median':>10} {'ms p95':>8} {'KB sent':>8}")
            missed = [one.name for one in _measured(client) if one.median > AIM_MS or one.kilobytes > AIM_KB]
            for name, address in FILES.items():
                print(_measure(client, name, address, FILE_RUNS))
            connections.close_all()
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)
    print(f"over {AIM_MS} ms or {AIM_KB} KB: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def _measured(client: Client) -> Iterator[Measured]:
    for name, address in PAGES.items():
        measured = _measure(client, name, address, RUNS)
        print(measured, flush=True)
        yield measured


def _measure(client: Client, name: str, address: str, runs: int) -> Measured:
    times, size = [], 0
    for _ in range(runs + 1):
        response = client.get(address)
        assert response.status_code == 200, f"{address} answers {response.status_code}"
        size = len(b"".join(response))
        times.append(float(response["Server-Timing"].removeprefix("app;dur=")))
    return Measured(name, sorted(times[1:]), size / 1024)


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


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main())
