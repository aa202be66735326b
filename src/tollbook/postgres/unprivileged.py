"""The operating system user that the embedded PostgreSQL runs as.

PostgreSQL refuses to run as root. Started by root, it runs as an unprivileged user that owns nothing but the folders
the server needs; started by anybody else, it runs as that person.
"""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANDIDATES = ("postgres", "_postgres", "nobody")
NOBODY = 65534


@dataclass(frozen=True)
class ServerUser:
    """A user and its primary group, by number (a container may have no name for them)."""

    uid: int
    gid: int

    def is_us(self) -> bool:
        return self.uid == os.geteuid()

    def process(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make a child run as this user, with no groups left over from root."""
        if self.is_us():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def make_folder(self, folder: Path) -> None:
        """Make `folder`, private to this user. Its parent must be ours, so that nobody can swap it meanwhile."""
        os.mkdir(folder, 0o700)
        self.take(folder, 0o700)

    def take(self, path: Path, mode: int) -> None:
        """Give `path` to this user with exactly `mode`; a symbolic link is refused, not followed."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, mode)
            if not self.is_us():
                os.fchown(descriptor, self.uid, self.gid)
        finally:
            os.close(descriptor)

    def has_to_itself(self, folder: Path) -> bool:
        """Whether `folder` is there, belongs to this user and is closed to others."""
        try:
            found = folder.lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == self.uid and stat.S_IMODE(found.st_mode) == 0o700

    def can_enter(self, folder: Path) -> bool:
        """Whether this user reaches `folder`. Asked of the kernel, since modes alone don't tell (ACLs, mounts)."""
        arguments = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        quiet = subprocess.DEVNULL
        return subprocess.run(arguments, cwd="/", stderr=quiet, stdin=quiet, **self.process()).returncode == 0

    def can_run(self, program: Path) -> bool:
        """Whether this user may execute `program`, found out by asking it for its version."""
        quiet = subprocess.DEVNULL
        try:
            arguments = [str(program), "--version"]
            done = subprocess.run(arguments, cwd="/", stdout=quiet, stderr=quiet, stdin=quiet, **self.process())
        except PermissionError:
            return False
        return done.returncode == 0


def choose(data: Path) -> ServerUser:
    """The user to run the server of `data` as: its owner if it exists, so that later starts don't depend on which
    users have been added to the machine since."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    if data.is_dir() and data.stat().st_uid != 0:
        return ServerUser(data.stat().st_uid, data.stat().st_gid)
    for name in CANDIDATES:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(found.pw_uid, found.pw_gid)
    return ServerUser(NOBODY, NOBODY)
