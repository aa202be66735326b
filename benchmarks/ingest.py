"""Ingestion over HTTP beside bare COPY of the same rows: `python -m benchmarks.ingest`.

Two installations stand on one PostgreSQL: one with flat rates, one with a default deck of 200,000 prefixes. Each
repetition measures every case once, with the floors of its batch sizes among them. EVENTS (200,000 a case and
repetition), REPETITIONS (5), SECONDS (8, after which a case stops early) and CASES (part of their names) may be given.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness import child, stage
from benchmarks.harness.machine import Tree
from benchmarks.harness.results import Figure, figure, keep, percentile, ratios
from benchmarks.harness.traffic import Clock

from tollbook.postgres.embedded import Embedded

EVENTS = int(os.environ.get("EVENTS", "200000"))
REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "8"))
CASES_WANTED = os.environ.get("CASES", "")


@dataclass(frozen=True)
class Case:
    """What is sent, and to which of the two installations; `aim` in events a second."""

    name: str
    deck: bool
    size: int
    connections: int
    traffic: dict[str, Any] = field(default_factory=dict)
    wire: dict[str, Any] = field(default_factory=dict)
    aim: float | None = None


HOT: dict[str, Any] = {"accounts": 1, "hot": True}
CASES = (
    Case("10,000 flat", False, 10_000, 2, aim=100_000),
    Case("10,000 deck", True, 10_000, 2, aim=100_000),
    Case("10,000 deck hot", True, 10_000, 2, HOT),
    Case("500 deck", True, 500, 4, aim=50_000),
    Case("500 deck hot", True, 500, 4, HOT),
    Case("10,000 deck NDJSON", True, 10_000, 2, wire={"format": "ndjson"}),
    Case("10,000 deck gzip", True, 10_000, 2, wire={"gzip": True}),
    Case("10,000 deck random ids", True, 10_000, 2, {"random_ids": True}),
    Case("10,000 deck free pairs", True, 10_000, 2, {"free_pairs": True}),
)
SPREAD_AND_HOT = (("10,000 deck", "10,000 deck hot"), ("500 deck", "500 deck hot"))
FLAT_AND_DECK = ("10,000 flat", "10,000 deck")
MEMORY_MB, BYTES = 300, 250


@dataclass
class Run:
    """One repetition of a case."""

    rate: float
    cpu: dict[str, float]
    peak_mb: float
    grown: dict[str, int]
    events: int
    p95_ms: float


def main() -> int:
    """Measure, print, keep; answers 1 when an aim was missed."""
    cases = [case for case in CASES if CASES_WANTED in case.name]
    with stage.postgres() as server, ExitStack() as stack:
        stages = {deck: stack.enter_context(stage.tollbook(server, prefixes=deck)) for deck in {c.deck for c in cases}}
        bench = Bench(server, stages)
        version = next(iter(stages.values())).postgres_version()
        print(f"{REPETITIONS} repetitions of up to {EVENTS:,} events; PostgreSQL {version}; COPY is {bench.format}")
        runs, floors = bench.measured(cases)
    figures = [*_figures(cases, runs, floors)]
    return keep("ingest", figures, postgresql=version, events=EVENTS, repetitions=REPETITIONS, grown=_grown(runs))


class Bench:
    """The server, the installations on it, and the traffic that goes on from run to run."""

    def __init__(self, server: Embedded, stages: dict[bool, stage.Stage]) -> None:
        self.server, self.stages, self.clock = server, stages, Clock()
        self.url = next(iter(stages.values())).database.owner_url
        self.format = "text"
        self.format = max(("binary", "text"), key=self._speed)

    def measured(self, cases: Sequence[Case]) -> tuple[dict[str, list[Run]], dict[int, list[float]]]:
        """Every repetition of every case by its name, and of every floor by its batch size."""
        runs: dict[str, list[Run]] = defaultdict(list)
        floors: dict[int, list[float]] = defaultdict(list)
        for case in cases:
            self._run(case, warm_up=True)
        for repetition in range(REPETITIONS):
            for size in sorted({case.size for case in cases}):
                floors[size].append(self._floor(size, 4 if size < 10_000 else 2))
                print(f"  {repetition + 1} COPY by {size:,}: {floors[size][-1]:,.0f} rows/s", flush=True)
            for case in cases:
                runs[case.name].append(self._run(case))
                print(f"  {repetition + 1} {case.name}: {runs[case.name][-1].rate:,.0f} events/s", flush=True)
        return runs, floors

    def _run(self, case: Case, warm_up: bool = False) -> Run:
        there = self.stages[case.deck]
        traffic = self.clock.next(case.size * 4 if warm_up else EVENTS, **case.traffic)
        order = {"port": there.port, "key": there.key, "connections": case.connections, "size": case.size}
        with child.child("batches", order | {"seconds": SECONDS, "traffic": traffic.fields()} | case.wire) as sender:
            parts = {"web": there.web, "worker": there.worker, "database": Tree(self.server.pid or 0)}
            before, sizes = {name: part.cpu_seconds() for name, part in parts.items()}, there.sizes()
            there.web.forget_peak()
            sender.go()
            report = sender.report()
        cpu = {name: part.cpu_seconds() - before[name] for name, part in parts.items()} | {"client": report["cpu"]}
        grown = {table: size - sizes.get(table, 0) for table, size in there.sizes().items()}
        events = report["events"]
        return Run(
            rate=events / report["seconds"],
            cpu={name: seconds / events * 1_000_000 for name, seconds in cpu.items()},
            peak_mb=there.web.peak_mb(),
            grown={table: size for table, size in grown.items() if size},
            events=events,
            p95_ms=percentile(report["waits"], 0.95) * 1000,
        )

    def _floor(self, size: int, connections: int, seconds: float = SECONDS) -> float:
        order = {"url": self.url, "connections": connections, "size": size, "seconds": seconds, "format": self.format}
        report = child.run("copying", order | {"traffic": self.clock.next(EVENTS).fields()})
        return report["events"] / report["seconds"]

    def _speed(self, format: str) -> float:
        self.format = format
        return max(self._floor(10_000, 2) for _ in range(2))


def _figures(cases: Sequence[Case], runs: dict[str, list[Run]], floors: dict[int, list[float]]) -> Iterator[Figure]:
    rates = {name: [run.rate for run in of_case] for name, of_case in runs.items()}
    for size, values in floors.items():
        yield figure(f"floor: COPY by {size:,}", "rows/s", values)
    for case in cases:
        aim = 0.25 if case.size == 10_000 and case.aim else None
        yield figure(case.name, "events/s", rates[case.name], case.aim)
        yield figure(f"{case.name}: of its floor", "", ratios(rates[case.name], floors[case.size]), aim)
    for spread, hot in SPREAD_AND_HOT:
        if spread in rates and hot in rates:
            yield figure(f"{hot}: of the spread case", "", ratios(rates[hot], rates[spread]), 0.8)
    if set(FLAT_AND_DECK) <= rates.keys():
        flat, deck = FLAT_AND_DECK
        yield figure("200,000 prefixes: of the flat rate", "", ratios(rates[deck], rates[flat]), 0.8)
    for case in cases:
        yield from _costs(case, runs[case.name])


def _costs(case: Case, runs: list[Run]) -> Iterator[Figure]:
    ordinary = not case.traffic and case.size == 10_000
    grown = [sum(run.grown.values()) / run.events for run in runs]
    yield figure(f"{case.name}: on disk", "bytes/event", grown, BYTES if ordinary else None, at_most=True)
    yield figure(f"{case.name}: peak of the web process", "MB", [run.peak_mb for run in runs], MEMORY_MB, at_most=True)
    yield figure(f"{case.name}: batch answered, 95 of 100", "ms", [run.p95_ms for run in runs])
    for part in runs[0].cpu:
        yield figure(f"{case.name}: processor time of {part}", "s/million", [run.cpu[part] for run in runs])


def _grown(runs: dict[str, list[Run]]) -> dict[str, dict[str, float]]:
    """Bytes an event by table, over all repetitions of a case."""
    found: dict[str, dict[str, float]] = {}
    for name, of_case in runs.items():
        events = sum(run.events for run in of_case)
        tables = sorted({table for run in of_case for table in run.grown})
        found[name] = {table: round(sum(run.grown.get(table, 0) for run in of_case) / events, 1) for table in tables}
    return found


if __name__ == "__main__":
    sys.exit(main())
