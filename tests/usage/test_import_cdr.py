"""Files of call records into the books: once each, whatever is interrupted, repeated or overlapping."""

import gzip
import itertools
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Sum

from tests.databases import Database
from tests.usage.importers.test_asterisk import leg
from tests.usage.importers.test_asterisk_sample import SAMPLE, recomputed
from tests.usage.importers.test_ndjson import event
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.errors import Invalid
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.usage import import_cdr
from tollbook.usage.import_cdr import Progress, Stopped, import_file
from tollbook.usage.importers.row import Reading
from tollbook.usage.summary import Summary
from tollbook.usage.tables import UsageEvent
from tollbook.wallets.tables import Wallet

SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def account(db: Database) -> UUID:
    """An account whose inbound minutes cost 1.2 ¢ at 30/6, and SMS 0.75 ¢; outbound only to +1."""
    opened = open_account(NewAccount("northwind", "Northwind", SINCE.date()), SYSTEM)
    set_rate(NewRate("inbound", Decimal("1.2"), SINCE, initial_seconds=30, increment_seconds=6), SYSTEM)
    set_rate(NewRate("sms", Decimal("0.75"), SINCE), SYSTEM)
    set_rate(NewRate("outbound", Decimal("1.5"), SINCE, prefix="1"), SYSTEM)
    return opened.id


def debited(account_id: UUID) -> tuple[int, Decimal]:
    """How many events are in the books, and their cost."""
    events = UsageEvent.objects.filter(account_id=account_id)
    return events.count(), events.aggregate(Sum("cost"))["cost__sum"] or Decimal(0)


def cost_by_hand(seconds: int) -> Decimal:
    """1.2 cents a minute at 30/6, worked out without the engine."""
    steps = (Decimal(max(seconds - 30, 0)) / 6).to_integral_value(ROUND_CEILING)
    return (30 + steps * 6) / 60 * Decimal("0.012")


def interrupted_at(rows: int) -> Callable[[Progress], None]:
    """A progress function that behaves as Ctrl-C does, once so many rows are done."""

    def progress(how_far: Progress) -> None:
        if how_far.rows >= rows:
            raise KeyboardInterrupt

    return progress


def test_the_real_file_debits_what_a_plain_recomputation_says_and_nothing_the_second_time(account, tmp_path):
    expected = [cost_by_hand(seconds) for _, seconds in recomputed()]
    rejects = tmp_path / "rejected"
    first = import_file(account, SAMPLE, "asterisk", rejects_path=rejects)
    second = import_file(account, SAMPLE, "asterisk", rejects_path=rejects)
    assert (first.rows, first.events, first.duplicates, first.cost) == (84, 30, 0, sum(expected))
    assert (second.rows, second.events, second.duplicates, second.cost) == (84, 0, 30, 0)
    assert debited(account) == (30, sum(expected))
    wallet = Wallet.objects.get(account_id=account, type_code="inbound")
    assert wallet.paid + wallet.granted == -sum(expected)
    assert {reason: tally.count for reason, tally in first.skipped.items()} == {
        "not answered": 47,
        "no billable seconds": 4,
        "internal leg": 3,
    }
    assert first.skipped["not answered"].lines == [4, 5, 7, 8, 9]
    assert not rejects.exists()


def test_two_overlapping_files_debit_their_common_rows_once(account, tmp_path):
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    (tmp_path / "monday.csv").write_bytes(b"".join(lines[:60]))
    (tmp_path / "tuesday.csv").write_bytes(b"".join(lines[30:]))
    monday = import_file(account, tmp_path / "monday.csv", "asterisk")
    tuesday = import_file(account, tmp_path / "tuesday.csv", "asterisk")
    assert monday.duplicates == 0 and tuesday.duplicates > 0
    assert monday.events + tuesday.events == 30
    assert debited(account)[1] == sum(cost_by_hand(seconds) for _, seconds in recomputed())


def test_an_interrupted_import_run_again_loses_nothing_and_doubles_nothing(account, monkeypatch):
    monkeypatch.setattr(import_cdr, "CHUNK_ROWS", 10)
    done = 0
    for rows in (10, 30, 70):
        with pytest.raises(Stopped) as stopped:
            import_file(account, SAMPLE, "asterisk", progress=interrupted_at(rows))
        assert isinstance(stopped.value.__cause__, KeyboardInterrupt)
        assert stopped.value.summary.rows == stopped.value.summary.line == rows
        assert debited(account)[0] == done + stopped.value.summary.events
        done = debited(account)[0]
    last = import_file(account, SAMPLE, "asterisk")
    assert (last.events, last.duplicates) == (30 - done, done)
    assert debited(account) == (30, sum(cost_by_hand(seconds) for _, seconds in recomputed()))


@contextmanager
def ctrl_c_at_the_first_statement() -> Iterator[None]:
    """Python's own Ctrl-C, once, while the first chunk is being recorded."""
    waiting = [signal.SIGINT]

    def pressed(execute, *arguments):
        if waiting:
            signal.raise_signal(waiting.pop())
        return execute(*arguments)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with connection.execute_wrapper(pressed):
            yield
    finally:
        assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_ctrl_c_waits_for_the_chunk_under_way_so_that_all_that_is_debited_is_counted(account, monkeypatch):
    monkeypatch.setattr(import_cdr, "CHUNK_ROWS", 20)
    with pytest.raises(Stopped) as stopped, ctrl_c_at_the_first_statement():
        import_file(account, SAMPLE, "asterisk")
    assert isinstance(stopped.value.__cause__, KeyboardInterrupt)
    count, cost = debited(account)
    assert count > 0
    assert (stopped.value.summary.rows, stopped.value.summary.events, stopped.value.summary.cost) == (20, count, cost)


def test_rejected_rows_can_be_mended_and_imported_again(account, tmp_path):
    good, unreadable = leg(), leg(billsec="many", sequence=42)
    abroad = leg(dcontext="from-internal", src="301", dst="442079460000", sequence=43)
    file = tmp_path / "Master.csv"
    file.write_text(good + unreadable + abroad)
    summary = import_file(account, file, "asterisk")
    assert (summary.events, summary.rejected_rows) == (1, 2)
    assert {kind: tally.lines for kind, tally in summary.rejected.items()} == {
        "billsec is not a number of seconds": [2],
        "no rate": [3],
    }
    assert summary.rejects_path == tmp_path / "Master.csv.rejected"
    assert summary.rejects_path.read_text() == unreadable + abroad
    assert (tmp_path / "Master.csv.rejected.reasons.txt").read_text() == (
        "line 2: billsec is not a number of seconds: 'many'\n"
        "line 3: No rate for outbound to 442079460000 at that time.\n"
    )
    summary.rejects_path.write_text(unreadable.replace('"many"', "61") + abroad.replace("442079460000", "12125550142"))
    mended = import_file(account, summary.rejects_path, "asterisk")
    assert (mended.events, mended.duplicates, mended.rejected_rows) == (2, 0, 0)


def test_a_mended_file_of_rejects_is_never_overwritten(account, tmp_path):
    file, rejects = tmp_path / "cdr.csv", tmp_path / "cdr.csv.rejected"
    file.write_text(leg(billsec="many"))
    import_file(account, file, "asterisk")
    import_file(account, file, "asterisk")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cdr.csv", rejects.name, rejects.name + ".reasons.txt"]
    rejects.write_text("mended")
    import_file(account, file, "asterisk")
    assert (tmp_path / "cdr.csv.rejected.1").read_text() == "mended"
    assert rejects.read_text() == leg(billsec="many")


def test_the_same_leg_told_otherwise_is_rejected_and_not_debited_again(account, tmp_path):
    (tmp_path / "a.csv").write_text(leg())
    (tmp_path / "b.csv").write_text(leg(billsec=600))
    import_file(account, tmp_path / "a.csv", "asterisk")
    second = import_file(account, tmp_path / "b.csv", "asterisk")
    assert (second.events, list(second.rejected)) == (0, ["event conflict"])


def test_our_own_format_carries_every_kind_and_the_summary_tells_them_apart(account, tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_text(event(id="a") + event(id="b", quantity="3") + event(id="c", type="inbound", quantity="61"))
    summary = import_file(account, file, "tollbook", Reading(account="northwind"))
    assert {code: (one.accepted, one.quantity, one.cost) for code, one in summary.types.items()} == {
        "sms": (2, Decimal(5), Decimal("0.0375")),
        "inbound": (1, Decimal(61), Decimal("0.0132")),
    }


def test_a_gzipped_file_is_understood_and_a_broken_one_says_how_far_it_came(account, tmp_path, monkeypatch):
    packed = gzip.compress(SAMPLE.read_bytes() * 40)
    (tmp_path / "cdr.gz").write_bytes(packed)
    (tmp_path / "broken.gz").write_bytes(packed[: len(packed) // 2])
    monkeypatch.setattr(import_cdr, "CHUNK_ROWS", 100)
    with pytest.raises(Stopped) as stopped:
        import_file(account, tmp_path / "broken.gz", "asterisk")
    assert isinstance(stopped.value.__cause__, EOFError) and stopped.value.summary.rows > 0
    whole = import_file(account, tmp_path / "cdr.gz", "asterisk")
    assert whole.rows == 84 * 40 and debited(account)[0] == 30


def test_progress_is_told_in_bytes_of_the_file(account, monkeypatch):
    monkeypatch.setattr(import_cdr, "CHUNK_ROWS", 20)
    told: list[Progress] = []
    import_file(account, SAMPLE, "asterisk", progress=told.append)
    assert [progress.rows for progress in told] == [20, 40, 60, 80, 84]
    assert told[-1].bytes_read == told[-1].bytes_total == SAMPLE.stat().st_size
    assert all(one.bytes_read <= other.bytes_read for one, other in itertools.pairwise(told))


def test_a_dry_run_answers_what_the_import_would_and_changes_nothing(account, tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(leg())
    abroad = leg(sequence=43, dcontext="from-internal", src="301", dst="442079460000")
    conflict = leg(sequence=41, billsec=7)
    second.write_text(leg() + leg(sequence=42) + leg(billsec="many") + abroad + conflict)
    import_file(account, first, "asterisk")
    rehearsed = import_file(account, second, "asterisk", dry_run=True)
    assert debited(account)[0] == 1 and sorted(tmp_path.iterdir()) == [first, second]
    done = import_file(account, second, "asterisk")
    assert (rehearsed.events, rehearsed.duplicates, rehearsed.cost) == (1, 1, done.cost)
    assert rehearsed.types == done.types and rehearsed.rejected == done.rejected
    assert sorted(done.rejected) == ["billsec is not a number of seconds", "event conflict", "no rate"]


def test_a_file_that_is_not_there_says_so(account, tmp_path):
    with pytest.raises(Invalid, match="can't be read: No such file or directory"):
        import_file(account, tmp_path / "none.csv", "asterisk")


def test_a_file_of_nonsense_keeps_the_summary_small(account, tmp_path):
    file = tmp_path / "nonsense.json"
    file.write_text("".join(json.dumps({"variables": {"uuid": str(n), "answer_epoch": n}}) + "\n" for n in range(300)))
    summary: Summary = import_file(account, file, "freeswitch-json")
    assert summary.rejected_rows + summary.skipped_rows == 300
    assert len(summary.rejected) <= 101
