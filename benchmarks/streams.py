"""Live streams: memory, processor time, and how soon all of them are told: `python -m benchmarks.streams`.

Opens 2,000 streams of one account against `tollbook web`, then debits one call after another. The aim is the page's:
250 ms from the acknowledged event to the streams, at the median of all streams. The readers share the machine.
"""

import asyncio
import shutil
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from django.core.management import call_command
from django.test import Client
from tests import conftest, processes
from tests.cast import a_rate, funded
from tests.databases import Database, created
from tests.people import People, people

from benchmarks.harness.results import figure, keep
from tollbook.cli.running import allow_open_requests
from tollbook.postgres.embedded import Embedded
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.wallet import open_wallets

STREAMS, AT_ONCE, EVENTS, QUIET_SECONDS = 2_000, 16, 10, 15
AIM_MS = 250


def main() -> int:
    """Print what was measured; answers 1 when the aim is missed."""
    allow_open_requests()
    with Embedded(conftest.HOME / "server") as server, created(server, "postgres") as database:
        call_command("collectstatic", interactive=False, verbosity=0)
        return asyncio.run(_measured(database, _filled()))


def _filled() -> People:
    them = people()
    open_wallets(them.northwind)
    a_rate(cents="10")
    funded(them.northwind, amount="1000")
    return them


async def _measured(database: Database, them: People) -> int:
    client = Client()
    await asyncio.to_thread(client.force_login, them.owner)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    port, log = processes.free_port(), conftest.HOME / "web.log"
    arguments = ("tollbook", "web", "--port", str(port))
    with processes.python(*arguments, environment=database.environment(), log=log) as process:
        address = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(processes.wait_until_alive, address, process, log)
        return await _told(Worker(process.pid), Readers(address, cookie), them)


async def _told(worker: "Worker", readers: "Readers", them: People) -> int:
    before, started = worker.now(), time.monotonic()
    await readers.open()
    memory, threads, seconds = (after - earlier for after, earlier in zip(worker.now(), before, strict=True))
    print(f"{STREAMS:,} streams opened in {time.monotonic() - started:.1f} s, {seconds:.1f} s of processor time")
    print(f"{threads} threads more")
    medians = [await _one_event(worker, readers, them, number) for number in range(EVENTS)]
    before = worker.now()
    await asyncio.sleep(QUIET_SECONDS)
    quiet = (worker.now()[2] - before[2]) / QUIET_SECONDS * 100
    figures = [
        figure("told, at the median of all streams", "ms", medians, AIM_MS, at_most=True),
        figure("memory a stream", "KB", [memory / STREAMS]),
        figure("processor time to open a stream", "ms", [seconds / STREAMS * 1000]),
        figure("a processor's share when all is quiet", "%", [quiet]),
    ]
    return keep("streams", figures, streams=STREAMS)


async def _one_event(worker: "Worker", readers: "Readers", them: People, number: int) -> float:
    before = worker.now()[2]
    event = Event(f"call-{number}", "outbound", Decimal(60), datetime.now(UTC) - timedelta(minutes=1))
    await asyncio.to_thread(record, them.northwind.id, [event])
    acknowledged = time.perf_counter()
    await asyncio.sleep(2)
    waits = sorted((at - acknowledged) * 1000 for at in readers.told_at)
    print(
        f"  event {number + 1:>2}: first {waits[0]:>5.0f} ms, median {statistics.median(waits):>5.0f} ms,"
        f" last {waits[-1]:>5.0f} ms, {worker.now()[2] - before:.2f} s of processor time"
    )
    return statistics.median(waits)


class Worker:
    """The process that serves: the youngest descendant of the one that was started."""

    def __init__(self, pid: int) -> None:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.folder = Path(f"/proc/{children[-1] if children else pid}")

    def now(self) -> tuple[float, float, float]:
        """Resident KB, threads, seconds of processor time."""
        lines = (self.folder / "status").read_text().splitlines()
        status = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
        times = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return float(status["VmRSS"]), float(status["Threads"]), (int(times[11]) + int(times[12])) / 100


class Readers:
    """Open streams, and when each was last told something."""

    def __init__(self, address: str, cookie: str) -> None:
        self.host, self.port = urlsplit(address).hostname, urlsplit(address).port
        self.request = f"GET /billing/credits/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode()
        self.told_at = [0.0] * STREAMS
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """All of them, so many at a time."""
        gate = asyncio.Semaphore(AT_ONCE)
        self.tasks = [asyncio.create_task(self._read(index, gate)) for index in range(STREAMS)]
        while not all(self.told_at):
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)

    async def _read(self, index: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(self.request)
            await reader.readuntil(b"event: gauges")
            self.told_at[index] = time.perf_counter()
        while data := await reader.read(65_536):
            if b"event: gauges" in data:  # not a tick
                self.told_at[index] = time.perf_counter()


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(conftest.HOME, ignore_errors=True)
