"""One measurement of ingestion over HTTP, and of its floor; with what it cost."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness import child
from benchmarks.harness.machine import Tree
from benchmarks.harness.results import percentile
from benchmarks.harness.stage import Stage
from benchmarks.harness.traffic import Clock, Traffic
from tollbook.postgres.embedded import Embedded

LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Case:
    """Batches of `size` on so many connections; how the `traffic` differs from the usual, and its form on the `wire`."""

    size: int = 10_000
    connections: int = 2
    traffic: dict[str, Any] = field(default_factory=dict)
    wire: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One repetition: events a second; processor seconds of a million events by who spent them; peak memory of the web
    process; bytes that each table and each index grew by; how soon 95 of 100 batches were answered."""

    rate: float
    events: int
    cpu: dict[str, float]
    peak_mb: float
    grown: dict[str, int]
    p95_ms: float

    @property
    def bytes_per_event(self) -> float:
        """Of all tables together."""
        return sum(self.grown.values()) / self.events


class Ingestion:
    """Sends `events` to one installation or another of a server, for `seconds` at most; time goes on from run to run."""

    def __init__(self, server: Embedded, url: str, events: int, seconds: float) -> None:
        self.server, self.url, self.events, self.seconds = server, url, events, seconds
        self.clock = Clock()
        self.format = "text"
        self.format = max(("binary", "text"), key=self._speed)

    def run(self, there: Stage, case: Case, events: int | None = None) -> Run:
        """One repetition of a case."""
        return self.send(there, case, self.clock.next(events or self.events, **case.traffic), self.seconds)

    def send(self, there: Stage, case: Case, traffic: Traffic, seconds: float = LONGEST_SECONDS) -> Run:
        """Just this traffic."""
        order = {"port": there.port, "key": there.key, "connections": case.connections, "size": case.size}
        order |= {"seconds": seconds, "traffic": traffic.fields()} | case.wire
        parts = {"web": there.web, "worker": there.worker, "database": Tree(self.server.pid or 0)}
        with child.child("batches", order) as sender:
            before, sizes = {name: part.cpu_seconds() for name, part in parts.items()}, there.sizes()
            there.web.forget_peak()
            sender.go()
            report = sender.report()
        spent = {name: part.cpu_seconds() - before[name] for name, part in parts.items()} | {"client": report["cpu"]}
        grown = {table: size - sizes.get(table, 0) for table, size in there.sizes().items()}
        return Run(
            rate=report["events"] / report["seconds"],
            events=report["events"],
            cpu={name: seconds / report["events"] * 1_000_000 for name, seconds in spent.items()},
            peak_mb=there.web.peak_mb(),
            grown={table: size for table, size in grown.items() if size},
            p95_ms=percentile(report["waits"], 0.95) * 1000,
        )

    def floor(self, size: int = 10_000, connections: int = 2) -> float:
        """Rows a second that bare COPY writes, in transactions of `size`."""
        order = {"url": self.url, "connections": connections, "size": size, "format": self.format}
        order |= {"seconds": self.seconds, "traffic": self.clock.next(self.events).fields()}
        report = child.run("copying", order)
        return report["events"] / report["seconds"]

    def _speed(self, format: str) -> float:
        self.format = format
        return max(self.floor() for _ in range(2))
