"""Ingestion over HTTP beside bare COPY of the same rows: `python -m benchmarks.ingest`.

Two installations stand on one PostgreSQL: one with flat rates, one with a default deck of 200,000 prefixes. Each
repetition measures every case once, with the floors of its batch sizes among them. EVENTS (150,000 a case and
repetition), REPETITIONS (5), SECONDS (6, after which a case stops early) and CASES (part of their names) may be given.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.harness import child, stage
from benchmarks.harness.ingestion import Case, Ingestion, Run
from benchmarks.harness.results import Figure, figure, keep, ratios

EVENTS = int(os.environ.get("EVENTS", "150000"))
REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "6"))
CHOSEN = os.environ.get("CASES", "")

HOT = {"accounts": 1, "hot": True}
CASES = {
    "10,000 flat": Case(),
    "10,000 deck": Case(),
    "10,000 deck hot": Case(traffic=HOT),
    "500 deck": Case(500, 4),
    "500 deck hot": Case(500, 4, HOT),
    "10,000 deck NDJSON": Case(wire={"format": "ndjson"}),
    "10,000 deck gzip": Case(wire={"gzip": True}),
    "10,000 deck random ids": Case(traffic={"random_ids": True}),
    "10,000 deck free pairs": Case(traffic={"free_pairs": True}),
}
"""By name; those with "deck" in it are sent to the installation with 200,000 prefixes."""

AIMS = {"10,000 flat": 100_000, "10,000 deck": 100_000, "500 deck": 50_000}
AIMS_OF_FLOOR = {"10,000 flat": 0.25, "10,000 deck": 0.25}
BESIDE = {"10,000 deck hot": "10,000 deck", "500 deck hot": "500 deck", "10,000 deck": "10,000 flat"}
"""Cases that are to reach 0.8 of another."""

LEAST_BESIDE, MOST_MB, MOST_BYTES = 0.8, 300, 250
ORDINARY = ("10,000 flat", "10,000 deck")
"""Those whose bytes an event are aimed at; smaller batches make more of the ledger."""

Runs = dict[str, list[Run]]
Floors = dict[int, list[float]]


def main() -> int:
    """Measure, print, keep; answers 1 when an aim was missed."""
    cases = {name: case for name, case in CASES.items() if CHOSEN in name}
    with stage.postgres() as server, ExitStack() as stack:
        decks = {"deck" in name for name in cases}
        stages = {deck: stack.enter_context(stage.tollbook(server, prefixes=deck)) for deck in decks}
        any_stage = next(iter(stages.values()))
        ingestion = Ingestion(server, any_stage.database.owner_url, EVENTS, SECONDS)
        runs, floors = _measured(ingestion, stages, cases)
        details = {"postgresql": any_stage.postgres_version(), "floor_format": ingestion.format}
    figures = [*_figures(runs, floors), *(cost for name in runs for cost in _costs(name, runs[name]))]
    return keep("ingest", figures, **details, events=EVENTS, repetitions=REPETITIONS, grown=_grown(runs))


def _measured(ingestion: Ingestion, stages: dict[bool, stage.Stage], cases: dict[str, Case]) -> tuple[Runs, Floors]:
    """Every repetition of every case by its name, and of every floor by its batch size."""
    runs: Runs = defaultdict(list)
    floors: Floors = defaultdict(list)
    cases = {name: case for name, case in cases.items() if _warm_up(ingestion, stages["deck" in name], name, case)}
    for repetition in range(REPETITIONS):
        for size, connections in {case.size: case.connections for case in cases.values()}.items():
            floors[size].append(ingestion.floor(size, connections))
            print(f"  {repetition + 1} COPY by {size:,}: {floors[size][-1]:,.0f} rows/s", flush=True)
        for name, case in cases.items():
            runs[name].append(ingestion.run(stages["deck" in name], case))
            print(f"  {repetition + 1} {name}: {runs[name][-1].rate:,.0f} events/s", flush=True)
    return runs, floors


def _warm_up(ingestion: Ingestion, there: stage.Stage, name: str, case: Case) -> bool:
    """Whether the case can be measured: the server may not take every form on the wire."""
    try:
        ingestion.run(there, case, events=case.size * 4)
    except child.Failed:
        if not case.wire:
            raise
        print(f"  {name} is left out: the server does not take it", flush=True)
        return False
    return True


def _figures(runs: Runs, floors: Floors) -> Iterator[Figure]:
    rates = {name: [run.rate for run in of_case] for name, of_case in runs.items()}
    for size, values in floors.items():
        yield figure(f"floor: COPY by {size:,}", "rows/s", values)
    for name, values in rates.items():
        yield figure(name, "events/s", values, AIMS.get(name))
        yield figure(f"{name}: of its floor", "", ratios(values, floors[CASES[name].size]), AIMS_OF_FLOOR.get(name))
    for name, other in BESIDE.items():
        if name in rates and other in rates:
            yield figure(f"{name}: of {other}", "", ratios(rates[name], rates[other]), LEAST_BESIDE)


def _costs(name: str, runs: list[Run]) -> Iterator[Figure]:
    most = MOST_BYTES if name in ORDINARY else None
    yield figure(f"{name}: on disk", "bytes/event", [run.bytes_per_event for run in runs], most, at_most=True)
    yield figure(f"{name}: peak of the web process", "MB", [run.peak_mb for run in runs], MOST_MB, at_most=True)
    yield figure(f"{name}: batch answered, 95 of 100", "ms", [run.p95_ms for run in runs])
    for part in runs[0].cpu:
        yield figure(f"{name}: processor time of {part}", "s/million", [run.cpu[part] for run in runs])


def _grown(runs: Runs) -> dict[str, dict[str, float]]:
    """Bytes an event by table and by index, over all repetitions of a case."""
    found: dict[str, dict[str, float]] = {}
    for name, of_case in runs.items():
        events = sum(run.events for run in of_case)
        tables = sorted({table for run in of_case for table in run.grown})
        found[name] = {table: round(sum(run.grown.get(table, 0) for run in of_case) / events, 1) for table in tables}
    return found


if __name__ == "__main__":
    sys.exit(main())
