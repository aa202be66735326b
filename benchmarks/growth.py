"""Whether ingestion stays fast as events pile up: `python -m benchmarks.growth`.

Measured when the table is small and again with ROWS events in it (1,000,000; the aim is about 100,000,000 beside
1,000,000, which takes half an hour and the disk that is printed first). The events get there by `harness.filling`.
EVENTS (150,000), REPETITIONS (5) and SECONDS (6) are of each measurement.
"""

import os
import sys
from collections.abc import Iterator

from benchmarks.harness import stage
from benchmarks.harness.filling import TEMPLATE, Filler
from benchmarks.harness.ingestion import Case, Ingestion, Run
from benchmarks.harness.results import Figure, figure, keep

ROWS = int(os.environ.get("ROWS", "1000000"))
EVENTS = int(os.environ.get("EVENTS", "150000"))
REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "6"))
MILLION = 1_000_000
MARGIN = 1.5
CASES = {"switch's ids": Case(), "random ids": Case(traffic={"random_ids": True})}
AIM = 0.8

Measured = dict[int, tuple[dict[str, list[Run]], list[float]]]


def main() -> int:
    """Fill, measure, print, keep; answers 1 when the aim was missed or the disk is too small."""
    with stage.postgres() as server, stage.tollbook(server) as there:
        ingestion = Ingestion(server, there.database.owner_url, EVENTS, SECONDS)
        filler = Filler(ingestion, there, ROWS)
        if not _fits(filler):
            return 1
        measured: Measured = {}
        sizes: dict[int, float] = {}
        for rows in (TEMPLATE if ROWS <= MILLION else MILLION, ROWS):
            filled = filler.fill(rows)
            print(f"  {filled.events:,} events, {filled.seconds:.0f} s to fill and vacuum", flush=True)
            sizes[rows] = sum(there.sizes().values()) / filled.events
            ingestion.clock.move_to(filler.now())
            measured[rows] = _measured(ingestion, there)
        details = {"postgresql": there.postgres_version(), "rows": ROWS, "bytes": there.sizes()}
    return keep("growth", [*_figures(measured, sizes)], **details, events=EVENTS, repetitions=REPETITIONS)


def _fits(filler: Filler) -> bool:
    needed, free = filler.bytes_needed(), stage.free_bytes()
    print(f"  {ROWS:,} events need {needed / 2**30:.1f} GB; {free / 2**30:.1f} GB are free", flush=True)
    if free < needed * MARGIN:
        print(f"  not enough: {MARGIN} times as much must be free")
        return False
    return True


def _measured(ingestion: Ingestion, there: stage.Stage) -> tuple[dict[str, list[Run]], list[float]]:
    for case in CASES.values():
        ingestion.run(there, case, events=case.size * 4)  # a warm-up
    runs: dict[str, list[Run]] = {name: [] for name in CASES}
    floors: list[float] = []
    for repetition in range(REPETITIONS):
        floors.append(ingestion.floor())
        for name, case in CASES.items():
            runs[name].append(ingestion.run(there, case))
        rates = {name: f"{of_case[-1].rate:,.0f}" for name, of_case in runs.items()}
        print(f"  {repetition + 1} events/s: {rates}; COPY into an empty table {floors[-1]:,.0f}", flush=True)
    return runs, floors


def _figures(measured: Measured, sizes: dict[int, float]) -> Iterator[Figure]:
    small, large = min(measured), max(measured)
    for rows, (runs, floors) in measured.items():
        yield figure(f"floor: COPY into an empty table, at {rows:,} events", "rows/s", floors)
        yield figure(f"on disk, at {rows:,} events", "bytes/event", [sizes[rows]])
        for name, of_case in runs.items():
            yield figure(f"{name}, at {rows:,} events", "events/s", [run.rate for run in of_case])
    for name in CASES:
        before = sorted(run.rate for run in measured[small][0][name])
        middle = before[len(before) // 2]
        after = [run.rate / middle for run in measured[large][0][name]]
        aim = AIM if name == "switch's ids" else None
        yield figure(f"{name}, at {large:,} events: of the speed at {small:,}", "", after, aim)


if __name__ == "__main__":
    sys.exit(main())
