"""GET /metrics: what this process counted and how the books stand, in the format of Prometheus.

It tells totals over all accounts, so it is not for everybody: with TOLLBOOK_METRICS_TOKEN set, whoever sends it as a bearer
token is answered; without, only who asks from this machine and not through a proxy. No API key: those are in the
database, and figures are wanted most when it is away.
"""

import hmac
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from litestar import Request, Response, get
from litestar.exceptions import NotAuthorizedException, NotFoundException
from prometheus_client import exposition
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tollbook.metrics import REGISTRY
from tollbook.postgres.named import load
from tollbook.refills.tables import RefillState

SQL = load(__file__)
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
POOL = {
    "pool_size": "Connections to the database that this process has open.",
    "pool_available": "Connections that nobody uses now.",
    "pool_max": "Connections that this process may open.",
    "requests_waiting": "Threads that wait for a connection.",
}


@get("/metrics", sync_to_thread=True)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The figures, to whoever may see them. While the database is away, those of this process, and that it is."""
    _let_in(request)
    encode, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
    return Response(encode(REGISTRY), headers={"Content-Type": content_type})


def _let_in(request: Request[Any, Any, Any]) -> None:
    token = settings.METRICS_TOKEN
    if token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return
        raise NotAuthorizedException("Send the token of TOLLBOOK_METRICS_TOKEN.", headers={"WWW-Authenticate": "Bearer"})
    through_proxy = any(name in request.headers for name in PROXY_HEADERS)
    if through_proxy or request.client is None or request.client.host not in LOOPBACK:
        raise NotFoundException


class _Books(Collector):
    """Asks the database each time somebody looks."""

    def collect(self) -> Iterator[Metric]:
        """The figures about the books, and about the connections to them."""
        state = _state()
        yield GaugeMetricFamily("tollbook_database_up", "Whether the database answers.", 0 if state is None else 1)
        if state is not None:
            yield from _told(state)
        yield from _pool()

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering does not ask the database."""
        yield from ()


def _state() -> dict[str, Any] | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(SQL["state"])
            names = [column[0] for column in cursor.description]
            state = dict(zip(names, cursor.fetchone(), strict=True))
            cursor.execute(SQL["refills"])
            return state | {"refills": dict(cursor.fetchall())}
    except (DatabaseError, InterfaceError):
        return None


def _told(state: dict[str, Any]) -> Iterator[Metric]:
    says = "Wallets that refill themselves and stand at or below their minimum."
    yield GaugeMetricFamily("tollbook_wallets_below_minimum", says, state["wallets_below_minimum"])
    yield GaugeMetricFamily("tollbook_open_holds", "Holds that are open.", state["open_holds"])
    says = "Batches of usage that the roll-ups by attribute lack still, counted up to 100,000."
    yield GaugeMetricFamily("tollbook_usage_backlog", says, state["usage_backlog"])
    if state["worker_beat_age_seconds"] is not None:
        says = "Seconds since a worker last ran a job to its end."
        yield GaugeMetricFamily("tollbook_worker_beat_age_seconds", says, float(state["worker_beat_age_seconds"]))
    says = "Refills that are open, or ended within the last day, by state."
    refills = GaugeMetricFamily("tollbook_refills", says, labels=["state"])
    for name in RefillState.values:
        refills.add_metric([name], state["refills"].get(name, 0))
    yield refills


def _pool() -> Iterator[Metric]:
    pool = getattr(connection, "pool", None)
    if pool is not None:
        stats = pool.get_stats()
        for name, says in POOL.items():
            yield GaugeMetricFamily(f"tollbook_database_{name}", says, stats.get(name, 0))


REGISTRY.register(_Books())
