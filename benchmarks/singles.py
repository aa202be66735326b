"""Single events and single holds over HTTP beside pgbench's guarded updates: `python -m benchmarks.singles`.

32 connections. A closed loop says how many a second are durable; an open one how long a request takes at 4,000 and at
100 a second, from when it was due. REPETITIONS (5) and SECONDS (2, of each measurement) may be given.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks.harness import child, stage, updates
from benchmarks.harness.machine import Tree
from benchmarks.harness.results import Figure, figure, keep, percentile, ratios
from benchmarks.harness.traffic import Clock

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "2"))
CONNECTIONS = 32
FASTEST = 16_000
"""Requests a second that a closed loop prepares for; it stops early when it has sent them all."""

KINDS: dict[str, dict[str, Any]] = {
    "events": {"kind": "event"},
    "holds": {"kind": "hold"},
    "holds with Idempotency-Key": {"kind": "hold", "idempotency_key": True},
}
BUSY, QUIET = 4_000, 100
PARTS = ("web", "database", "client")

Series = dict[tuple[str, str], list[float]]


def main() -> int:
    """Measure, print, keep; answers 1 when an aim was missed."""
    with stage.postgres() as server, stage.tollbook(server) as there:
        bench = Bench(there, Tree(server.pid or 0))
        for kind in KINDS:
            bench.closed(kind, 0.5)  # a warm-up
        bench.series.clear()
        for repetition in range(REPETITIONS):
            bench.floor()
            for kind in KINDS:
                bench.closed(kind, SECONDS)
            for kind in ("events", "holds"):
                bench.at(kind, BUSY, 0.99)
                bench.at(kind, QUIET, 0.5)
            print(f"  {repetition + 1}", *(f"{' '.join(k)}: {v[-1]:,.1f};" for k, v in bench.series.items()), flush=True)
        version = there.postgres_version()
    return keep("singles", [*_figures(bench.series)], postgresql=version, seconds=SECONDS, repetitions=REPETITIONS)


class Bench:
    """The installation, the traffic that goes on from run to run, and every repetition of what was measured."""

    def __init__(self, there: stage.Stage, database: Tree) -> None:
        self.there, self.database, self.clock = there, database, Clock()
        self.series: Series = defaultdict(list)

    def floor(self) -> None:
        """pgbench."""
        self.series["floor", "a second"].append(updates.per_second(self.there.database.owner_url, CONNECTIONS, SECONDS))

    def closed(self, kind: str, seconds: float) -> None:
        """As many as are answered; and the processor time that takes."""
        before = self.there.web.cpu_seconds(), self.database.cpu_seconds()
        report = self._run(kind, int(FASTEST * seconds), {"seconds": seconds})
        after = self.there.web.cpu_seconds(), self.database.cpu_seconds()
        self.series[kind, "a second"].append(report["answered"] / report["seconds"])
        self.series[kind, "refused"].append(report["refused"])
        seconds_of = (after[0] - before[0], after[1] - before[1], report["cpu"])
        for part, spent in zip(PARTS, seconds_of, strict=True):
            self.series[kind, part].append(spent / report["answered"] * 1_000_000)

    def at(self, kind: str, rate: int, share: float) -> None:
        """How long the request takes that `share` of all are faster than, in milliseconds."""
        report = self._run(kind, int(rate * SECONDS), {"seconds": SECONDS, "per_second": rate})
        self.series[kind, f"ms at {rate}"].append(percentile(report["waits"], share) * 1000)

    def _run(self, kind: str, count: int, how: dict[str, Any]) -> child.Report:
        order = {"port": self.there.port, "key": self.there.key, "connections": CONNECTIONS} | KINDS[kind] | how
        return child.run("requests", order | {"traffic": self.clock.next(count).fields()})


def _figures(series: Series) -> Iterator[Figure]:
    floors = series["floor", "a second"]
    yield figure("floor: pgbench, guarded updates", "/s", floors)
    for kind in KINDS:
        main = " " not in kind
        rates = series[kind, "a second"]
        yield figure(f"single {kind}", "/s", rates, 8_000 if main else None)
        yield figure(f"single {kind}: of the floor", "", ratios(rates, floors), 0.4 if main else None)
        if main:
            yield figure(f"single {kind} at {BUSY:,}/s: p99", "ms", series[kind, f"ms at {BUSY}"], 25, at_most=True)
            yield figure(f"single {kind} at {QUIET}/s: p50", "ms", series[kind, f"ms at {QUIET}"], 3, at_most=True)
        for part in PARTS:
            yield figure(f"single {kind}: processor time of {part}", "s/million", series[kind, part])


if __name__ == "__main__":
    sys.exit(main())
