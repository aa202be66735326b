"""`tollbook ship`, run as a person runs it: without a database, against a server that comes and goes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.calls import call
from tests.market import Market, Web
from tests.usage.importers.test_asterisk import leg
from tollbook.client.event import as_line
from tollbook.usage.tables import UsageEvent

PATIENCE_SECONDS = 60


def row(number: int, **changes: object) -> str:
    """A row of Master.csv, every number another call."""
    return leg(sequence=number, uniqueid=f"1793714400.{number}", **changes)


def rows(first: int, last: int) -> str:
    return "".join(row(number) for number in range(first, last))


def arrived(uniqueid: str = "1793714400.") -> list[int]:
    """The numbers of the rows that are debited."""
    ids = UsageEvent.objects.filter(event_id__startswith=f"asterisk:{uniqueid}").values_list("event_id", flat=True)
    return sorted(int(id.rpartition(":")[2]) for id in ids)


def command(file: Path, *options: object, format: str = "asterisk", account: str = "northwind") -> list[str]:
    start = [sys.executable, "-m", "tollbook", "ship", str(file), "--account", account, "--format", format]
    return start + [str(option) for option in options]


def environment(url: str, secret: str) -> dict[str, str]:
    """No database anywhere."""
    return {"PATH": os.environ["PATH"], "TOLLBOOK_URL": url, "TOLLBOOK_KEY": secret}


def ship(market: Market, file: Path, *options: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(file, *options, **more),
        env=environment(market.url, market.secret), capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


class Following:
    """A `tollbook ship --follow` under way."""

    def __init__(self, file: Path, url: str, secret: str, said: Path) -> None:
        self.said = said
        with said.open("ab") as output:
            self.process = subprocess.Popen(
                command(file, "--follow"), env=environment(url, secret), stdout=output, stderr=output
            )

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so; fail with what it said when that does not come or the process ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert self.process.poll() is None and time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.05)

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def following(file: Path, url: str, secret: str) -> Iterator[Following]:
    started = Following(file, url, secret, file.parent / "said.txt")
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGKILL)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Master.csv"


def test_a_file_is_shipped_and_the_next_time_only_what_was_added(market: Market, file: Path) -> None:
    file.write_text(rows(0, 3) + row(3, disposition="NO ANSWER", answer=""))
    first = ship(market, file)
    with file.open("a") as more:
        more.write(rows(4, 6))
    second = ship(market, file)
    assert (first.returncode, second.returncode, first.stderr + second.stderr) == (0, 0, "")
    assert first.stdout.splitlines() == [
        f"{file}: 4 rows, 3 debited, 0 known already, 1 skipped, 0 rejected",
        "  Skipped, they cost nothing:",
        "           1  not answered (line 4)",
    ]
    assert second.stdout == f"{file}: 2 rows, 2 debited, 0 known already, 0 skipped, 0 rejected\n"
    assert arrived() == [0, 1, 2, 4, 5]


def test_shipping_again_from_the_beginning_debits_nothing_twice(market: Market, file: Path) -> None:
    file.write_text(rows(100, 110))
    ship(market, file)
    (file.parent / "Master.csv.shipped").unlink()
    assert "0 debited, 10 known already" in ship(market, file).stdout


def test_rejected_rows_end_with_status_1_and_are_kept_with_their_reasons(market: Market, file: Path) -> None:
    future = row(201, start="2099-01-01 00:00:00", answer="2099-01-01 00:00:01")
    file.write_text(row(200) + "rubbish\n" + future + row(202))
    done = ship(market, file)
    assert done.returncode == 1
    assert "1  in the future (line 3)\n              Is --timezone the switch's own?" in done.stdout
    assert (file.parent / "Master.csv.rejected").read_text() == "rubbish\n" + future
    reasons = (file.parent / "Master.csv.rejected.reasons.txt").read_text().splitlines()
    assert "Master.csv line 2: 1 columns" in reasons[0] and "Master.csv line 3: occurred_at lies" in reasons[1]
    assert [number for number in arrived() if 200 <= number < 300] == [200, 202]


def test_a_last_line_without_its_end_is_left_and_sent_once_it_has_one(market: Market, file: Path) -> None:
    last = row(301)
    file.write_text(row(300) + last[:-4])
    first = ship(market, file)
    assert "1 debited" in first.stdout and "The last line has no end yet" in first.stdout
    with file.open("a") as more:
        more.write(last[-4:])
    assert "1 debited, 0 known" in ship(market, file).stdout


def test_our_own_events_are_shipped_and_one_that_is_whole_needs_no_line_end(market: Market, file: Path) -> None:
    lines = [as_line(call(number)) for number in (400, 401)]
    file.write_bytes(b"\n".join(lines))
    assert "2 rows, 2 debited" in ship(market, file, format="tollbook").stdout


def test_records_on_several_lines_wait_for_their_end(market: Market, file: Path) -> None:
    found = {
        "variables": {
            "uuid": "5f2a9c01-0000-4000-8000-000000000001", "answer_epoch": "1793714400", "billsec": "61",
            "channel_name": "sofia/external/1",
        },
        "callflow": [{"caller_profile": {"caller_id_number": "12125550101", "destination_number": "18005550100"}}],
    }  # fmt: skip
    text = json.dumps(found, indent=2) + "\n"
    file.write_text(text[:100])
    assert "0 rows" in ship(market, file, format="freeswitch-json").stdout
    file.write_text(text)
    assert "1 rows, 1 debited" in ship(market, file, format="freeswitch-json").stdout


@pytest.mark.parametrize(
    ("content", "options", "more", "reason"),
    [
        (None, [], {}, "Master.csv can't be read: No such file or directory."),
        ("", [], {"account": "nobody"}, "There is no account “nobody”."),
        ("", ["--timezone", "Mars/Olympus"], {}, "'Mars/Olympus' is not a time zone"),
        ("", ["--rules", "none.toml"], {}, "'none.toml' does not exist"),
        ("", ["--key-file", "/dev/null"], {}, "There is no API key. /dev/null is empty."),
        ("", ["--state", "/proc/none"], {}, "Name a --state elsewhere."),
        ("", ["--url", "localhost:8000"], {}, "is not an address like https://billing.example.com."),
        ("", [], {"format": "excel"}, "'excel' is not one of"),
        (b"\x1f\x8b\x08", [], {}, "is gzipped"),
    ],
)
def test_wrong_use_ends_with_status_2_and_a_reason(
    market: Market, file: Path, content: str | bytes | None, options: list[str], more: dict[str, str], reason: str
) -> None:
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = ship(market, file, *options, **more)
    assert reason in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == 2


def test_what_is_no_file_is_refused_rather_than_waited_for(market: Market, file: Path) -> None:
    os.mkfifo(file)
    done = ship(market, file)
    assert done.returncode == 2 and "is no regular file" in done.stderr


def test_the_key_comes_from_a_file_or_the_environment_and_must_be_there(market: Market, file: Path) -> None:
    file.write_text(row(500))
    (file.parent / "key").write_text(market.secret + "\n")
    (file.parent / "empty").write_text("\n")
    bare = {"PATH": os.environ["PATH"], "TOLLBOOK_URL": market.url}
    none, empty, given = (
        subprocess.run(command(file, *options), env=bare, capture_output=True, text=True)
        for options in ([], ["--key-file", file.parent / "empty"], ["--key-file", file.parent / "key"])
    )
    assert none.returncode == 2 and "Name a --key-file, or put it in TOLLBOOK_KEY." in none.stderr
    assert empty.returncode == 2 and "empty is empty." in empty.stderr
    assert given.returncode == 0


def test_a_key_that_is_refused_ends_with_status_3(market: Market, file: Path) -> None:
    file.write_text(row(600))
    done = ship(Market(market.url, "tb_wrong"), file)
    assert done.returncode == 3 and "(401)" in done.stderr


def test_a_position_of_another_account_is_not_taken_for_this_one(market: Market, file: Path) -> None:
    file.write_text(row(700))
    ship(market, file)
    text = (file.parent / "Master.csv.shipped").read_text()
    (file.parent / "Master.csv.shipped").write_text(text.replace("northwind", "contoso"))
    done = ship(market, file)
    assert done.returncode == 2 and "is about the account 'contoso', not 'northwind'" in done.stderr


def test_two_at_once_are_refused_and_an_interrupt_says_where_it_goes_on(market: Market, file: Path) -> None:
    file.write_text(row(800))
    with following(file, market.url, market.secret) as first:
        first.until(lambda: 800 in arrived())
        second = ship(market, file)
        assert second.returncode == 2 and "is being shipped already" in second.stderr
        assert first.end(signal.SIGINT) == 130
    said = first.said.read_text()
    assert "1 debited" in said and "Run the same command again" in said and "Traceback" not in said
    with following(file, market.url, market.secret) as third:
        third.until(lambda: (file.parent / "Master.csv.shipped.lock").read_text() == f"{third.process.pid}\n")
        assert third.end(signal.SIGTERM) == 0


def test_a_file_is_followed_through_growth_and_both_kinds_of_rotation(market: Market, file: Path) -> None:
    with following(file, market.url, market.secret) as running:
        file.write_text(row(900))
        running.until(lambda: 900 in arrived())
        with file.open("a") as more:
            more.write(row(901)[:20])
            more.flush()
            time.sleep(0.7)
            more.write(row(901)[20:])
        running.until(lambda: 901 in arrived())
        file.rename(file.parent / "Master.csv.1")
        file.write_text(row(902))
        running.until(lambda: 902 in arrived())
        (file.parent / "Master.csv-20261103").write_bytes(file.read_bytes() + row(903).encode())
        os.truncate(file, 0)
        with file.open("a") as more:
            more.write(row(904))
        running.until(lambda: {903, 904} <= set(arrived()))
        assert running.end(signal.SIGTERM) == 0
    assert "5 rows, 5 debited" in running.said.read_text()


def test_a_record_that_stays_half_is_given_up_and_does_not_hold_up_the_rest(market: Market, file: Path) -> None:
    file.write_text(row(1000) + '"","a quote that does not end\n')
    with following(file, market.url, market.secret) as running:
        running.until(lambda: 1000 in arrived())
        running.until(lambda: (file.parent / "Master.csv.rejected").exists())
        with file.open("a") as more:
            more.write(row(1001))
        running.until(lambda: 1001 in arrived())


def test_nonsense_is_rejected_row_by_row(market: Market, file: Path) -> None:
    chance = random.Random(4711)
    file.write_bytes(chance.randbytes(200_000) + b"\n" + row(1100).encode())
    done = ship(market, file)
    assert done.returncode == 1 and "1 debited" in done.stdout and "Traceback" not in done.stderr
    assert 1100 in arrived()


def test_help_has_an_example(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "tollbook", "ship", "--help"], capture_output=True, text=True, env={})
    assert "tollbook ship /var/log/asterisk/cdr-csv/Master.csv --follow" in done.stdout and done.returncode == 0


@pytest.mark.faults
def test_whatever_dies_every_row_is_debited_once(web: Web, secret: str, tmp_path: Path) -> None:
    """The server and the shipper are killed in turn while the file grows and is rotated."""
    file, chance, written = tmp_path / "Master.csv", random.Random(4711), 0
    for turn in range(6):
        with following(file, web.address, secret) as running:
            for _ in range(4):
                with file.open("a") as more:
                    more.write(rows(written, written + 500))
                written += 500
                time.sleep(chance.uniform(0, 0.3))
            if turn % 3 == 1:
                web.kill()
            if turn % 3 == 2:
                file.rename(tmp_path / f"Master.csv.{turn}")
            time.sleep(chance.uniform(0, 0.5))
            running.end(signal.SIGKILL)
        if turn % 3 == 1:
            web.start()
    with following(file, web.address, secret) as running:
        with file.open("a") as more:
            more.write(rows(written, written + 1))
        running.until(lambda: len(arrived()) == written + 1)
        assert running.end(signal.SIGTERM) == 0
    assert arrived() == list(range(written + 1))
    assert not list(tmp_path.glob("*.rejected"))


def test_a_server_that_is_away_is_waited_for(web: Web, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "Master.csv"
    web.kill()
    file.write_text(rows(0, 5))
    with following(file, web.address, secret) as running:
        running.until(lambda: "does not answer" in running.said.read_text())
        web.start()
        running.until(lambda: len(arrived()) == 5)
        running.until(lambda: "It answers again." in running.said.read_text())
    assert running.said.read_text().count("does not answer") == 1
