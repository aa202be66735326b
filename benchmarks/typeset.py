"""How long an invoice takes to typeset, warm: `python -m benchmarks.typeset`. The aim is 15 ms a page at the median.

Every run has its own number, so that nothing but the typefaces is remembered from the run before.
"""

import io
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pypdf

from benchmarks.harness.results import Figure, figure, keep
from tollbook.invoicing.document.paper import Line, Paper, Party
from tollbook.invoicing.document.typeset import typeset

AIM_MS = 15
RUNS = {1: 100, 5: 100, 40: 60, 400: 12}


def main() -> int:
    """Print what each length of invoice takes; answers 1 when the aim is missed."""
    typeset(_paper(1))
    figures = [one for lines, runs in RUNS.items() for one in _figures(lines, runs)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return keep("typeset", [*figures, figure("peak memory", "MB", [peak])])


def _figures(lines: int, runs: int) -> Iterator[Figure]:
    paper = _paper(lines)
    pages = len(pypdf.PdfReader(io.BytesIO(typeset(paper))).pages)
    times = [_milliseconds(replace(paper, number=f"INV-{run:06}")) / pages for run in range(runs)]
    yield figure(f"invoice of {lines} lines, {pages} pages: a page", "ms", times, AIM_MS, at_most=True)


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
        issued_on=date(2026, 11, 3),
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


if __name__ == "__main__":
    sys.exit(main())
