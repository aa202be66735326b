"""What 1,000 slow connections cost the others: `python -m benchmarks.slow_connections`.

Single events are sent in an open loop, with and without 1,000 connections that send a byte a second. REPETITIONS (5),
SECONDS (3, of each measurement) and RATE (200 events a second) may be given.
"""

import os
import sys

from benchmarks.harness import child, stage
from benchmarks.harness.results import figure, keep, percentile, ratios
from benchmarks.harness.traffic import Clock

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "3"))
RATE = float(os.environ.get("RATE", "200"))
SLOW, PAUSE_SECONDS, CONNECTIONS = 1_000, 1.0, 32


def main() -> int:
    """Measure, print, keep; answers 1 when the aim was missed."""
    alone: list[float] = []
    beside: list[float] = []
    cut = 0
    with stage.postgres() as server, stage.tollbook(server) as there:
        others = Others(there)
        others.p99()  # a warm-up
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
        figure(f"single events at {RATE:,.0f}/s, alone: p99", "ms", alone),
        figure(f"single events at {RATE:,.0f}/s, beside {SLOW:,} slow connections: p99", "ms", beside),
        figure("slow connections: others' p99, of that alone", "", ratios(beside, alone), 2, at_most=True),
    ]
    return keep("slow_connections", figures, postgresql=version, seconds=SECONDS, repetitions=REPETITIONS, cut=cut)


class Others:
    """Ordinary senders."""

    def __init__(self, there: stage.Stage) -> None:
        self.order = {"port": there.port, "key": there.key, "connections": CONNECTIONS, "kind": "event"}
        self.clock = Clock()

    def p99(self) -> float:
        """How many milliseconds 99 of 100 events take at most, from when each was due."""
        how = {"seconds": SECONDS, "per_second": RATE, "traffic": self.clock.next(int(RATE * SECONDS)).fields()}
        return percentile(child.run("requests", self.order | how)["waits"], 0.99) * 1000


if __name__ == "__main__":
    sys.exit(main())
