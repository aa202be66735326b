"""What this process has done, counted; `/metrics` tells it in the format of Prometheus.

Whoever does something worth counting calls a function here: about a microsecond each, from any thread. Only totals are
kept, nothing of any customer. The state of the books is no business of this module: `web.api.metrics` asks the database.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_requests = Counter("tollbook_requests", "Requests answered.", ["route", "status"], registry=REGISTRY)
_events = Counter("tollbook_events", "Usage events received, by what became of them.", ["outcome"], registry=REGISTRY)
_accepted, _duplicates, _rejected = (_events.labels(outcome) for outcome in ("accepted", "duplicate", "rejected"))
_group = Histogram(
    "tollbook_group_requests",
    "Requests that were gathered into one transaction.",
    buckets=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    registry=REGISTRY,
)
_transaction = Histogram(
    "tollbook_transaction_seconds",
    "Recording transactions, from their first statement to the answer to COMMIT.",
    buckets=[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registry=REGISTRY,
)
_queue = Gauge(
    "tollbook_queue_events", "Usage events that wait for a transaction, by the size of their bodies.", registry=REGISTRY
)

MOST_ROUTES = 1_000
_answers: dict[tuple[str, int], Counter] = {}


def count_request(route: str, status: int) -> None:
    """One answer. `route` is a pattern of addresses, never an address: each new one costs memory for ever."""
    counter = _answers.get((route, status))
    if counter is None:
        label = route if len(_answers) < MOST_ROUTES else "other"
        counter = _answers[route, status] = _requests.labels(label, str(status))
    counter.inc()


def count_events(accepted: int, duplicates: int, rejected: int) -> None:
    """What became of a batch's events. Count once it is committed."""
    if accepted:
        _accepted.inc(accepted)
    if duplicates:
        _duplicates.inc(duplicates)
    if rejected:
        _rejected.inc(rejected)


def count_transaction(seconds: float, requests: int = 1) -> None:
    """A recording transaction that was committed: how long it took, and how many requests were gathered in it."""
    _transaction.observe(seconds)
    _group.observe(requests)


def watch_queue(depth: Callable[[], int]) -> None:
    """Have `depth` asked, when somebody looks, how many events wait; an estimate will do."""
    _queue.set_function(depth)
