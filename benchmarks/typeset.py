"""How long an invoice takes to typeset, warm: `python -m benchmarks.typeset`. The aim is 15 ms a page at the median.

Every run has its own number, so that nothing but the typefaces is remembered from the run before.
"""

import io
import platform
import resource
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pypdf

from tollbook.invoicing.document.paper import Line, Paper, Party
from tollbook.invoicing.document.typeset import typeset

RUNS = {1: 100, 5: 100, 40: 60, 400: 12}


def main() -> None:
    """Print one row for each length of invoice, with the machine and the day."""
    print(f"typeset, {platform.processor() or platform.machine()}, Python {platform.python_version()}, {_today()}")
    typeset(_paper(1))
    print(f"{'lines':>6} {'pages':>6} {'ms median':>10} {'ms p95':>8} {'ms/page':>8} {'KB':>6}")
    for lines, runs in RUNS.items():
        print(_row(lines, runs))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _row(lines: int, runs: int) -> str:
    paper = _paper(lines)
    document = typeset(paper)
    pages = len(pypdf.PdfReader(io.BytesIO(document)).pages)
    times = sorted(_milliseconds(replace(paper, number=f"INV-{run:06}")) for run in range(runs))
    median, p95 = statistics.median(times), times[int(len(times) * 0.95)]
    size = len(document) / 1024
    return f"{lines:>6} {pages:>6} {median:>10.1f} {p95:>8.1f} {median / pages:>8.1f} {size:>6.0f}"


def _milliseconds(paper: Paper) -> float:
    began = time.perf_counter()
    typeset(paper)
    return (time.perf_counter() - began) * 1000


def _paper(count: int) -> Paper:
    lines = tuple(
        Line(
            n,
            f"Outbound minutes, campaign {n}",
            Decimal("12.34"),
            Decimal(n),
            "min",
            Decimal("0.0132"),
            "Nov 1 – Nov 30",
        )
        for n in range(1, count + 1)
    )
    total = Decimal("12.34") * count
    return Paper(
        number="INV-000001",
        issued_on=datetime(2026, 11, 3, tzinfo=UTC).date(),
        currency="USD",
        seller=Party("Tollbook Voice", "Tollbook Voice, Inc.", ("548 Market Street", "San Francisco, CA 94104"), "US"),
        buyer=Party("Northwind Traders", "Northwind Traders LLC", ("1200 Fifth Avenue", "Seattle, WA 98101"), "US"),
        lines=lines,
        subtotal=total,
        tax=Decimal(0),
        total=total,
        payment_state="Due on Dec 1, 2026",
        amount_due=total,
        notes="Questions about this invoice: billing@tollbook.example",
    )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    main()
