"""The embedded server: starts, stops, survives, and lets nobody in."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tollbook.postgres import binaries
from tollbook.postgres.embedded import Embedded, ServerFailed
from tollbook.postgres.unprivileged import NOBODY, choose

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
processes = multiprocessing.get_context("fork")


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that others may pass through; pytest's own ones are private."""
    made = Path(tempfile.mkdtemp(prefix="embedded-", dir=os.environ["TOLLBOOK_HOME"]))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture
def server(folder: Path) -> Iterator[Embedded]:
    """A server of the test's own, which it may stop and kill."""
    with Embedded(folder / "home") as running:
        yield running


@pytest.fixture(scope="module")
def untouched() -> Iterator[Embedded]:
    """A server that tests only look at."""
    with open_folder() as folder, Embedded(folder / "home") as running:
        yield running


def asked(server: Embedded, query: str, role: str = "owner") -> str:
    with psycopg.connect(server.url(role=role)) as connection:
        return str(connection.execute(query).fetchone()[0])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_start_makes_a_database_for_both_roles(untouched: Embedded) -> None:
    assert asked(untouched, "SELECT current_user", "owner") == "tollbook_owner"
    assert asked(untouched, "SELECT current_user", "app") == "tollbook_app"
    assert asked(untouched, "SELECT current_database()", "app") == "tollbook"
    assert asked(untouched, "SHOW server_encoding") == "UTF8"


def test_what_was_committed_is_there_after_a_second_start(server: Embedded) -> None:
    with psycopg.connect(server.url(role="owner")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert server.pid is None
    server.start()
    assert asked(server, "SELECT answer FROM kept") == "42"


def test_starting_a_running_server_changes_nothing(untouched: Embedded) -> None:
    pid = untouched.pid
    untouched.start()
    assert untouched.pid == pid


def test_another_object_shares_the_server_and_does_not_stop_it(untouched: Embedded) -> None:
    with Embedded(untouched.home.path) as other:
        assert other.pid == untouched.pid
    assert asked(untouched, "SELECT 1") == "1"


def test_simultaneous_first_starts_make_one_server(folder: Path) -> None:
    def start_and_stay(pids: "multiprocessing.Queue[int | None]", done: "multiprocessing.Event") -> None:
        with Embedded(folder / "home") as server:
            pids.put(server.pid)
            done.wait(60)

    pids, done = processes.Queue(), processes.Event()
    starters = [processes.Process(target=start_and_stay, args=(pids, done)) for _ in range(4)]
    for starter in starters:
        starter.start()
    assert len({pids.get(timeout=60) for _ in starters}) == 1
    done.set()
    for starter in starters:
        starter.join(60)
    assert Embedded(folder / "home").pid is None


def test_what_was_committed_survives_a_killed_server(server: Embedded) -> None:
    with psycopg.connect(server.url(role="owner")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert asked(server, "SELECT answer FROM kept") == "42"


def test_a_start_waits_for_a_busy_backend_of_a_killed_server(server: Embedded) -> None:
    busy = psycopg.connect(server.url(role="owner"))
    busy.pgconn.send_query(b"DO 'BEGIN WHILE clock_timestamp() < now() + interval ''2s'' LOOP END LOOP; END'")
    busy.pgconn.flush()
    state = f"SELECT state FROM pg_stat_activity WHERE pid = {busy.info.backend_pid}"
    wait_until(lambda: asked(server, state) == "active")
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert asked(server, "SELECT 1") == "1"
    busy.close()


def test_a_server_outlives_its_starter_and_the_next_one_takes_it_over(folder: Path) -> None:
    def start_and_die() -> None:
        Embedded(folder / "home").start()
        os.kill(os.getpid(), signal.SIGKILL)

    starter = processes.Process(target=start_and_die)
    starter.start()
    starter.join(60)
    heir = Embedded(folder / "home")
    orphan = heir.pid
    assert orphan is not None
    heir.start()
    assert heir.pid == orphan
    heir.stop()
    assert heir.pid is None


def test_a_stale_process_id_that_a_stranger_has_now_does_not_stop_a_start(server: Embedded) -> None:
    noted = server.home.data / "postmaster.pid"
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.pid is None)
    lines = noted.read_text().splitlines(keepends=True)
    with subprocess.Popen(["sleep", "60"], **choose(server.home.data).process()) as stranger:
        noted.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        server.start()
        assert server.pid not in (None, stranger.pid)
        assert stranger.poll() is None
        stranger.kill()


def test_a_crash_while_the_data_is_created_leaves_nothing_in_the_way(folder: Path) -> None:
    server = Embedded(folder / "home")
    (folder / "home" / "postgres" / "data.draft").mkdir(parents=True)
    (folder / "home" / "postgres" / "data.draft" / "PG_VERSION").write_text("18\n")
    for made in (folder / "home", folder / "home" / "postgres"):
        made.chmod(0o711)
    with server:
        assert asked(server, "SELECT 1") == "1"


def test_the_folders_are_private_and_the_passwords_too(untouched: Embedded) -> None:
    others_pass = 0o711 if os.geteuid() == 0 else 0o700
    assert mode(untouched.home.path) == mode(untouched.home.base) == others_pass
    assert {mode(part) for part in (untouched.home.data, untouched.home.run, untouched.home.log)} == {0o700}
    assert mode(untouched.home.path / "postgres-passwords.json") == 0o600
    assert not list(untouched.home.base.glob("*password*"))


def test_nothing_listens_on_tcp(untouched: Embedded) -> None:
    """Another server may have port 5432 on this machine; it knows neither our user nor our password."""
    assert asked(untouched, "SHOW listen_addresses") == ""
    by_socket = untouched.url(role="owner").partition("?")[0]
    for address in ("127.0.0.1", "::1"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"{by_socket}?host={address}&port=5432")


@pytest.mark.parametrize("role", ["owner", "app"])
def test_a_wrong_password_is_refused(untouched: Embedded, role: str) -> None:
    password = untouched.home.passwords()[role]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(untouched.url(role=role).replace(password, "guess"))


def test_every_connection_needs_a_scram_password(untouched: Embedded) -> None:
    assert asked(untouched, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "scram-sha-256"


def test_the_application_may_connect_to_its_database_and_nothing_else(untouched: Embedded) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(untouched.url("postgres", "app"))
    with psycopg.connect(untouched.url(role="app")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE forbidden ()")
    with psycopg.connect(untouched.url(role="app")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TEMPORARY TABLE forbidden ()")


def test_commits_are_durable_unless_overridden(untouched: Embedded, folder: Path) -> None:
    assert [asked(untouched, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3
    with Embedded(folder / "other", settings={"max_connections": "17"}) as other:
        assert asked(other, "SHOW max_connections") == "17"


def test_a_long_home_has_its_socket_in_a_short_private_folder(folder: Path) -> None:
    long = folder / ("long" * 30)
    long.mkdir()
    long.chmod(0o711)
    with Embedded(long / "home") as server:
        assert asked(server, "SELECT 1") == "1"
        short = server.home.run
        assert mode(short) == 0o700
        assert not short.is_relative_to(folder)
        os.kill(server.pid, signal.SIGKILL)
        server.start()
        assert server.home.run == short
        wait_until(lambda: asked(server, "SELECT 1") == "1")
    assert not short.exists()


def test_a_short_folder_that_others_could_have_made_is_not_used_again(folder: Path) -> None:
    long = folder / ("long" * 30)
    long.mkdir()
    long.chmod(0o711)
    with Embedded(long / "home") as server:
        short = server.home.run
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: server.pid is None)
        short.chmod(0o777)
        server.start()
        assert server.home.run != short
    shutil.rmtree(short)


def test_a_server_that_can_not_start_says_why(folder: Path) -> None:
    server = Embedded(folder / "home", settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServerFailed, match="shared_buffers"):
        server.start()
    assert server.pid is None


def test_data_of_another_major_version_is_refused(server: Embedded) -> None:
    server.stop()
    (server.home.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerFailed, match="PostgreSQL 17"):
        server.start()


def test_a_missing_disk_is_not_taken_for_an_empty_home(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "postgres").symlink_to(folder / "unmounted")
    with pytest.raises(ServerFailed, match="Is a disk missing"):
        Embedded(folder / "home").start()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(untouched: Embedded) -> None:
    assert os.getsid(untouched.pid) != os.getsid(0)
    assert os.getpgid(untouched.pid) != os.getpgid(0)


@as_root
def test_root_runs_it_as_an_unprivileged_user_that_owns_only_its_folders(untouched: Embedded) -> None:
    status = Path(f"/proc/{untouched.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split() + fields["Gid"].split() + fields["Groups"].split()
    assert untouched.home.path.stat().st_uid == untouched.home.base.stat().st_uid == 0
    assert untouched.home.data.stat().st_uid == int(fields["Uid"].split()[0])


@as_root
def test_in_a_private_folder_of_root_the_data_lies_outside_and_no_mode_changes(folder: Path, monkeypatch) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setattr(binaries, "SYSTEM_FOLDER", folder / "system")
    with Embedded(private / "home") as server:
        assert asked(server, "SELECT 1") == "1"
        assert server.home.data.is_relative_to(folder / "system")
    assert mode(private) == 0o700
    with Embedded(private / "home") as again:
        assert again.home.data == server.home.data


@as_root
def test_programs_in_a_private_folder_of_root_are_copied_to_where_the_server_can_run_them(
    folder: Path, monkeypatch
) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    installed = binaries._package()
    for name in (installed.name, f"{installed.name}.libs"):
        (private / name).symlink_to(installed.with_name(name))
    monkeypatch.syspath_prepend(private)
    monkeypatch.setattr(binaries, "SYSTEM_FOLDER", folder / "system")
    umask = os.umask(0o077)
    try:
        with Embedded(folder / "home") as server:
            assert asked(server, "SELECT 1") == "1"
            program = os.readlink(f"/proc/{server.pid}/exe")
    finally:
        os.umask(umask)
    assert program.startswith(str(folder / "system"))
    assert mode(folder / "system") == 0o755
    assert mode(private) == 0o700


@as_root
def test_an_ordinary_user_runs_it_as_themself(folder: Path, monkeypatch) -> None:
    """The modules and programs are there before the child becomes ordinary: it may be unable to read root's."""
    monkeypatch.setattr(binaries, "SYSTEM_FOLDER", folder / "system")
    home = folder / "hers" / "home"
    home.parent.mkdir()
    os.chown(home.parent, NOBODY, NOBODY)
    with Embedded(folder / "ours") as server:
        asked(server, "SELECT 1")
    monkeypatch.syspath_prepend(binaries._copied().parents[2])

    def become_ordinary_and_start(answers: "multiprocessing.Queue[object]") -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with Embedded(home) as server:
            answers.put((asked(server, "SELECT 1"), os.stat(f"/proc/{server.pid}").st_uid, mode(home)))

    answers = processes.Queue()
    child = processes.Process(target=become_ordinary_and_start, args=(answers,))
    child.start()
    assert answers.get(timeout=60) == ("1", NOBODY, 0o700)
    child.join(60)
    assert child.exitcode == 0
    assert Embedded(home).pid is None


@as_root
def test_root_continues_as_the_user_who_made_the_data(folder: Path) -> None:
    with Embedded(folder / "home") as server:
        pass
    for path in (server.home.data, *server.home.data.rglob("*"), server.home.run, server.home.log):
        os.chown(path, NOBODY, NOBODY)
    for file in server.home.logs():
        file.unlink()
    with server:
        assert os.stat(f"/proc/{server.pid}").st_uid == NOBODY
