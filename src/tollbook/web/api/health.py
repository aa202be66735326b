"""/healthz: the process lives. /readyz: it can do its work; if not, what is wrong."""

from functools import cache

import msgspec
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from litestar import Response, get

from tollbook.usage.fold import backlog
from tollbook.worker.tables import Beat

LATEST_BEAT_SECONDS = 60


class Alive(msgspec.Struct):
    """The process lives."""

    status: str = "alive"


class Readiness(msgspec.Struct):
    """Whether Tollbook can do its work; `problems` names what is in the way. `usage_backlog`: how many batches of events
    the roll-ups by attribute lack still (counted up to 100,000), which is no problem but makes reports slow."""

    status: str
    problems: dict[str, str]
    usage_backlog: int | None = None


@get("/healthz")
async def healthz() -> Alive:
    """Alive? Asks nobody, not even the database."""
    return Alive()


@get("/readyz", sync_to_thread=True)
def readyz() -> Response[Readiness]:
    """Ready? The database answers, every migration is applied, and a worker ran in the last minute."""
    try:
        found = _problems()
        waiting = None if found else backlog()
    except (DatabaseError, InterfaceError):
        found, waiting = {"database": "The database does not answer as it should."}, None
    return Response(Readiness("not ready" if found else "ready", found, waiting), status_code=503 if found else 200)


def _problems() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        missing = expected_migrations() - set(cursor.fetchall())
        if missing:
            names = ", ".join(sorted(f"{app}.{name}" for app, name in missing))
            return {"migrations": f"Not applied: {names}. Run: tollbook migrate"}
        cursor.execute(f"SELECT extract(epoch FROM clock_timestamp() - max(at)) FROM {Beat._meta.db_table}")
        return _worker_problem(cursor.fetchone()[0])


def _worker_problem(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {"worker": "No worker has run yet. Start: tollbook worker"}
    if seconds > LATEST_BEAT_SECONDS:
        return {"worker": f"No worker has run for {int(seconds)} seconds."}
    return {}


@cache
def expected_migrations() -> set[tuple[str, str]]:
    """The migrations this version of Tollbook comes with, as (application, name)."""
    loader = MigrationLoader(None)
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    return set(loader.disk_migrations) - replaced
