"""A disk that is full, and one that fails to write: 503 for as long as it lasts, nothing lost, and no person is needed."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connections

from tests.databases import Database
from tests.faults import world
from tests.faults.senders import Senders
from tests.faults.serving import Serving, own_server, serving

pytestmark = [pytest.mark.faults, own_server]

HERE = Path(__file__).parent
MEGABYTES = 700
AS_A_USER = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
UNSHARE = ["unshare", "--mount", *AS_A_USER]
TROUBLE_SECONDS = 6
PATIENCE_SECONDS = 120


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, open to the server's user: sockets want short ones, and pytest's own folders are private."""
    made = Path(tempfile.mkdtemp(prefix="tb-", dir=os.environ["TOLLBOOK_HOME"]))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def small_disk(folder: Path) -> list[str]:
    """The command that runs Tollbook with a small disk at `folder`; skips where nobody may make one."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here (util-linux), so no disk can be made that is ours alone")
    tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"a disk of our own can't be mounted here: {tried.stderr.strip()}")
    run = [sys.executable, "-m", "tests.faults.small_disk", str(folder), str(MEGABYTES)]
    return [*UNSHARE, *run, sys.executable, "-m", "tollbook"]


def failing_fsync(folder: Path, flag: Path) -> list[str]:
    """The command that runs Tollbook on a disk that fails while `flag` exists; skips without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler here (cc, gcc, clang), or this is not Linux")
    library = folder / "failing_fsync.so"
    define = f'-DFLAG="{flag}"'
    subprocess.run([compiler, "-shared", "-fPIC", define, "-o", library, HERE / "failing_fsync.c", "-ldl"], check=True)
    library.chmod(0o755)
    return [sys.executable, "-m", "tests.faults.preloaded", str(library)]


def endure(running: Serving, begin: Callable[[], object], end: Callable[[], object]) -> str:
    """Load, trouble, load through it, and the end of the trouble; what to say about it."""
    made, telling = world.made(), world.Telling(503)
    single = Senders(running.address, made.secret, 8, telling.one)
    batches = Senders(running.address, made.secret, 4, lambda: telling.upto(500))
    both = (single, batches)
    single.go_on(50)
    batches.go_on(20)
    begin()
    stuck_after = wait_until_stuck(both)
    time.sleep(TROUBLE_SECONDS)
    assert httpx.get(f"{running.address}/healthz", trust_env=False).status_code == 200
    put_off = single.put_off + batches.put_off
    sure = single.sure() | batches.sure()
    end()
    ended = time.monotonic()
    single.go_on(50)
    batches.go_on(20)
    recovered = time.monotonic() - ended
    connections.close_all()
    assert sure <= world.stored_ids(), "an acknowledged event is not in the books"
    for senders in both:
        senders.stop()
    for senders in both:
        senders.join()
        assert senders.surprises == [] and senders.rejected == []
        assert senders.without_retry_after == 0
        assert senders.broken == 0, "the web process was to stay"
    assert single.accepted + batches.accepted <= len(telling.told)
    world.prove(made, telling.told)
    return (
        f"stuck after {stuck_after:.1f} s, {put_off} times 503, recovered {recovered:.1f} s after the end of it; "
        f"{len(telling.told)} events"
    )


def wait_until_stuck(both: tuple[Senders, Senders]) -> float:
    """Wait until nothing is acknowledged any more and 503 is answered instead; how long that took, in seconds."""
    started = time.monotonic()
    while time.monotonic() < started + PATIENCE_SECONDS:
        before = sum(senders.answered for senders in both)
        time.sleep(2)
        if sum(senders.answered for senders in both) == before and sum(senders.put_off for senders in both) > 0:
            return time.monotonic() - started
    raise AssertionError("the trouble was not noticed: this test has shown nothing")


def end_the_log(database: Database) -> None:
    """Have PostgreSQL begin a new file of its log; with no room for it, it panics and takes everybody with it."""
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            with database.connect("owner") as connection:
                connection.execute("SELECT pg_switch_wal()")


@pytest.mark.parametrize("full", ["tables", "log"])
def test_a_full_disk_stops_events_not_the_books_and_is_over_when_there_is_room(
    folder: Path, tmp_path: Path, full: str
) -> None:
    """When a table can't grow, PostgreSQL refuses the statement. When its log can't, it panics, and can't start again
    before there is room: somebody has to go on trying."""
    with serving(small_disk(folder), folder / "home", tmp_path / "serve.log") as running:

        def fill() -> None:
            running.obey("fill")
            if full == "log":
                end_the_log(running.database())

        print(full, endure(running, fill, lambda: running.obey("free")))


def test_a_disk_that_fails_to_write_stops_events_not_the_books(folder: Path, tmp_path: Path) -> None:
    """fsyncgate, 2018: a database that goes on after a failed fsync has lost what it acknowledged. This one panics."""
    flag = folder / "broken"
    with serving(failing_fsync(folder, flag), folder / "home", tmp_path / "serve.log") as running:
        print(endure(running, flag.touch, flag.unlink))
