"""How soon a gateway's webhook is acknowledged: `python -m benchmarks.webhooks`.

WEBHOOKS (1,000) signed webhooks on 8 connections in a closed loop, REPETITIONS (5) times, each time beside its floor: as
many bare inserts of one row, committed one by one on 8 connections. The worker looks into what came meanwhile, and asks a
gateway of this machine about it.
"""

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import psycopg
from tests.gateway import running
from tests.gateway.started import SECRET_KEY, WEBHOOK_SECRET

from benchmarks.harness import child, stage
from benchmarks.harness.results import Figure, figure, keep, percentile, ratios

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
WEBHOOKS = int(os.environ.get("WEBHOOKS", "1000"))
CONNECTIONS = 8
AIM_MS = 100
SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
TABLE = "CREATE TABLE IF NOT EXISTS floor_event (id text PRIMARY KEY, said text NOT NULL, at timestamptz NOT NULL)"
INSERT = "INSERT INTO floor_event VALUES (%s, %s, clock_timestamp())"

Series = dict[tuple[str, str], list[float]]


def main() -> int:
    """Measure, print, keep; answers 1 when an aim was missed."""
    series: Series = defaultdict(list)
    with running() as gateway, stage.postgres() as server:
        at_gateway = {
            "TOLLBOOK_GATEWAYS": "stripe",
            "TOLLBOOK_STRIPE_API_BASE": gateway.url,
            "TOLLBOOK_STRIPE_SECRET_KEY": SECRET_KEY,
            "TOLLBOOK_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        }
        with stage.tollbook(server, more=at_gateway) as there:
            _acknowledged(there)  # a warm-up
            for repetition in range(REPETITIONS):
                _note(series, "floor", _floor(there.database.owner_url, repetition))
                _note(series, "webhook", _acknowledged(there))
                print(f"  {repetition + 1}", *(f"{' '.join(k)}: {v[-1]:,.1f};" for k, v in series.items()), flush=True)
            version = there.postgres_version()
    details = {"postgresql": version, "webhooks": WEBHOOKS, "connections": CONNECTIONS, "repetitions": REPETITIONS}
    return keep("webhooks", [*_figures(series)], **details)


def _acknowledged(there: stage.Stage) -> list[float]:
    """How long each webhook took to be stored and answered, in seconds."""
    order = {"port": there.port, "connections": CONNECTIONS, "kind": "webhook", "count": WEBHOOKS, "seconds": 120}
    report = child.run("requests", order)
    if report["refused"] or report["answered"] != WEBHOOKS:
        raise RuntimeError(f"{report['refused']} of {WEBHOOKS} were refused, {report['answered']} answered")
    return report["waits"]


def _floor(url: str, repetition: int) -> list[float]:
    """How long each bare insert took to be committed, in seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    waits: list[float] = []
    workers = [
        threading.Thread(target=_insert, args=(url, f"{repetition}/{number}", WEBHOOKS // CONNECTIONS, waits))
        for number in range(CONNECTIONS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return waits


def _insert(url: str, name: str, count: int, waits: list[float]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(count):
            began = time.perf_counter()
            connection.execute(INSERT, (f"{name}/{number}", "payment_intent.succeeded"))
            waits.append(time.perf_counter() - began)


def _note(series: Series, name: str, waits: list[float]) -> None:
    for word, share in SHARES.items():
        series[name, word].append(percentile(waits, share) * 1000)


def _figures(series: Series) -> Iterator[Figure]:
    for word in SHARES:
        yield figure(f"floor: a bare insert, committed: {word}", "ms", series["floor", word])
    for word in SHARES:
        aim = None if word == "p50" else AIM_MS
        yield figure(f"webhook, stored and acknowledged: {word}", "ms", series["webhook", word], aim, at_most=True)
    yield figure("webhook: p50, of the floor's", "", ratios(series["webhook", "p50"], series["floor", "p50"]))


if __name__ == "__main__":
    sys.exit(main())
