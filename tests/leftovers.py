"""What a test run that was killed leaves behind: a folder, and the servers in it. The next run clears it away."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from tollbook.postgres.embedded import Embedded, ServerFailed

PREFIX = "tollbook-tests-"
LOCK = "run.lock"


def make_folder(place: Path | None = None) -> Path:
    """A temporary folder for this run, locked as long as this process lives. Users may pass through it: the server's
    unprivileged one has to."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    draft = folder / f"{LOCK}.draft"
    fcntl.flock(os.open(draft, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    draft.rename(folder / LOCK)  # under its name only when it is locked
    return folder


def clear_away(place: Path | None = None) -> None:
    """Stop the servers of dead runs and remove their folders."""
    for lock in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid == os.geteuid() and _is_free(lock):
                _remove(lock.parent)


def _is_free(lock: Path) -> bool:
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _remove(folder: Path) -> None:
    for server in folder.rglob("postgres.lock"):
        left = Embedded(server.parent)
        if left.pid is not None:
            with contextlib.suppress(ServerFailed):
                left.start()  # takes it over
            left.stop()
        shutil.rmtree(left.home.base, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
