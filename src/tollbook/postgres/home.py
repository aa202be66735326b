"""What the embedded PostgreSQL keeps on disk, and who may touch it.

    home/postgres-passwords.json   0600, random
    home/postgres.lock             held while somebody starts or stops the server
    home/postgres.owner            held as long as the process lives that will stop the server
    home/postgres/                 a link to a folder outside when the server's user can't enter `home`
        data/ log/ run/            0700, of the server's user; `run` is a link when its path is too long for a socket
        startup.log                what the server said before its own log was open

The folders around the server's own belong to us, so that the server's user can't put links in our way.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tollbook.postgres import binaries
from tollbook.postgres.unprivileged import ServerUser

log = logging.getLogger(__name__)

PORT = 5432
"""Only part of the socket's name; there is no TCP port."""

SOCKET_PATH_BYTES = 103
"""What fits into a socket address everywhere (Linux has room for 107 bytes, macOS for 103)."""

LOG_FILES_KEPT = 10


class Home:
    """The folders, passwords and locks of one server under `path`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @property
    def base(self) -> Path:
        return (self.path / "postgres").resolve()

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "log"

    @property
    def run(self) -> Path:
        return (self.base / "run").resolve()

    @property
    def startup_log(self) -> Path:
        return self.base / "startup.log"

    # Folders

    def make(self) -> None:
        """Make the home folder. When we are root, others may pass through it (the server's user must), not list it."""
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def make_base(self, user: ServerUser) -> None:
        """Make the folder around the server's own, inside of the home if `user` can get there."""
        base = self.path / "postgres"
        if base.exists():
            return
        if base.is_symlink():
            raise FileNotFoundError(f"{base} points to {base.readlink()}, which is not there. Is a disk missing?")
        if user.can_enter(self.path):
            base.mkdir()
        else:
            base.symlink_to(_outside())
            log.warning("The database is kept in %s: PostgreSQL must not run as root, and no other user can enter %s.",
                        self.base, self.path)
        self.base.chmod(0o700 if user.is_us() else 0o711)

    def make_run(self, user: ServerUser) -> None:
        """Make the socket's folder; a short one in the temporary folder when its path would be too long. One that is
        there is kept: after a crash, running processes find the new server where the old one was."""
        run = self.base / "run"
        if run.is_symlink() and not user.has_to_itself(self.run):
            run.unlink()
        if run.exists():
            return
        if _fits(run):
            user.make_folder(run)
        else:
            short = Path(tempfile.mkdtemp(prefix="tollbook-", dir=_short_temporary_folder(user)))
            user.take(short, 0o700)
            run.symlink_to(short)

    def forget_short_run(self) -> None:
        """Remove a socket folder that lies in the temporary folder, with what a killed server left in it."""
        run = self.base / "run"
        if not run.is_symlink():
            return
        for leftover in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (run / leftover).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            run.resolve().rmdir()
        run.unlink()

    def make_log(self, user: ServerUser) -> None:
        """Make the log folder, or keep only its newest files: PostgreSQL begins new ones but never removes any."""
        if not self.log.exists():
            user.make_folder(self.log)
        for old in self.logs()[LOG_FILES_KEPT:]:
            old.unlink()

    def logs(self) -> list[Path]:
        """The server's log files, newest first."""
        return sorted(self.log.glob("postgresql-*.log"), reverse=True)

    def last_words(self) -> str:
        """The last lines of the server's logs, for an error message."""
        files = [file for file in (self.startup_log, *self.logs()[:1]) if file.exists()]
        lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        return "\n".join(lines[-15:])

    @contextlib.contextmanager
    def new_data(self, user: ServerUser) -> Iterator[Path]:
        """A folder to create the data in. It becomes `data` when the block ends well, so that a crash leaves nothing
        half."""
        draft = self.base / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        user.make_folder(draft)
        yield draft
        draft.rename(self.data)

    # Passwords

    def passwords(self) -> dict[str, str]:
        """The passwords of the roles `owner` and `app`."""
        return json.loads((self.path / "postgres-passwords.json").read_text())

    def make_passwords(self) -> None:
        final = self.path / "postgres-passwords.json"
        draft = final.with_suffix(".draft")
        _write_privately(draft, json.dumps({"owner": secrets.token_urlsafe(32), "app": secrets.token_urlsafe(32)}))
        draft.rename(final)

    @contextlib.contextmanager
    def password_file(self, user: ServerUser) -> Iterator[Path]:
        """The owner's password in a file that `user` can read, for the length of the block."""
        file = self.base / "initdb-password"
        _write_privately(file, self.passwords()["owner"])
        try:
            user.take(file, 0o600)
            yield file
        finally:
            file.unlink()

    # Locks between processes; the kernel drops them when their holder dies

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes that start or stop this server."""
        descriptor = self._open("postgres.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def claim(self) -> int | None:
        """Become the process that will stop the server: a descriptor to keep open, or None when another one lives
        that will."""
        descriptor = self._open("postgres.owner")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _open(self, name: str) -> int:
        return os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _outside() -> Path:
    """A new folder for one home's data outside of it. Never the same twice: a home that was removed and made again
    starts empty."""
    folder = binaries.make_system_folder() / f"data-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def _write_privately(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES


def _short_temporary_folder(user: ServerUser) -> str:
    usual = tempfile.gettempdir()
    return usual if _fits(Path(usual, "tollbook-12345678")) and user.can_enter(Path(usual)) else "/tmp"
