"""How long documents take, warm: `python -m benchmarks.documents`. Aims: 15 ms a page, 1,000 PDFs zipped in 20 s.

Every run has its own number, so that nothing but the typefaces is remembered from the run before. The floor, taken in
turns with it, is a page of the same typesetter that bears one word: what typst costs when there is nothing to lay out.
The floor of the ZIP is those bare pages, as many as there are invoices, and nothing of a database.
"""

import io
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pypdf
import typst
from django.db import connections
from tests import conftest
from tests.databases import Database, created
from tests.many_invoices import load
from tests.people import people

from benchmarks.harness.results import Figure, figure, keep, ratios
from tollbook.accounts.account import today_in
from tollbook.invoicing.bundle import bundle
from tollbook.invoicing.document.paper import Line, Paper, Party
from tollbook.invoicing.document.typeset import fonts, typeset
from tollbook.postgres.embedded import Embedded

AIM_MS, ZIP_AIM_SECONDS = 15, 20
ZIPPED = 1_000
RUNS = {5: 200, 40: 60, 400: 12}
BARE = '#set document(title: sys.inputs.word)\n#set text(font: "Inter", lang: "en")\n#sys.inputs.word'


def main() -> int:
    """Print what each length of invoice takes; answers 1 when the aim is missed."""
    figures = [one for lines, runs in RUNS.items() for one in _figures(lines, runs)]
    figures += _zipped()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return keep("documents", [*figures, figure("peak memory", "MB", [peak])])


def _figures(lines: int, runs: int) -> Iterator[Figure]:
    paper = _paper(lines)
    pages = len(pypdf.PdfReader(io.BytesIO(typeset(paper))).pages)
    _bare("warm")
    floors, times, processor = [], [], []
    for run in range(runs):
        floors.append(_milliseconds(_bare, f"{lines}-{run}"))
        began = time.process_time()
        times.append(_milliseconds(typeset, replace(paper, number=f"INV-{run:06}")))
        processor.append((time.process_time() - began) * 1000)
    name = f"invoice of {lines} lines, {pages} page{'s' if pages > 1 else ''}"
    yield figure(f"{name}: each page", "ms", [taken / pages for taken in times], AIM_MS, at_most=True)
    yield figure(f"{name}: each page, time of the processor", "ms", [taken / pages for taken in processor])
    yield figure(f"{name}: floor, a bare page", "ms", floors)
    yield figure(f"{name}: whole by floor", "times", ratios(times, floors))


def _zipped() -> Iterator[Figure]:
    """A thousand invoices of an account as one ZIP: never typeset before, and again from what was kept."""
    with _on_a_database() as database:
        account = people().northwind
        ids = [one.id for one in load(database, account, ZIPPED, until=today_in(account))]
        floor = _milliseconds(lambda count: [_bare(f"zip-{number}") for number in range(count)], ZIPPED) / 1000
        first, again = ([_milliseconds(_taken, bundle(account.id, ids)) / 1000] for _ in range(2))
    yield figure(f"{ZIPPED:,} PDFs zipped, none typeset before", "s", first, ZIP_AIM_SECONDS, at_most=True)
    yield figure(f"{ZIPPED:,} PDFs zipped, floor: bare pages", "s", [floor])
    yield figure(f"{ZIPPED:,} PDFs zipped again, as kept", "s", again)


@contextmanager
def _on_a_database() -> Iterator[Database]:
    try:
        with Embedded(conftest.HOME / "server") as server, created(server, "postgres") as database:
            yield database
            connections.close_all()
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)


def _taken(pieces: Iterator[bytes]) -> None:
    """All of it, as a reader who is never slow."""
    for _ in pieces:
        pass


def _milliseconds(work: Callable[..., object], what: object) -> float:
    began = time.perf_counter()
    work(what)
    return (time.perf_counter() - began) * 1000


def _bare(word: str) -> bytes:
    return typst.compile(
        BARE.encode(),
        font_paths=fonts(),
        ignore_system_fonts=True,
        sys_inputs={"word": word},
        pdf_standards=["a-3a", "ua-1"],
        timestamp=datetime(2026, 11, 3, tzinfo=UTC),
    )


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
