"""The PostgreSQL that comes with Tollbook: one private server per home folder, reached by a unix socket only.

Nothing listens on TCP and every connection needs a password (scram-sha-256). The server outlives whoever started it;
the next `start` finds it running, and takes it over if its starter is dead. What it keeps on disk: `home.py`.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from tollbook.postgres import binaries, memory
from tollbook.postgres.home import PORT, Home
from tollbook.postgres.scope import ENGINE_ROLE, PORTAL_ROLE
from tollbook.postgres.unprivileged import ServerUser, choose

log = logging.getLogger(__name__)

OWNER, APP, DATABASE = "tollbook_owner", "tollbook_app", "tollbook"

START_SECONDS = 120
"""Long enough for the recovery of a full `max_wal_size` on a slow disk."""

STOP_SECONDS = 60

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": memory.shared_buffers(memory.there_is()),
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "on",
    "restart_after_crash": "off",  # 18.4 hangs when its own restart fails; `serve` tries for as long as it takes
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "random_page_cost": "1.1",  # memory and solid-state disks: an order that an index holds is cheaper than a sort
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%Y%m%d-%H%M%S.log",
    "log_file_mode": "0600",
    "log_rotation_size": "10MB",
    "log_rotation_age": "0",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
    "log_min_duration_statement": "1s",
    "log_parameter_max_length": "0",
}
"""The same everywhere but for the memory, tests included: what is tested is what runs. Parameters, our customers' data,
are not logged."""


class ServerFailed(RuntimeError):
    """The embedded PostgreSQL did not start; the message says why, with the last lines of its log."""


class Embedded:
    """The server of one home folder (default: `TOLLBOOK_HOME`, else `./.tollbook`).

    `settings` are PostgreSQL settings that override `SETTINGS`; they have no effect on a server that already runs.
    """

    def __init__(self, home: Path | str | None = None, settings: dict[str, str] | None = None) -> None:
        self.home = Home(home or os.environ.get("TOLLBOOK_HOME") or ".tollbook")
        self._settings = SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._claim: int | None = None
        self._stopper: int | None = None

    def start(self) -> None:
        """Have the server running and ready, with its two roles and its database; does nothing if it is.

        Several processes may call this at once: one starts the server, the others wait for it and share it.
        """
        try:
            self.home.make()
            with self.home.locked():
                self._start_alone()
        except OSError as error:
            raise ServerFailed(f"The embedded PostgreSQL can't use its folders: {error}") from error

    def stop(self) -> None:
        """Shut the server down, if this object started it or took it over. Connections are cut; what is committed
        stays. A forked child's call does nothing."""
        if self._stopper == os.getpid():
            with self.home.locked():
                self._stop_alone()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, database: str = DATABASE, role: Literal["owner", "app"] = "app") -> str:
        """The address of `database`, for the role that owns the schema or for the one the application signs in as.
        It contains the password."""
        name = {"owner": OWNER, "app": APP}[role]
        socket = quote(str(self.home.run), safe="")
        return f"postgresql://{name}:{self.home.passwords()[role]}@/{database}?host={socket}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The server's main process, or None when it does not run."""
        if self._process is not None:
            self._process.poll()  # or our own dead child would stay in the process table
        pid, _ = self._postmaster_file()
        return pid if pid is not None and _serves(pid, self.home.data) else None

    # Starting, with the lock held

    def _start_alone(self) -> None:
        launched = False
        deadline = time.monotonic() + START_SECONDS
        try:
            while not self._can_sign_in():
                if time.monotonic() > deadline:
                    raise ServerFailed(f"PostgreSQL was not ready in {START_SECONDS} s:\n{self.home.last_words()}")
                if self.pid is None and not self._is_coming_up():
                    self._launch_again() if launched else self._launch()
                    launched = True
                time.sleep(0.01)
            self._create_roles_and_database()
        except BaseException:
            if launched:
                self._abandon()
            raise
        self._claim = self._claim or self.home.claim()
        if launched or self._claim:
            self._stopper = os.getpid()

    def _is_coming_up(self) -> bool:
        """Whether our child lives; it takes a moment to note its process id in the data folder."""
        return self._process is not None and self._process.poll() is None

    def _launch(self) -> None:
        user = choose(self.home.data)
        self.home.make_base(user)
        programs = binaries.folder_for(user)
        if not self.home.data.exists():
            self.home.make_passwords()
            self._initialise(programs, user)
        self._check_data(user)
        self.home.make_run(user)
        self.home.make_log(user)
        self._spawn(programs, user)

    def _initialise(self, programs: Path, user: ServerUser) -> None:
        """Create the data. The builtin locale needs none of the machine's and sorts alike everywhere."""
        with self.home.new_data(user) as data, self.home.password_file(user) as password:
            command: list[str | Path]
            command = [programs / "initdb", f"--pgdata={data}", f"--username={OWNER}", f"--pwfile={password}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            done = subprocess.run(command, cwd="/", env=_environment(), stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, **user.process())
            if done.returncode != 0:
                raise ServerFailed(f"PostgreSQL could not create its data:\n{done.stdout}{done.stderr}".rstrip())

    def _check_data(self, user: ServerUser) -> None:
        """Say clearly what PostgreSQL would say less clearly."""
        if self.home.data.stat().st_uid != user.uid:
            raise ServerFailed(f"{self.home.data} belongs to another user; start Tollbook as that user.")
        version = (self.home.data / "PG_VERSION").read_text().strip()
        if version != str(binaries.MAJOR):
            raise ServerFailed(f"{self.home.data} is of PostgreSQL {version}; this Tollbook brings {binaries.MAJOR}. "
                               "Dump it with the Tollbook that made it, and restore it with this one.")

    def _spawn(self, programs: Path, user: ServerUser) -> None:
        """Run the server in a session of its own: a Ctrl-C in the terminal is for us, and we stop it in order."""
        places = {"unix_socket_directories": str(self.home.run), "log_directory": str(self.home.log)}
        options = [part for name, value in (self._settings | places).items() for part in ("-c", f"{name}={value}")]
        stale, _ = self._postmaster_file()
        with open(self.home.startup_log, "wb") as output:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", self.home.data, *options], cwd="/", env=_environment(stale), umask=0o077,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **user.process(),
            )

    def _launch_again(self) -> None:
        """After a server was killed, its backends live on for a moment and keep the memory it would share: try again.
        Anything else that ended the server is an error."""
        if "is still in use" not in self.home.startup_log.read_text(errors="replace"):
            raise ServerFailed(f"PostgreSQL did not start:\n{self.home.last_words()}")
        time.sleep(0.1)
        self._launch()

    def _create_roles_and_database(self) -> None:
        """Do what `initdb` leaves to do."""
        with contextlib.closing(self._connect()) as connection:
            if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", APP):
                with connection.transaction():
                    _create_roles(connection, self.home.passwords()["app"])
            if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", DATABASE):
                _create_database(connection)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url("postgres", "owner"), autocommit=True, connect_timeout=10)

    # Knowing what runs

    def _postmaster_file(self) -> tuple[int | None, str]:
        """The process id and the status that the server, or a killed one, noted in its data folder."""
        try:
            lines = (self.home.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
        except (FileNotFoundError, IndexError, ValueError):
            return None, ""

    def _status(self) -> str | None:
        """`starting`, `ready`, `stopping`, or None when no server runs."""
        return self._postmaster_file()[1] if self.pid is not None else None

    def _can_sign_in(self) -> bool:
        if self._status() != "ready":
            return False
        try:
            self._connect().close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServerFailed(f"The server in {self.home.path} has other passwords than noted there.") from None
            return False
        return True

    # Stopping, with the lock held

    def _abandon(self) -> None:
        """End what a start that failed has left. The socket's folder stays: running processes look for a server there."""
        pid = self.pid
        if pid is not None:
            self._shut_down(pid)
        self._process = None

    def _stop_alone(self) -> None:
        pid = self.pid
        if pid is not None:
            self._shut_down(pid)
        self.home.forget_short_run()
        if self._claim is not None:
            os.close(self._claim)
        self._claim = self._process = self._stopper = None

    def _shut_down(self, pid: int) -> None:
        """Fast shutdown; if that takes too long an immediate one, which the next start recovers from."""
        for how in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                if self.pid != pid:
                    return
                time.sleep(0.01)
        log.error("PostgreSQL (process %s) does not end; it is left running.", pid)


def _environment(stale_pid: int | None = None) -> dict[str, str]:
    """All of a server's environment, so that nothing of ours leaks in (PGPORT, LANG, secrets).

    The process id in a stale postmaster.pid may be a stranger's by now, whom the new server would take for an old one
    still running. PG_GRANDPARENT_PID is PostgreSQL's own way to be told that it is not; the check of the shared memory,
    which finds old backends, stays.
    """
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    return environment if stale_pid is None else environment | {"PG_GRANDPARENT_PID": str(stale_pid)}


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` is the main process of a server of `data`. Its command line tells, which everybody may
    read; its working directory root may not in a container."""
    if os.path.isdir("/proc/self"):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(data) in arguments
    listed = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True)
    return f"-D {data} " in listed.stdout


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None


def _create_roles(connection: psycopg.Connection, password: str) -> None:
    """The application signs in as a role that may do nothing but assume one of the two that migrations give rights."""
    app = sql.Identifier(APP)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(app, sql.Literal(password)))
    for role in (ENGINE_ROLE, PORTAL_ROLE):
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        connection.execute(sql.SQL("GRANT {} TO {} WITH INHERIT FALSE").format(sql.Identifier(role), app))
    connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")


def _create_database(connection: psycopg.Connection) -> None:
    """Create the database under another name; it gets its own when nobody but the two roles can connect."""
    draft, final = sql.Identifier(f"{DATABASE}_draft"), sql.Identifier(DATABASE)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(draft))
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(draft, sql.Identifier(OWNER)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(draft))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(draft, sql.Identifier(APP)))
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(draft, final))
