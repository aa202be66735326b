"""`tollbook report`, run as a person runs it."""

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cast import an_account, funded
from tests.databases import Database

TODAY = datetime.now(UTC).date().isoformat()
PERIOD = ("--from", TODAY, "--until", TODAY)


@pytest.fixture
def environment(db: Database) -> dict[str, str]:
    """A database with an account that has credit."""
    funded(an_account(), "sms", "7.5")
    return os.environ | db.environment()


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tollbook", "report", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_reports_are_csv_on_standard_output(environment) -> None:
    done = run(environment, "credit", *PERIOD)
    assert done.returncode == 0, done.stderr
    [row] = [row for row in csv.DictReader(done.stdout.splitlines()) if float(row["adjusted"])]
    assert (row["credit_type"], row["purse"], row["closing"]) == ("sms", "paid", "7.500000")
    aging = run(environment, "aging")
    assert aging.returncode == 0 and len(aging.stdout.splitlines()) == 1
    assert len(run(environment, "journal", *PERIOD).stdout.splitlines()) == 3


def test_a_journal_is_written_with_the_operators_own_names(environment, tmp_path: Path) -> None:
    chart, file = tmp_path / "chart.csv", tmp_path / "journal.csv"
    chart.write_text("code,account,tax\nwallet:*,2400,\n*,4000,20% VAT\n")
    done = run(environment, "journal", *PERIOD, "--layout", "xero", "--chart", chart, "--to", file)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["*AccountCode"], row["*TaxRate"], row["*Amount"]) for row in rows] == [
        ("2400", "Tax Exempt", "-7.50"),
        ("4000", "20% VAT", "7.50"),
    ]


def test_figures_that_disagree_with_the_books_end_with_status_one(environment, db: Database) -> None:
    with db.connect("owner") as owner:
        owner.execute("UPDATE wallet SET paid = 8 WHERE type_code = 'sms'")
    done = run(environment, "credit", *PERIOD)
    assert done.returncode == 1 and "The books disagree: sms, USD" in done.stderr
    assert run(environment, "credit", "--from", "2026-11-02", "--until", "2026-11-01").returncode == 2
