"""Whether ingestion stays fast as events pile up: `python -m benchmarks.growth`.

Two installations stand on one PostgreSQL and are measured in turns, the large one filled to ROWS events (1,000,000), the
small one to a fifth. The aim is about ROWS=100000000 beside 1,000,000, which takes half an hour and the disk that is printed
first. The events get there by `harness.filling`. EVENTS (150,000), REPETITIONS (5) and SECONDS (6) are of each measurement.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator

from benchmarks.harness import stage
from benchmarks.harness.filling import TEMPLATE, Filler
from benchmarks.harness.ingestion import Case, Ingestion, Run
from benchmarks.harness.results import Figure, figure, keep, ratios

ROWS = int(os.environ.get("ROWS", "1000000"))
EVENTS = int(os.environ.get("EVENTS", "150000"))
REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "6"))
MILLION = 1_000_000
SMALL = MILLION if ROWS > MILLION else TEMPLATE
MARGIN = 1.5
CASES = {"switch's ids": Case(), "random ids": Case(traffic={"random_ids": True})}
AIMS = {"switch's ids": 0.8}

Runs = dict[tuple[str, int], list[Run]]


def main() -> int:
    """Fill, measure, print, keep; answers 1 when the aim was missed or the disk is too small."""
    with stage.postgres() as server, stage.tollbook(server) as small, stage.tollbook(server) as large:
        ingestion = Ingestion(server, small.database.owner_url, EVENTS, SECONDS)
        stages = {SMALL: small, ROWS: large}
        fillers = {rows: Filler(ingestion, there, rows) for rows, there in stages.items()}
        if not _fit(*fillers.values()):
            return 1
        sizes = {rows: _filled(filler, stages[rows]) for rows, filler in fillers.items()}
        runs, floors = _measured(ingestion, stages)
        details = {"postgresql": large.postgres_version(), "bytes": large.sizes()}
    return keep("growth", [*_figures(runs, floors, sizes)], **details, events=EVENTS, repetitions=REPETITIONS)


def _fit(*fillers: Filler) -> bool:
    needed, free = sum(filler.bytes_needed() for filler in fillers), stage.free_bytes()
    print(f"  {ROWS:,} events need {needed / 2**30:.1f} GB; {free / 2**30:.1f} GB are free", flush=True)
    if free < needed * MARGIN:
        print(f"  not enough: {MARGIN} times as much must be free")
        return False
    return True


def _filled(filler: Filler, there: stage.Stage) -> float:
    """Bytes an event."""
    filled = filler.fill()
    print(f"  {filled.events:,} events, {filled.seconds:.0f} s to fill and vacuum", flush=True)
    return sum(there.sizes().values()) / filled.events


def _measured(ingestion: Ingestion, stages: dict[int, stage.Stage]) -> tuple[Runs, list[float]]:
    for there in stages.values():
        for case in CASES.values():
            ingestion.run(there, case, events=case.size * 4)  # a warm-up
    runs: Runs = defaultdict(list)
    floors: list[float] = []
    for repetition in range(REPETITIONS):
        floors.append(ingestion.floor())
        for name, case in CASES.items():
            for rows, there in stages.items():
                runs[name, rows].append(ingestion.run(there, case))
                print(f"  {repetition + 1} {name}, {rows:,}: {runs[name, rows][-1].rate:,.0f} events/s", flush=True)
    return runs, floors


def _figures(runs: Runs, floors: list[float], sizes: dict[int, float]) -> Iterator[Figure]:
    rates = {key: [run.rate for run in of_case] for key, of_case in runs.items()}
    yield figure("floor: COPY into an empty table", "rows/s", floors)
    for rows, size in sizes.items():
        yield figure(f"on disk, {rows:,} events", "bytes/event", [size])
    for (name, rows), values in rates.items():
        yield figure(f"{name}, after {rows:,} events", "events/s", values)
    for name in CASES:
        beside = ratios(rates[name, ROWS], rates[name, SMALL])
        yield figure(f"{name}, after {ROWS:,} events: of that after {SMALL:,}", "", beside, AIMS.get(name))


if __name__ == "__main__":
    sys.exit(main())
