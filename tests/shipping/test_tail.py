"""Following a file through growth, rotation and restarts, without a server."""

import gzip
import os
import random
import shutil
from pathlib import Path

import pytest

from tollbook.shipping.mark import HEAD_BYTES, Job, Mark, Marks
from tollbook.shipping.tail import Tail


class Switch:
    """Writes rows that are all different, and rotates its file. A clock of its own, because real ones tick too slowly."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "Master.csv"
        self.written: list[bytes] = []
        self._now = 1_793_714_400_000_000_000

    def write(self, count: int = 1, to: Path | None = None) -> None:
        """Append rows, as a switch does that opens its file for each row."""
        rows = [b'"","%d","call"\n' % (len(self.written) + number) for number in range(count)]
        self.append(b"".join(rows), to)
        self.written += rows

    def append(self, data: bytes, to: Path | None = None) -> None:
        """Append any bytes."""
        with (to or self.path).open("ab") as file:
            file.write(data)
        self.touch(to or self.path)

    def touch(self, path: Path) -> None:
        self._now += 1_000_000_000
        os.utime(path, ns=(self._now, self._now))

    def _make_room(self) -> None:
        for number in range(9, 0, -1):
            for ending in ("", ".gz"):
                old = self.path.with_name(f"Master.csv.{number}{ending}")
                if old.exists():
                    old.rename(self.path.with_name(f"Master.csv.{number + 1}{ending}"))

    def rename(self) -> Path:
        """Rotate by renaming; the next row begins a new file."""
        self._make_room()
        return self.path.rename(self.path.with_name("Master.csv.1"))

    def copy_and_empty(self) -> Path:
        """Rotate by copying and emptying."""
        self._make_room()
        copy = self.path.with_name("Master.csv.1")
        shutil.copyfile(self.path, copy)
        self.touch(copy)
        os.truncate(self.path, 0)
        return copy

    def pack(self, path: Path) -> None:
        """gzip a rotated file, which keeps its time."""
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        shutil.copystat(path, packed)
        path.unlink()


class Reader:
    """Reads as the shipper does, and can be killed and started again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[bytes] = []
        self.notices: list[str] = []
        self.mark: Mark | None = None
        self.tail = Tail(path, None, self.notices.append)

    def restart(self) -> None:
        self.tail.close()
        self.tail = Tail(self.path, self.mark, self.notices.append)

    def step(self) -> bool:
        piece = self.tail.piece()
        if piece is None or not piece.data:
            return False
        if not piece.lines:
            self.mark = self.tail.mark
        self.seen += piece.data.splitlines(keepends=True)
        self.mark = self.tail.take(piece.data)
        return True

    def die_before_the_acknowledgement(self) -> None:
        """Send what comes next, and be killed before that is noted."""
        piece = self.tail.piece()
        if piece is not None and piece.data:
            if not piece.lines:
                self.mark = self.tail.mark
            self.seen += piece.data.splitlines(keepends=True)
            self.restart()

    def read(self) -> list[bytes]:
        while self.step():
            pass
        return self.seen


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path)


@pytest.fixture
def reader(switch: Switch) -> Reader:
    return Reader(switch.path)


def test_a_file_that_comes_later_is_read_from_its_beginning(switch: Switch, reader: Reader) -> None:
    assert reader.read() == []
    switch.write(3)
    assert reader.read() == switch.written


def test_a_line_without_its_end_waits_for_it(switch: Switch, reader: Reader) -> None:
    switch.write()
    switch.append(b'"","half')
    assert reader.read() == switch.written
    switch.append(b' a row"\n')
    assert reader.read() == [*switch.written, b'"","half a row"\n']


def test_a_restart_goes_on_where_it_was(switch: Switch, reader: Reader) -> None:
    switch.write(3)
    reader.read()
    reader.restart()
    switch.write(2)
    assert reader.read() == switch.written
    assert reader.mark is not None and reader.mark.lines == 5


def test_a_renamed_file_is_read_to_its_end_which_comes_after_the_rename(switch: Switch, reader: Reader) -> None:
    switch.write(2)
    reader.read()
    old = switch.rename()
    switch.write(2, to=old)  # a writer that has not heard of the rotation yet
    reader.read()
    switch.write(1, to=old)
    switch.path.touch()
    assert reader.read() == switch.written
    switch.write(2)
    assert reader.read() == switch.written


def test_the_last_line_of_a_file_that_is_over_needs_no_end(switch: Switch, reader: Reader) -> None:
    switch.write()
    switch.append(b"killed in the mid")
    reader.read()
    switch.rename()
    switch.write()
    assert reader.read() == [switch.written[0], b"killed in the mid", switch.written[1]]


def test_what_was_not_read_before_the_file_was_emptied_is_read_from_the_copy(switch: Switch, reader: Reader) -> None:
    switch.write(2)
    reader.read()
    switch.write(3)
    switch.copy_and_empty()
    assert reader.read() == switch.written
    switch.write(2)
    assert reader.read() == switch.written and reader.notices == []


def test_a_file_that_was_emptied_and_is_longer_again_is_noticed(switch: Switch, reader: Reader) -> None:
    switch.write(2)
    reader.read()
    switch.copy_and_empty()
    switch.write(50)
    assert reader.read() == switch.written


def test_a_file_is_emptied_while_what_was_read_of_it_is_being_sent(switch: Switch, reader: Reader) -> None:
    switch.write(5)
    piece = reader.tail.piece()
    assert piece is not None
    switch.write(2)
    switch.copy_and_empty()
    switch.write(1)
    reader.seen += piece.data.splitlines(keepends=True)
    reader.tail.take(piece.data)
    assert reader.read() == switch.written


@pytest.mark.parametrize("how", ["rename", "copy_and_empty"])
@pytest.mark.parametrize("packed", [False, True])
def test_rotations_while_nobody_looked_are_caught_up_with_in_order(
    switch: Switch, reader: Reader, how: str, packed: bool
) -> None:
    switch.write(2)
    reader.read()
    switch.write(2)
    for _ in range(3):
        rotated = getattr(switch, how)()
        if packed:
            switch.pack(rotated)
        switch.write(2)
    reader.restart()
    assert reader.read() == switch.written and reader.notices == []


def test_a_name_with_a_date_before_its_ending_is_a_rotated_file_and_a_neighbour_is_not(
    switch: Switch, reader: Reader
) -> None:
    switch.write(2)
    reader.read()
    switch.write(1)
    switch.path.rename(switch.path.with_name("Master-2026-11-03.csv"))
    switch.path.with_name("Master.csv.rejected").write_bytes(b"mine")
    switch.path.with_name("Masters.csv").write_bytes(b"another's")
    switch.write(1)
    reader.restart()
    assert reader.read() == switch.written


def test_a_file_that_is_nowhere_any_more_is_reported_and_what_is_there_is_read(switch: Switch, reader: Reader) -> None:
    switch.write(2)
    reader.read()
    switch.path.unlink()
    reader.restart()
    switch.write(2)
    assert reader.read() == switch.written
    assert len(reader.notices) == 1 and "up to byte" in reader.notices[0] and "line 2" in reader.notices[0]


def test_files_that_begin_alike_are_told_apart_by_their_inode(switch: Switch, reader: Reader) -> None:
    switch.append(b"accountcode,src,dst\n")
    reader.read()
    switch.write(2)
    switch.rename()
    switch.append(b"accountcode,src,dst\n")
    switch.write(1)
    reader.restart()
    header = b"accountcode,src,dst\n"
    assert reader.read() == [header, *switch.written[:2], header, switch.written[2]]


@pytest.mark.parametrize("seed", range(int(os.environ.get("TOLLBOOK_TAIL_SEEDS", "40"))))
def test_whatever_happens_every_row_is_read_in_order(switch: Switch, reader: Reader, seed: int) -> None:
    """Writes, rotations of either kind, packing, reading in small steps and restarts, in any order."""
    chance = random.Random(seed)
    how = chance.choice(["rename", "copy_and_empty"])
    switch.write()
    reader.step()
    for _ in range(60):
        step = chance.randrange(11)
        if step == 10:
            reader.die_before_the_acknowledgement()
        elif step < 4:
            switch.write(chance.choice([1, 2, 300]))
        elif step < 6:
            reader.step()
        elif step < 7 and switch.path.exists() and switch.path.stat().st_size:
            rotated = getattr(switch, how)()
            if chance.random() < 0.3:
                switch.pack(rotated)
        elif step < 8:
            reader.restart()
        else:
            reader.read()
    switch.write()
    seen = reader.read()
    assert list(dict.fromkeys(seen)) == switch.written


def test_a_mark_is_kept_for_its_own_job_only(tmp_path: Path) -> None:
    mark = Mark(1, 2, 3, 4, "head", 5, 6)
    kept = Marks(tmp_path / "state", Job("/a.csv", "northwind", "asterisk", "http://x"))
    kept.save(mark)
    assert kept.load() == mark and HEAD_BYTES == 4096
    for other in (
        Job("/b.csv", "northwind", "asterisk", "http://x"),
        Job("/a.csv", "contoso", "asterisk", "http://x"),
        Job("/a.csv", "northwind", "tollbook", "http://x"),
        Job("/a.csv", "northwind", "asterisk", "http://y"),
    ):
        with pytest.raises(Exception, match="Name another --state"):
            Marks(tmp_path / "state", other).load()
    (tmp_path / "state").write_text("{}")
    with pytest.raises(Exception, match="is not a position that tollbook ship wrote"):
        kept.load()
