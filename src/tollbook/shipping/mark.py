"""How far a file is taken, kept on disk for the next time.

A name is no identity: the file of a name is renamed, copied and emptied. A file is known again by how it begins (call
records begin with a call's own id and time) and, where several begin alike, by its inode.
"""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from tollbook.errors import Invalid

HEAD_BYTES = 4096


class Mark(msgspec.Struct, frozen=True):
    """Everything before `offset`, which is `lines` lines, is acknowledged. `head` digests the file's first bytes."""

    device: int
    inode: int
    offset: int
    lines: int
    head: str
    head_bytes: int
    changed_at_ns: int  # when the file was written to last


class Job(msgspec.Struct, frozen=True):
    """What is shipped where. A mark is good for one job only."""

    file: str
    account: str
    format: str
    url: str


class _Kept(msgspec.Struct):
    job: Job
    mark: Mark


def digest(head: bytes) -> str:
    """What a mark keeps of how a file begins."""
    return blake2b(head, digest_size=16).hexdigest()


@dataclass(slots=True)
class Marks:
    """The file in which the mark of one job is kept."""

    path: Path
    job: Job
    _draft: Path = field(init=False)

    def __post_init__(self) -> None:
        self._draft = self.path.with_name(self.path.name + ".new")

    def load(self) -> Mark | None:
        """The mark; None when nothing was shipped yet. Raises Invalid when it is of another job, or no mark."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Invalid(f"{self.path} can't be read: {error.strerror}.") from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Invalid(f"{self.path} is not a position that tollbook ship wrote. Name another --state.") from None
        for name in Job.__struct_fields__:
            ours, theirs = getattr(self.job, name), getattr(kept.job, name)
            if ours != theirs:
                raise Invalid(
                    f"{self.path} is about the {name} {theirs!r}, not {ours!r}. Name another --state, "
                    "or remove it to ship from the beginning."
                )
        return kept.mark

    def save(self, mark: Mark) -> None:
        """Keep the mark, on the disk when this returns."""
        with self._draft.open("wb") as file:
            file.write(msgspec.json.encode(_Kept(self.job, mark)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._draft, self.path)
