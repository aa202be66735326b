"""The spool on disk, without a server: what is put comes out, in order, whatever happened in between."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from tollbook.client.errors import Closed, Full, InUse, SpoolFailed
from tollbook.client.event import Rejection
from tollbook.client.segment import name_of, numbers_in
from tollbook.client.spool import Spool

MANY = 1_000_000
LINES = [b'{"id":"%d","note":"%s"}' % (number, b"x" * number) for number in range(9)]
FULL_DISK = """
import resource, sys
from pathlib import Path
from tollbook.client.errors import Full
from tollbook.client.spool import Spool

spool = Spool(Path(sys.argv[1]), 1 << 20, True)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # of one file, as a disk that has so many bytes left
taken = 0
try:
    while True:
        spool.put([b'{"id":"%d","note":"%s"}' % (taken, b"x" * 70)])
        taken += 1
except Full as full:
    print(taken, spool.count(), full)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def opened(folder: Path, most_bytes: int = MANY, durable: bool = True) -> Spool:
    return Spool(folder, most_bytes, durable)


def drained(spool: Spool, at_once: int = MANY) -> list[bytes]:
    """Everything that waits, delivered."""
    found: list[bytes] = []
    while (batch := spool.take(at_once, MANY)).lines or batch.damaged:
        found += batch.lines
        spool.done(batch, ())
    return found


def filled(folder: Path, lines: list[bytes] = LINES) -> Path:
    spool = opened(folder)
    for line in lines:
        spool.put([line])
    spool.close()
    return folder


def segments(folder: Path) -> list[Path]:
    return [folder / name_of(number) for number in numbers_in(folder)]


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_put_comes_out_in_order(tmp_path: Path, durable: bool) -> None:
    spool = opened(tmp_path, durable=durable)
    spool.put(LINES[:4])
    spool.put(LINES[4:])
    assert spool.count() == 9
    assert drained(spool, at_once=2) == LINES
    assert spool.count() == 0


def test_what_was_not_done_is_taken_again(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.put(LINES)
    assert spool.take(5, MANY).lines == tuple(LINES[:5])
    assert spool.take(3, MANY).lines == tuple(LINES[:3])
    spool.done(spool.take(3, MANY), ())
    spool.close()
    assert drained(opened(tmp_path)) == LINES[3:]


def test_a_batch_is_bounded_in_bytes_and_has_at_least_one_line(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.put(LINES)
    assert spool.take(MANY, 70).lines == tuple(LINES[:2])
    assert spool.take(MANY, 1).lines == tuple(LINES[:1])


def test_a_file_that_ends_at_any_byte_loses_only_the_record_that_was_being_written(tmp_path: Path) -> None:
    [whole] = segments(filled(tmp_path / "whole"))
    data = whole.read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for size in range(len(data) + 1):
        folder = tmp_path / "torn"
        folder.mkdir()
        (folder / whole.name).write_bytes(data[:size])
        spool = opened(folder)
        spool.put([b'{"id":"after"}'])
        assert drained(spool) == [*LINES[: sum(end <= size for end in ends)], b'{"id":"after"}'], size
        spool.close()
        assert not (folder / "rejected.ndjson").exists()
        shutil.rmtree(folder)


def test_a_byte_that_changed_costs_no_other_record_and_is_written_down(tmp_path: Path) -> None:
    [whole] = segments(filled(tmp_path / "whole"))
    data = whole.read_bytes()
    for place in range(0, len(data) - 1, 7):
        folder = tmp_path / "hurt"
        folder.mkdir()
        (folder / whole.name).write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        spool = opened(folder)
        found = drained(spool)
        assert set(found) <= set(LINES) and found == sorted(found, key=LINES.index)
        assert len(found) >= len(LINES) - 2, place  # a line end that changed makes one record of two
        spool.close()
        assert found == LINES or (folder / "rejected.ndjson").exists()
        shutil.rmtree(folder)


@pytest.mark.parametrize("noted", [b"", b"rubbish", b"1 99999999 00000000\n", b"\x00" * 30])
def test_a_position_that_is_not_believable_delivers_again_and_loses_nothing(tmp_path: Path, noted: bytes) -> None:
    filled(tmp_path)
    spool = opened(tmp_path)
    spool.done(spool.take(4, MANY), ())
    spool.close()
    (tmp_path / "position").write_bytes(noted)
    assert drained(opened(tmp_path)) == LINES


def test_a_position_beyond_a_file_that_lost_its_end_hides_nothing_that_comes_after(tmp_path: Path) -> None:
    filled(tmp_path)
    spool = opened(tmp_path)
    spool.done(spool.take(8, MANY), ())
    spool.close()
    [segment] = segments(tmp_path)
    os.truncate(segment, 100)
    spool = opened(tmp_path)
    spool.put([b'{"id":"after"}'])
    spool.close()
    assert drained(opened(tmp_path)) == [b'{"id":"after"}']


def test_a_full_spool_takes_nothing_says_so_and_has_room_after_a_delivery(tmp_path: Path) -> None:
    spool = opened(tmp_path, most_bytes=500)
    line = b'{"id":"%s"}' % (b"x" * 81)  # 100 bytes with its frame
    for _ in range(5):
        spool.put([line])
    with pytest.raises(Full, match=r"is full: 5 events wait in 500 bytes, and 500 bytes are allowed"):
        spool.put([line])
    assert spool.count() == 5
    spool.done(spool.take(2, MANY), ())
    spool.put([line])
    assert len(drained(spool)) == 4


def test_a_disk_that_fills_up_in_the_middle_of_a_record_takes_all_of_it_or_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    taken, counted, reason = done.stdout.split(maxsplit=2)
    assert taken == counted and "disk" in reason, done.stderr
    found = drained(opened(tmp_path))
    assert len(found) == int(taken) == 1000 // len(b'01234567 {"id":"0","note":"%s"}\n' % (b"x" * 70))


def test_files_are_removed_once_everything_in_them_is_delivered(tmp_path: Path) -> None:
    spool = opened(tmp_path, most_bytes=800)
    for _ in range(20):
        spool.put(LINES[:4])
        assert len(segments(tmp_path)) <= 3
        assert drained(spool) == LINES[:4]
    spool.close()
    assert segments(tmp_path) == []


def test_names_are_never_used_again(tmp_path: Path) -> None:
    seen: set[str] = set()
    for _ in range(3):
        spool = opened(tmp_path)
        spool.put(LINES)
        names = {path.name for path in segments(tmp_path)}
        assert names and not names & seen
        seen |= names
        assert drained(spool) == LINES
        spool.close()


def test_a_second_process_is_refused_and_told_who_has_the_folder(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(InUse, match=rf"{tmp_path} is in use by another process \({os.getpid()}\)"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.close()
    spool.close()
    with pytest.raises(Closed):
        spool.put(LINES)


def test_a_folder_that_can_not_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolFailed, match="can't be used"):
        opened(tmp_path / "file")


def test_rejected_events_are_written_down_with_the_reason_after_a_torn_line_too(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.put(LINES[:3])
    (tmp_path / "rejected.ndjson").write_bytes(b'{"at": "2026')
    spool.done(spool.take(3, MANY), [Rejection(1, "1", "no_rate", "No rate.")])
    torn, line = (tmp_path / "rejected.ndjson").read_bytes().splitlines()
    told = msgspec.json.decode(line)
    assert (told["code"], told["message"], told["event"]["id"]) == ("no_rate", "No rate.", "1")


def test_threads_that_put_at_once_lose_nothing_and_keep_their_own_order(tmp_path: Path) -> None:
    spool = opened(tmp_path, most_bytes=100_000)

    def put(thread: int) -> None:
        for number in range(50):
            spool.put([b"%d %d" % (thread, number)])

    threads = [threading.Thread(target=put, args=(one,)) for one in range(8)]
    for one in threads:
        one.start()
    found: list[bytes] = []
    while any(one.is_alive() for one in threads) or spool.count():
        found += drained(spool, at_once=17)
    for thread in range(8):
        mine = [line for line in found if line.startswith(b"%d " % thread)]
        assert mine == [b"%d %d" % (thread, number) for number in range(50)]
