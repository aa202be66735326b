"""Months that left the database: nothing is lost, nothing is debited again, everything reads as before."""

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import a_rate, an_account, funded, wallet
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.errors import NotFound
from tollbook.ledger.tables import Transfer
from tollbook.postgres.scope import rows_of
from tollbook.usage import archived, shelf, statement
from tollbook.usage.archive import Done, Unproven, archive
from tollbook.usage.event import Event
from tollbook.usage.fold import fold_waiting
from tollbook.usage.record import Recorded, record
from tollbook.usage.statement import Filter, Key
from tollbook.usage.tables import UsageArchive, UsageEvent

LATER = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    archived._files.clear()
    with override_settings(ARCHIVE=tmp_path / "archive", LATE_DAYS=35):
        yield tmp_path / "archive"


def call(id: str = "call", at: datetime = MARCH, seconds: str = "61", **fields: object) -> Event:
    return replace(Event(id, "outbound", Decimal(seconds), at, to="12125550100", sender="12125550199"), **fields)


def archive_all(account: Account, before: date = date(2026, 1, 1), now: datetime = LATER) -> list[Done]:
    fold_waiting()
    return list(archive(account, before, now))


def an_account_with_usage(count: int = 6) -> Account:
    account = an_account()
    a_rate()
    a_rate("sms", "0.79")
    funded(account)
    days = [(n, MARCH + timedelta(days=10 * n)) for n in range(count)]
    record(account.id, [call(f"c{n}", at, attributes={"campaign": "spring", "n": n}) for n, at in days])
    record(account.id, [call("free", seconds="0"), call("text", type="sms", seconds="2", attributes={"agent": "ü"})])
    return account


def everything_told(account: Account) -> dict[str, object]:
    told: dict[str, object] = {}
    for type_code in ("outbound", "sms"):
        wanted = Filter(type_code)
        told[f"{type_code} all"] = [used for rows in statement.everything(account.id, wanted) for used in rows]
        told[f"{type_code} page"] = statement.page(account.id, wanted, size=3)
        after, before = Key(MARCH + timedelta(days=25), "x"), Key(MARCH - timedelta(days=9), "x")
        told[f"{type_code} next"] = statement.page(account.id, wanted, older_than=after, size=2)
        told[f"{type_code} back"] = statement.page(account.id, wanted, newer_than=before, size=2)
        told[f"{type_code} some"] = statement.page(
            account.id, Filter(type_code, MARCH, MARCH + timedelta(days=30), "12125550199")
        )
    told["newest"] = statement.newest(account.id, ["outbound", "sms"], limit=4)
    told["since"] = statement.newest(account.id, ["outbound", "sms"], MARCH + timedelta(days=9), LATER)
    for transfer in Transfer.objects.filter(account_id=account.id, kind="usage"):
        told[f"transfer {transfer.id}"] = statement.of_transfer(account.id, transfer.id, 1, 3)
    for used in [*told["outbound all"], *told["sms all"]]:  # type: ignore[misc]
        opened = statement.event(account.id, used.id)
        told[f"event {used.id}"] = (opened.used, opened.attributes, opened.recomputed, opened.transfer, opened.terms)
    return told


def test_statements_read_the_same_before_and_after(db) -> None:
    account = an_account_with_usage()
    before = everything_told(account)
    done = archive_all(account, date(2025, 5, 1))
    assert [(one.month.on, one.events) for one in done] == [(date(2025, 3, 1), 5), (date(2025, 4, 1), 3)]
    assert UsageEvent.objects.count() == 0
    assert everything_told(account) == before
    assert audit() == []


def test_a_part_of_the_months_may_leave(db) -> None:
    account = an_account_with_usage(20)
    before = everything_told(account)
    archive_all(account, date(2025, 5, 17))
    assert 0 < UsageEvent.objects.count() < 20
    assert everything_told(account) == before
    assert audit() == []


def test_an_archived_event_sent_again_is_a_duplicate_and_another_body_a_conflict(db) -> None:
    account = an_account_with_usage()
    archive_all(account)
    balance = wallet(account).paid
    for _ in range(2):
        again = record(account.id, [call("c0"), call("c1", seconds="62"), call("new")])
        assert (again.duplicates, [one.code for one in again.rejected]) == (1 + (_ == 1), ["event_conflict"])
    assert wallet(account).paid == balance - Decimal("0.0132")
    assert audit() == []


def test_a_process_that_does_not_know_of_the_archive_yet_debits_nothing_twice(db) -> None:
    account = an_account_with_usage()
    record(account.id, [call("other")])
    archive_all(account)
    archived._files.clear()
    assert record(account.id, [call("c0"), call("new")]) == Recorded(1, 1, [], Decimal("0.0132"))
    archived._files[account.id] = 1
    assert record(account.id, [call("c1", MARCH + timedelta(days=10))]).duplicates == 1
    assert audit() == []


def test_what_comes_late_for_an_archived_month_becomes_a_part_of_its_own(db) -> None:
    account = an_account_with_usage()
    archive_all(account)
    record(account.id, [call("imported", MARCH + timedelta(hours=1))])
    before = everything_told(account)
    assert audit() == []
    assert [one.events for one in archive_all(account)] == [1]
    parts = UsageArchive.objects.filter(account_id=account.id, month_on=date(2025, 3, 1)).order_by("part")
    assert [(shelf.name_of(one.month_on, one.part), one.events) for one in parts] == [
        ("2025-03.parquet", 5),
        ("2025-03.2.parquet", 1),
    ]
    assert everything_told(account) == before
    assert record(account.id, [call("imported", MARCH + timedelta(hours=1))]).duplicates == 1
    assert audit() == []


def test_open_months_stay(db) -> None:
    account = an_account_with_usage()
    closed = datetime(2025, 4, 1, tzinfo=UTC) + timedelta(days=35 + 31)
    assert archive_all(account, date(2025, 3, 31)) == []
    assert archive_all(account, now=closed - timedelta(seconds=1)) == []
    assert [one.month.on for one in archive_all(account, now=closed)] == [date(2025, 3, 1)]


def test_a_month_stays_while_roll_ups_are_owed_some_of_it(db) -> None:
    account = an_account_with_usage()
    done = list(archive(account, date(2025, 5, 1), LATER))
    assert all(one.stays for one in done) and len(done) == 2
    assert UsageArchive.objects.count() == 0


def test_a_dry_run_changes_nothing(db, folder: Path) -> None:
    account = an_account_with_usage()
    fold_waiting()
    done = list(archive(account, date(2025, 5, 1), LATER, dry_run=True))
    assert [(one.events, one.bytes) for one in done] == [(5, 0), (3, 0)]
    assert UsageEvent.objects.count() == 8 and not folder.exists()


def test_a_month_whose_books_do_not_add_up_stays(db) -> None:
    account = an_account_with_usage()
    with db.connect("owner") as owner:
        owner.execute("UPDATE usage_event SET cost = cost + 1 WHERE event_id = 'c1'")
        with pytest.raises(Unproven, match="transfer|roll-up"):
            archive_all(account)
        owner.execute("UPDATE usage_event SET cost = cost - 1 WHERE event_id = 'c1'")
        owner.execute("UPDATE usage_sum SET events = events + 1 WHERE type_code = 'sms'")
        with pytest.raises(Unproven, match="sms at 2025-03-10 12:00"):
            archive_all(account)
    assert UsageEvent.objects.count() == 8 and UsageArchive.objects.count() == 0


def test_a_missing_or_altered_file_is_named(db, folder: Path) -> None:
    account = an_account_with_usage()
    archive_all(account)
    file = folder / str(account.id) / "2025-03.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"x" + whole[-8:])
    for _ in range(2):
        with pytest.raises(shelf.ArchiveUnreadable, match=r"2025-03\.parquet"):
            statement.event(account.id, "c0")
        assert any("2025-03.parquet" in finding.row for finding in audit())
        file.unlink(missing_ok=True)
    assert record(account.id, [call("c0"), call("new")]).duplicates == 1, "recording needs no file"
    file.write_bytes(whole)
    assert statement.event(account.id, "c0").used.id == "c0"
    assert audit() == []


def test_a_portal_page_opens_files_of_its_own_account_only(db, folder: Path) -> None:
    ours, theirs = an_account_with_usage(), an_account("theirs")
    record(theirs.id, [call("hers")])
    archive_all(ours)
    archive_all(theirs)
    with rows_of(ours.id):
        assert statement.event(ours.id, "c0").used.id == "c0"
        for account_id in (ours.id, theirs.id):
            with pytest.raises(NotFound):
                statement.event(account_id, "hers")
        assert statement.newest(theirs.id, ["outbound"]) == []
    stolen = folder / str(ours.id) / "2025-03.parquet"
    stolen.write_bytes((folder / str(theirs.id) / "2025-03.parquet").read_bytes())
    with db.connect("owner") as owner:
        owner.execute(
            "UPDATE usage_archive AS o SET bytes = t.bytes, sha256 = t.sha256 FROM usage_archive AS t"
            " WHERE o.account_id = %s AND t.account_id = %s AND o.month_on = '2025-03-01'",
            [ours.id, theirs.id],
        )
    with pytest.raises(shelf.ArchiveUnreadable, match="another account"):
        statement.event(ours.id, "c0")


def test_files_are_plain_parquet_with_prices_and_attributes(db, folder: Path) -> None:
    account = an_account_with_usage()
    archive_all(account)
    rows = pq.read_table(folder / str(account.id) / "2025-03.parquet").to_pylist()
    row = next(row for row in rows if row["event_id"] == "c1")
    assert (row["rate_cents"], row["cost"], row["to"]) == (Decimal("1.2"), Decimal("0.0132"), "12125550100")
    assert row["attributes"] == '{"n": 1, "campaign": "spring"}'
    assert (folder / str(account.id)).stat().st_mode & 0o077 == 0


def test_the_audit_compares_archived_keys_with_their_files(db) -> None:
    account = an_account_with_usage()
    archive_all(account)
    with db.connect("owner") as owner:
        owner.execute("UPDATE usage_archived SET body = body + 1 WHERE event_id = 'c0'")
    assert [(one.rule, one.row) for one in audit()] == [("archived_keys_equal_their_files", "file 2025-03.parquet")]
    with db.connect("owner") as owner:
        owner.execute("DELETE FROM usage_archived WHERE event_id = 'c0'")
    assert [one.rule for one in audit()] == ["archived_keys_equal_their_files"]


PLANTED = {
    "sums_equal_events": "UPDATE usage_sum SET cost = cost + 1 WHERE type_code = 'sms'",
    "sums_by_attribute_equal_events": "UPDATE usage_by_attribute SET cost = cost + 1 WHERE attribute = 'agent'",
    "usage_transfers_equal_their_events": "UPDATE transfer SET detail_count = detail_count + 1 WHERE kind = 'usage'",
    "details_are_sealed": "UPDATE transfer SET detail_digest = sha256('x') WHERE kind = 'usage'",
    "every_costly_event_is_debited": "DELETE FROM transfer WHERE kind = 'usage'",
    "every_event_follows_its_rate": "UPDATE rate SET valid_from = '2025-03-15' WHERE type_code = 'sms'",
    "every_cost_can_be_recomputed": "UPDATE rate SET rate_cents = rate_cents + 1 WHERE type_code = 'sms'",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_the_audit_finds_a_planted_change_in_an_archived_month(db, rule: str) -> None:
    account = an_account_with_usage()
    archive_all(account)
    with db.connect("owner") as owner:
        owner.execute(PLANTED[rule])
    assert rule in {finding.rule for finding in audit()}


instants = st.timedeltas(timedelta(0), timedelta(days=150)).map(lambda since: datetime(2025, 1, 1, tzinfo=UTC) + since)
tellings = st.tuples(st.integers(0, 11).map("e{}".format), instants, st.sampled_from(["6", "61"]), st.sampled_from("xy"))
steps = st.one_of(
    st.lists(tellings, min_size=1, max_size=8),
    st.dates(date(2025, 1, 1), date(2025, 7, 1)),
    st.just("another process"),
)


@settings(max_examples=int(os.environ.get("TOLLBOOK_ARCHIVE_EXAMPLES", "12")), suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=3, max_size=8))
def test_whatever_is_archived_when_each_id_is_debited_once_and_told_as_before(db, script: list[object]) -> None:
    archived._files.clear()
    slug = f"a-{secrets.token_hex(6)}"
    account = an_account(slug)
    a_rate()
    known: dict[str, Event] = {}
    for step in script:
        if isinstance(step, date):
            list_before = statement.newest(account.id, ["outbound"])
            archive_all(account, step)
            assert statement.newest(account.id, ["outbound"]) == list_before
        elif step == "another process":
            archived._files.clear()
        else:
            told = [call(id, at, seconds, attributes={"campaign": name}) for id, at, seconds, name in step]
            expected = [_judged(event, known) for event in told]
            done = record(account.id, told)
            assert (done.accepted, done.duplicates) == (expected.count("new"), expected.count("known"))
            assert [one.index for one in done.rejected] == [n for n, what in enumerate(expected) if what == "conflict"]
    listed = statement.newest(account.id, ["outbound"])
    assert {used.id: used.occurred_at for used in listed} == {id: event.occurred_at for id, event in known.items()}
    assert [used.key for used in listed] == sorted((used.key for used in listed), key=lambda key: (key.at, key.id))[::-1]
    assert audit([account]) == []


def _judged(event: Event, known: dict[str, Event]) -> str:
    before = known.setdefault(event.id, event)
    if before is event:
        return "new"
    return "known" if (before.occurred_at, before.quantity) == (event.occurred_at, event.quantity) else "conflict"


def test_an_event_that_leaves_while_it_is_sent_again_is_a_duplicate(db, monkeypatch: pytest.MonkeyPatch) -> None:
    account = an_account_with_usage()
    fold_waiting()
    about_to_commit, go_on = threading.Event(), threading.Event()
    save = UsageArchive.save

    def slow_save(self: UsageArchive, **options: object) -> None:
        save(self, **options)
        about_to_commit.set()
        assert go_on.wait(20)

    monkeypatch.setattr(UsageArchive, "save", slow_save)
    with ThreadPoolExecutor(2) as pool:
        archiving = pool.submit(in_thread, lambda: list(archive(account, date(2025, 4, 1), LATER)))
        assert about_to_commit.wait(20)
        sending = pool.submit(in_thread, lambda: record(account.id, [call("c0"), call("new"), call("c1", seconds="7")]))
        wait_until_blocked(db)
        go_on.set()
        assert [one.events for one in archiving.result(20)] == [5]
        done = sending.result(20)
    assert (done.accepted, done.duplicates, [one.id for one in done.rejected]) == (1, 1, ["c1"])
    assert audit() == []


def in_thread(work: Callable[[], object]) -> object:
    try:
        return work()
    finally:
        connections.close_all()


def wait_until_blocked(db) -> None:
    deadline = time.monotonic() + 20
    with db.connect("login") as watching:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while watching.execute(waiting).fetchone() is None:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


KILLED = """
import os, signal, sys
from datetime import UTC, date, datetime
from pathlib import Path
import django
django.setup()
from tollbook.accounts.tables import Account
from tollbook.usage import archive, parquet
from tollbook.usage.tables import UsageArchive

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_after(owner, name):
    original = getattr(owner, name)
    setattr(owner, name, lambda *a, **k: (original(*a, **k), die()))

point = sys.argv[1]
if point == "writing": parquet.pq.ParquetWriter.close = die
elif point == "written": archive._prove = die
elif point == "proven": Path.replace = die
elif point == "named": dies_after(Path, "replace")
elif point == "removing": UsageArchive.save = die
elif point == "removed": dies_after(UsageArchive, "save")
elif point == "done": dies_after(archive, "_remove")
for account in Account.objects.all():
    for done in archive.archive(account, date(2025, 5, 1), datetime(2026, 1, 1, tzinfo=UTC)):
        pass
"""


POINTS = ["written", "named", "removing", "removed"]
if "TOLLBOOK_FAULT_KILLS" in os.environ:
    POINTS += ["writing", "proven", "done"]


@pytest.mark.faults
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_and_run_again_nothing_is_lost_and_it_finishes(db, folder: Path, point: str) -> None:
    account = an_account_with_usage()
    fold_waiting()
    before = everything_told(account)
    environment = os.environ | db.environment() | {"TOLLBOOK_ARCHIVE": str(folder), "TOLLBOOK_LATE_DAYS": "35"}
    killed = subprocess.run([sys.executable, "-c", KILLED, point], env=environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while not _is_free(db, account):  # until the server has noticed
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert everything_told(account) == before
    assert record(account.id, [call("c0"), call("free", seconds="0")]).duplicates == 2
    assert audit() == []
    assert sum(one.events for one in archive_all(account)) == (3 if point == "done" else 8)
    assert everything_told(account) == before
    assert sorted(file.name for file in folder.rglob("*.*")) == ["2025-03.parquet", "2025-04.parquet"]
    assert audit() == []


def _is_free(db, account: Account) -> bool:
    with db.connect("owner") as owner:
        held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND database::int8 = %s"
        here = owner.execute("SELECT oid::int8 FROM pg_database WHERE datname = current_database()").fetchone()
        return owner.execute(held, here).fetchone() is None


def test_the_command_archives_and_says_so(db, folder: Path) -> None:
    an_account_with_usage()
    fold_waiting()
    environment = os.environ | db.environment() | {"TOLLBOOK_ARCHIVE": str(folder), "TOLLBOOK_LATE_DAYS": "35"}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tollbook", "archive", "--before", "2025-05-01", *more]
        return subprocess.run(command, env=environment, timeout=60, capture_output=True, text=True)

    tried = run("--dry-run", "--account", "northwind")
    assert (tried.returncode, tried.stdout.splitlines()) == (
        0,
        ["northwind 2025-03: 5 events would be archived.", "northwind 2025-04: 3 events would be archived."],
    )
    done = run()
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(northwind 2025-0[34]: [35] events archived, \d+ bytes\.\n){2}", done.stdout)
    assert UsageEvent.objects.count() == 0 and audit() == []


def test_a_web_process_does_not_load_the_reader_before_it_is_needed() -> None:
    asked = "import tollbook.web.asgi, sys; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], timeout=60).returncode == 0
