"""Live bars while ingesting: 2,000 open streams, batches at half of full speed: `python -m benchmarks.live`.

Two installations stand on one PostgreSQL; the portal streams of the first are open throughout, 100 of each account. Both
ingest in turns. Nothing but probes moves the email wallets: single events, twenty a second, one account after another,
each followed until all streams of its account have told the new balance. The readers share the machine.
REPETITIONS (5), SECONDS (3, of each measurement) and STREAMS (2,000) may be given.
"""

import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal

from benchmarks.harness import child, stage, wire
from benchmarks.harness.results import Figure, figure, keep, percentile, ratios
from benchmarks.harness.traffic import ACCOUNTS, Clock, slug
from tollbook.cli.running import allow_open_requests

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "3"))
STREAMS = int(os.environ.get("STREAMS", "2000"))
PROBES_PER_SECOND = 20
BATCH, CONNECTIONS = 10_000, 2
PRICE = Decimal(stage.RATE_CENTS) / 100
WARM_UP = 100_000
LIMIT_SECONDS = 5.0
"""A probe that some stream has not told after so long counts as so long."""


@dataclass
class Probe:
    """One event: of which account, the balance it leaves, when it was sent and acknowledged."""

    account: int
    balance: Decimal
    sent: float
    acknowledged: float


@dataclass
class Seen:
    """Every repetition of everything."""

    full: list[float] = field(default_factory=list)
    full_watched: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    half_watched: list[float] = field(default_factory=list)


def main() -> int:
    """Measure, print, keep; answers 1 when an aim was missed."""
    allow_open_requests()
    seen = Seen()
    with stage.postgres() as server, stage.tollbook(server) as watched:
        cookies = [stage.signed_in(account) for account in watched.accounts]
        with stage.tollbook(server) as alone:
            bench = Bench(watched, alone)
            bench.ingest(alone)
            bench.ingest(watched)
            order = {"port": watched.port, "cookies": cookies, "each": STREAMS // ACCOUNTS, "type": "email"}
            began = time.monotonic()
            with child.child("watchers", order) as watchers:
                print(f"  {STREAMS:,} streams opened in {time.monotonic() - began:.1f} s", flush=True)
                watchers.go()
                probes = [probe for _ in range(REPETITIONS) for probe in bench.repetition(seen)]
                time.sleep(1)
                watchers.stop()
                report = watchers.report()
            version = alone.postgres_version()
    waits = _waits(probes, report["told"])
    still = report["open"]
    print(f"  {len(probes)} probes, {report['messages']:,} messages read; {still:,} streams still open")
    details = {"postgresql": version, "seconds": SECONDS, "repetitions": REPETITIONS, "streams": STREAMS}
    return keep("live", _figures(seen, *waits), **details, messages=report["messages"], still_open=still)


class Bench:
    """The two installations, and the traffic that goes on from run to run."""

    def __init__(self, watched: stage.Stage, alone: stage.Stage) -> None:
        self.watched, self.alone, self.clock = watched, alone, Clock()
        self.balances = [stage.FUNDS] * ACCOUNTS
        self.probes = 0
        self.fastest = 0.0

    def repetition(self, seen: Seen) -> list[Probe]:
        """Full speed and half speed, with and without streams."""
        seen.full.append(self.ingest(self.alone))
        pace = percentile(seen.full, 0.5) / 2
        seen.half.append(self.ingest(self.alone, pace))
        probes: list[Probe] = []
        over = threading.Event()
        prober = threading.Thread(target=self._probe, args=(probes, over))
        prober.start()
        try:
            seen.half_watched.append(self.ingest(self.watched, pace))
        finally:
            over.set()
            prober.join()
        seen.full_watched.append(self.ingest(self.watched))
        print(f"  events/s: {seen.full[-1]:,.0f} full, {seen.full_watched[-1]:,.0f} with streams;"
              f" {seen.half[-1]:,.0f} at half speed, {seen.half_watched[-1]:,.0f} with streams", flush=True)  # fmt: skip
        return probes

    def ingest(self, there: stage.Stage, per_second: float = 0) -> float:
        """Events a second that were acknowledged. At full speed half as many again as ever went through are prepared."""
        count = int((per_second or self.fastest * 1.5) * SECONDS) or WARM_UP
        traffic = self.clock.next(count, email=False)
        order = {"port": there.port, "key": there.key, "connections": CONNECTIONS, "size": BATCH, "seconds": SECONDS}
        report = child.run("batches", order | {"per_second": per_second, "traffic": traffic.fields()})
        rate = report["events"] / report["seconds"]
        self.fastest = max(self.fastest, rate)
        return rate

    def _probe(self, probes: list[Probe], over: threading.Event) -> None:
        connection = wire.connect(self.watched.port)
        while not over.wait(1 / PROBES_PER_SECOND):
            account = self.probes % ACCOUNTS
            self.probes += 1
            body = (
                f'[{{"id":"probe-{self.probes}-{random.getrandbits(32):x}","account":"{slug(account)}","type":"email",'
                f'"quantity":1,"occurred_at":"{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}"}}]'
            )
            request = wire.post("/api/v1/usage", self.watched.key, body.encode())
            sent = time.perf_counter()
            connection.sendall(request)
            answer = wire.read(connection)
            assert b'"accepted":1' in answer, answer
            self.balances[account] -= PRICE
            probes.append(Probe(account, self.balances[account], sent, time.perf_counter()))
        connection.close()


def _waits(probes: list[Probe], told: list[tuple[int, int, str, float]]) -> tuple[list[float], list[float]]:
    """Of each probe and each stream of its account, the milliseconds from sending and from the acknowledgement."""
    of_stream: dict[tuple[int, int], list[tuple[Decimal, float]]] = {}
    for account, stream, balance, at in told:
        of_stream.setdefault((account, stream), []).append((Decimal(balance), at))
    sent, acknowledged = [], []
    for probe in probes:
        for (account, _), changes in of_stream.items():
            if account == probe.account:
                at = next((at for balance, at in changes if balance <= probe.balance), probe.sent + LIMIT_SECONDS)
                sent.append((at - probe.sent) * 1000)
                acknowledged.append(max(0.0, at - probe.acknowledged) * 1000)
    return sent, acknowledged


def _figures(seen: Seen, sent: list[float], acknowledged: list[float]) -> list[Figure]:
    def share(name: str, values: list[float], of: float, aim: float | None = None) -> Figure:
        return Figure(name, "ms", percentile(values, of), min(values), max(values), aim, at_most=True)

    return [
        figure("ingest, full speed, no streams", "events/s", seen.full),
        figure(f"ingest, full speed, {STREAMS:,} streams", "events/s", seen.full_watched),
        figure("ingest, full speed: of that without streams", "", ratios(seen.full_watched, seen.full)),
        figure("ingest, half speed: of that without streams", "", ratios(seen.half_watched, seen.half), 0.8),
        share("event to bar at half speed, from the acknowledgement: p99", acknowledged, 0.99, 250),
        share("event to bar at half speed, from the acknowledgement: p50", acknowledged, 0.5),
        share("event to bar at half speed, from sending: p99", sent, 0.99),
    ]


if __name__ == "__main__":
    sys.exit(main())
