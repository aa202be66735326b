"""`tollbook import-cdr`, run as a person runs it."""

import os
import pty
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Sum

from tests.databases import Database
from tests.usage.importers.test_asterisk import leg
from tests.usage.importers.test_asterisk_sample import SAMPLE, recomputed
from tests.usage.test_import_cdr import cost_by_hand
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.usage.tables import UsageEvent

ROWS = 20_000
COST = sum(cost_by_hand(seconds) for _, seconds in recomputed()).normalize()
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def environment(db: Database) -> dict[str, str]:
    """A database with an account whose inbound minutes have a price."""
    open_account(NewAccount("northwind", "Northwind", SINCE.date()), SYSTEM)
    set_rate(NewRate("inbound", Decimal("1.2"), SINCE, initial_seconds=30, increment_seconds=6), SYSTEM)
    return os.environ | db.environment()


def command(*arguments: object, account: str = "northwind", format: str = "asterisk") -> list[str]:
    start = [sys.executable, "-m", "tollbook", "import-cdr", "--account", account, "--format", format]
    return start + [str(argument) for argument in arguments]


def run(environment: dict[str, str], *arguments: object, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, **options), env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file that takes a few seconds, every row another call."""
    file = tmp_path / "cdr.csv"
    file.write_text("".join(leg(sequence=number, uniqueid=f"1793714400.{number}") for number in range(ROWS)))
    return file


def somebody_else_is_connected() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend')"
        )
        return bool(cursor.fetchone()[0])


def stopped_on_the_way(
    environment: dict[str, str], file: Path, how: signal.Signals
) -> tuple[int, subprocess.Popen[str], str, str]:
    """An import that gets a signal while it debits: how many events are in the books, the process, what it said."""
    process = subprocess.Popen(
        command(file), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not UsageEvent.objects.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    while somebody_else_is_connected():
        time.sleep(0.01)  # a killed sender's last commit may still be under way
    done = UsageEvent.objects.count()
    assert 0 < done < ROWS
    return done, process, out, err


def test_the_real_file_ends_with_a_summary_and_status_0(environment):
    done = run(environment, SAMPLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{SAMPLE}: 84 rows",
        f"  Inbound Minutes   30 events   884 seconds   30 debited   0 known already   {COST} USD",
        "  54 skipped, they cost nothing:",
        "          47  not answered (lines 4, 5, 7, 8, 9, ...)",
        "           4  no billable seconds (lines 6, 23, 28, 35)",
        "           3  internal leg (lines 22, 27, 34)",
        "  0 rejected",
    ]


def test_rejected_rows_end_with_status_1_and_say_where_they_are(environment, tmp_path):
    (tmp_path / "cdr.csv").write_text(leg() + leg(billsec="many"))
    done = run(environment, tmp_path / "cdr.csv")
    assert done.returncode == 1
    assert "1 rejected:\n           1  billsec is not a number of seconds (line 2)" in done.stdout
    assert f"Rejected rows are in {tmp_path}/cdr.csv.rejected" in done.stdout


def test_a_rejection_that_the_file_is_not_to_blame_for_comes_with_advice(environment, tmp_path):
    (tmp_path / "cdr.csv").write_text(leg(start="2099-01-01 00:00:00", answer="2099-01-01 00:00:01"))
    done = run(environment, tmp_path / "cdr.csv")
    assert "1  in the future (line 1)\n              Is --timezone the switch's own?" in done.stdout


def test_several_files_end_with_a_total(environment, tmp_path):
    (tmp_path / "cdr.csv").write_text(leg())
    done = run(environment, SAMPLE, tmp_path / "cdr.csv", SAMPLE)
    last = f"3 files: 169 rows, 31 events debited, 30 known already, 0 rejected, {COST + cost_by_hand(61)} USD"
    assert done.stdout.splitlines()[-1] == last


def test_standard_input_is_read_and_a_dry_run_debits_nothing(environment):
    with SAMPLE.open("rb") as stream:
        done = subprocess.run(command("--dry-run", "-"), env=environment, stdin=stream, capture_output=True, text=True)
    assert done.returncode == 0
    assert "standard input: 84 rows (dry run: nothing is debited)" in done.stdout
    assert "30 would be debited" in done.stdout
    assert UsageEvent.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        ([SAMPLE], {"account": "nobody"}, "There is no account “nobody”."),
        ([SAMPLE, "--timezone", "Mars/Olympus"], {}, "'Mars/Olympus' is not a time zone"),
        ([SAMPLE, SAMPLE, "--rejects", "x"], {}, "goes with one FILE"),
        (["none.csv"], {}, "none.csv can't be read: No such file or directory."),
        ([SAMPLE], {"format": "excel"}, "'excel' is not one of"),
        ([], {}, "Missing argument"),
    ],
)
def test_wrong_use_ends_with_status_2_and_a_reason(environment, arguments, options, reason):
    done = run(environment, *arguments, **options)
    assert done.returncode == 2
    assert reason in done.stderr


def test_rules_that_are_wrong_say_what_to_mend(environment, tmp_path):
    (tmp_path / "rules.toml").write_text("inbound = []")
    done = run(environment, SAMPLE, "--rules", tmp_path / "rules.toml")
    assert done.returncode == 2 and "unknown key 'inbound'" in done.stderr


def test_ctrl_c_says_how_far_it_came(environment, many):
    done, process, out, err = stopped_on_the_way(environment, many, signal.SIGINT)
    assert process.returncode == 130
    assert "Run the same command again" in err and "Traceback" not in err
    assert f" {done:,} debited " in out


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_after_an_interrupt_and_doubles_nothing(environment, many, how):
    done, *_ = stopped_on_the_way(environment, many, how)
    again = run(environment, many)
    assert again.returncode == 0
    assert f" {ROWS - done:,} debited " in again.stdout and f" {done:,} known already " in again.stdout
    assert UsageEvent.objects.count() == ROWS
    assert UsageEvent.objects.aggregate(Sum("cost"))["cost__sum"] == ROWS * cost_by_hand(61)


def test_a_terminal_shows_a_progress_bar(environment):
    ours, theirs = pty.openpty()
    done = subprocess.run(command(SAMPLE), env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "100%" in shown and "84 rows" in shown


def test_help_has_an_example(environment):
    done = subprocess.run(
        [sys.executable, "-m", "tollbook", "import-cdr", "--help"], env=environment, capture_output=True, text=True
    )
    assert "tollbook import-cdr --account northwind --format asterisk" in done.stdout
