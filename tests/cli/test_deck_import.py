"""`tollbook deck import`, run as a person runs it."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.cast import a_rate, an_account
from tests.databases import Database
from tollbook.rating.tables import Rate


@pytest.fixture
def environment(db: Database) -> dict[str, str]:
    """A database with an account and two default rates."""
    an_account()
    a_rate(cents="1.20", initial=1, step=1)
    a_rate(cents="2", prefix="1212", initial=1, step=1)
    return os.environ | db.environment()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tollbook", "deck", "import", "--type", "outbound", *map(str, arguments)]


def run(environment: dict[str, str], *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=60, **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "carrier.csv"
    path.write_text("Code,Destination,Rate\n1212,New York,2.5\n44,United Kingdom,1\n*,Elsewhere,1.20\n")
    return path


def test_a_dry_run_says_what_would_change_and_changes_nothing(environment, file) -> None:
    done = run(environment, file, "--from", "2030-01-01", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "outbound from 2030-01-01 00:00:00 UTC (dry run: nothing was changed)",
        "          1  new",
        "             +44              none -> 1",
        "          1  dearer",
        "             +1212            2 -> 2.5 (+25.0 %)",
        "          0  cheaper",
        "          0  ended",
        "          1  unchanged",
    ]
    assert Rate.objects.count() == 2


def test_an_import_gives_the_rates_to_everybody_or_to_one_account(environment, file) -> None:
    assert run(environment, file).returncode == 0
    assert Rate.objects.filter(valid_until=None).count() == 3
    done = run(environment, file, "--account", "northwind", "--from", "2030-01-01T01:00:00+01:00")
    assert done.stdout.splitlines()[:2] == ["outbound from 2030-01-01 00:00:00 UTC", "          3  new"]
    assert "prefix from “Code”, rate from “Rate”, description from “Destination”" in done.stderr


def test_bad_lines_are_named_and_nothing_is_changed_unless_they_are_left_out(environment, file) -> None:
    file.write_text(file.read_text() + "49x,Germany,1\n33,France,\n")
    done = run(environment, file)
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 5: “49x” is not a prefix: digits only, at most 15\nline 6: the rate is missing\n" in done.stderr
    assert Rate.objects.count() == 2
    assert run(environment, file, "--skip-bad-lines").returncode == 1
    assert Rate.objects.count() == 4


def test_rates_in_dollars_are_asked_about(environment, file) -> None:
    file.write_text("prefix,Rate (USD)\n44,0.01\n")
    asked = run(environment, file)
    assert asked.returncode == 2 and "--rates-in cents or --rates-in currency" in asked.stderr
    assert run(environment, file, "--rates-in", "currency").returncode == 0
    assert Rate.objects.get(prefix="44").rate_cents == 1


def test_a_gzipped_sheet_is_read_from_standard_input(environment, file) -> None:
    done = subprocess.run(
        command("-", "--dry-run"),
        env=environment,
        input=gzip.compress(file.read_bytes()),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0 and b"1  new" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.csv"], "missing.csv can't be read"),
        (["{file}", "--from", "tomorrow"], "is not an instant"),
        (["{file}", "--account", "nobody"], "There is no account “nobody”"),
        (["{file}", "--steps", "60"], "write it like 30/6"),
        (["{file}", "--type", "fax"], "There is no credit type “fax”"),
        (["{file}", "--from", "2010-01-01"], "A rate for * (and 1 more) begins at 2020-01-01"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(environment, file, arguments: list[str], says: str) -> None:
    done = run(environment, *(argument.format(file=file) for argument in arguments))
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert Rate.objects.count() == 2


def test_ctrl_c_in_the_middle_changes_nothing(environment, db, tmp_path) -> None:
    many = tmp_path / "many.csv"
    many.write_text("prefix,rate\n" + "".join(f"{n},{n % 7 + 1}\n" for n in range(10_000, 60_000)))
    process = subprocess.Popen(
        command(many), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with db.connect("login") as watching:
        while not _is_staging(watching) and process.poll() is None:
            time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, ""), err
    assert "Stopped, as you asked." in err and "Traceback" not in err
    assert Rate.objects.count() == 2


def _is_staging(watching: psycopg.Connection) -> bool:
    """Whether the sheet is on its way into the database."""
    row = watching.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%COPY deck_staging%' AND state <> 'idle'"
        " AND pid <> pg_backend_pid())"
    ).fetchone()
    return bool(row and row[0])
