"""What 1,000 slow connections cost the others: `python -m benchmarks.slow_connections`.

Single events are sent in an open loop, with and without 1,000 connections that send a byte a second. REPETITIONS (5),
SECONDS (3, of each measurement) may be given. The others send a quarter of what a closed loop reaches, or 500 a second.
"""

import os
import sys

from benchmarks.harness import child, stage
from benchmarks.harness.results import figure, keep, percentile, ratios
from benchmarks.harness.traffic import Clock

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "3"))
MOST_PER_SECOND, FASTEST = 500, 16_000
SLOW, PAUSE_SECONDS, CONNECTIONS = 1_000, 1.0, 32


def main() -> int:
    """Measure, print, keep; answers 1 when the aim was missed."""
    alone: list[float] = []
    beside: list[float] = []
    cut = 0
    with stage.postgres() as server, stage.tollbook(server) as there:
        others = Others(there)
        others.p99()  # a warm-up at its pace
        for _ in range(REPETITIONS):
            alone.append(others.p99())
            order = {"port": there.port, "key": there.key, "connections": SLOW, "pause": PAUSE_SECONDS}
            with child.child("trickle", order) as slow:
                slow.go()
                beside.append(others.p99())
                slow.stop()
                cut += slow.report()["cut"]
            print(f"  p99 {alone[-1]:.1f} ms alone, {beside[-1]:.1f} ms beside slow ones; cut off: {cut}", flush=True)
        version = there.postgres_version()
    figures = [
        figure(f"single events at {others.rate:,.0f}/s, alone: p99", "ms", alone),
        figure(f"single events at {others.rate:,.0f}/s, beside {SLOW:,} slow connections: p99", "ms", beside),
        figure("slow connections: others' p99, of that alone", "", ratios(beside, alone), 2, at_most=True),
    ]
    return keep("slow_connections", figures, postgresql=version, seconds=SECONDS, repetitions=REPETITIONS, cut=cut)


class Others:
    """Ordinary senders."""

    def __init__(self, there: stage.Stage) -> None:
        self.order = {"port": there.port, "key": there.key, "connections": CONNECTIONS, "kind": "event"}
        self.clock = Clock()
        closed = self._report({"seconds": 1}, FASTEST)
        self.rate = min(MOST_PER_SECOND, closed["answered"] / closed["seconds"] / 4)

    def p99(self) -> float:
        """How many milliseconds 99 of 100 events take at most, from when each was due."""
        report = self._report({"seconds": SECONDS, "per_second": self.rate}, int(self.rate * SECONDS))
        return percentile(report["waits"], 0.99) * 1000

    def _report(self, how: dict[str, float], count: int) -> child.Report:
        return child.run("requests", self.order | how | {"traffic": self.clock.next(count).fields()})


if __name__ == "__main__":
    sys.exit(main())
