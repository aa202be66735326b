"""Fixtures that every test may ask for. A PostgreSQL is started when the first test asks for a database.

`DATABASE_URL` names a server to use instead of the embedded one, `MIGRATION_DATABASE_URL` its owner if that is another.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import django
import pytest

from tests import leftovers

HOME = leftovers.make_folder()
EXTERNAL = os.environ.get("DATABASE_URL")
EXTERNAL_OWNER = os.environ.get("MIGRATION_DATABASE_URL", EXTERNAL)

# Settings are read when Django is set up, which is before the server is started: until then they lead nowhere.
os.environ["DATABASE_URL"] = "postgresql:///?host=/the-test-must-ask-for-the-fixture-db"
os.environ.pop("MIGRATION_DATABASE_URL", None)
os.environ["TOLLBOOK_HOME"] = str(HOME)
os.environ["TOLLBOOK_LATE_DAYS"] = "36500"  # tests have fixed dates; the limit itself is tested with events of today
os.environ["DJANGO_SETTINGS_MODULE"] = "tollbook.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402
from hypothesis import settings as hypothesis_settings  # noqa: E402

from tests import databases, processes  # noqa: E402
from tollbook.postgres.embedded import Embedded  # noqa: E402

connections.settings["default"]["OPTIONS"].pop("pool")  # nowhere is not worth waiting for
hypothesis_settings.register_profile("tollbook", deadline=None, print_blob=True)
hypothesis_settings.load_profile("tollbook")


def pytest_configure() -> None:
    """Behave as under Django's own runner; a polite kill ends the tests as Ctrl-C does, with everything stopped."""
    leftovers.clear_away()
    setup_test_environment()
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure() -> None:
    teardown_test_environment()
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[databases.Server]:
    """The PostgreSQL of this run."""
    if EXTERNAL:
        yield databases.External(EXTERNAL, EXTERNAL_OWNER)
    else:
        with Embedded(HOME / "server") as embedded:
            yield embedded
        shutil.rmtree(embedded.home.base)  # may lie outside of a home that the server's user can't enter


@pytest.fixture(scope="session")
def database(server: databases.Server) -> Iterator[databases.Database]:
    """The migrated database of this run, with whatever the last test left in it; tests ask for `db`."""
    maintenance = urlsplit(EXTERNAL).path.lstrip("/") if EXTERNAL else "postgres"
    with databases.created(server, maintenance or "postgres") as made:
        yield made


@pytest.fixture
def db(database: databases.Database) -> Iterator[databases.Database]:
    """The database as migrations made it: no accounts, but credit types. Django's connections lead to it."""
    database.empty()
    yield database
    connections.close_all()


@dataclass(frozen=True)
class Fresh:
    """A server of a test's own, and its database."""

    server: Embedded
    database: databases.Database

    def kill(self) -> None:
        """SIGKILL the server, as a power cut would; `server.start()` brings it back."""
        os.kill(self.server.pid, signal.SIGKILL)


@pytest.fixture
def fresh_server() -> Iterator[Fresh]:
    """An embedded server that the test may kill. For the length of the test Django's connections lead to it."""
    home = Path(tempfile.mkdtemp(prefix="tollbook-fresh-", dir=HOME))
    home.chmod(HOME.stat().st_mode)
    with Embedded(home / "server") as server, databases.created(server, "postgres") as made:
        yield Fresh(server, made)
        server.start()
    shutil.rmtree(server.home.base)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def static_files() -> None:
    """Collected static files, without which pages can't be rendered."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def live(db: databases.Database, static_files: None, tmp_path: Path) -> Iterator[str]:
    """The address of a running web process that works on `db`."""
    with processes.web(db.environment(), tmp_path / "web.log") as address:
        yield address


@pytest.fixture
def client(db: databases.Database, static_files: None) -> Client:
    """A browser without JavaScript, in this process."""
    return Client()
