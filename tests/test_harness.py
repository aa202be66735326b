"""The fixtures themselves: what the other tests take for granted."""

import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection, connections

from tests import leftovers
from tests.conftest import HOME
from tests.databases import Database
from tollbook.accounts.tables import Account
from tollbook.postgres.ids import new_id
from tollbook.rating.tables import CreditType


def fill(code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE credit_type SET name = 'changed' WHERE code = 'sms'")
        cursor.execute(
            "INSERT INTO credit_type (code, name, unit, position, is_active) VALUES (%s, 'Fax', 'pages', 99, true)", [code]
        )
        cursor.execute("INSERT INTO django_session VALUES ('key', 'data', now())")
    now = datetime.now(UTC)
    Account.objects.create(id=new_id(), slug=code, name="Northwind", anchor_on=now.date(), created_at=now)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_finds_what_migrations_made_and_nothing_of_another_test(db: Database, turn: int) -> None:
    assert CreditType.objects.count() == 7
    assert CreditType.objects.get(code="sms").name == "SMS Credit"
    assert Account.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_session")
        assert cursor.fetchone() == (0,)
    fill("fax")


def test_other_threads_work_on_the_same_database_as_the_engine(db: Database) -> None:
    seen = []

    def look() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), current_user")
            seen.append(cursor.fetchone())
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(db.name, "tollbook_engine")]


def test_a_transaction_left_open_is_named_and_does_not_hang_the_run(db: Database) -> None:
    with psycopg.connect(db.owner_url) as forgotten:
        forgotten.execute("INSERT INTO django_session VALUES ('left', 'open', now())")
        fill("fax")
        with pytest.raises(AssertionError, match="'left', 'open'"):
            db.empty(patience_seconds=1)


def test_a_fresh_server_comes_back_after_a_kill(fresh_server) -> None:
    assert Account.objects.count() == 0
    fill("fax")
    fresh_server.kill()
    fresh_server.server.start()
    connection.close()
    assert CreditType.objects.count() == 8


def test_a_live_web_process_answers(live: str) -> None:
    assert httpx.get(f"{live}/healthz", trust_env=False).status_code == 200


@pytest.fixture
def place() -> Path:
    """A temporary folder that no other run clears away."""
    made = Path(tempfile.mkdtemp(dir=HOME))
    made.chmod(0o711)
    return made


def test_the_next_run_clears_away_what_a_killed_one_left(place: Path) -> None:
    script = (
        "import os, pathlib, sys; from tests import leftovers; from tollbook.postgres.embedded import Embedded;"
        "folder = leftovers.make_folder(pathlib.Path(sys.argv[1])); server = Embedded(folder / 'server'); server.start();"
        "print(server.url(), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True)
    psycopg.connect(killed.stdout).close()
    leftovers.clear_away(place)
    assert list(place.iterdir()) == []
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(killed.stdout)


def test_the_folder_of_a_run_that_lives_is_left_alone(place: Path) -> None:
    folder = leftovers.make_folder(place)
    leftovers.clear_away(place)
    assert folder.exists()
