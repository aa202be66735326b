"""Named SQL: statements live in `.sql` files beside the verb that runs them.

A file is a sequence of blocks. A block begins with `-- name: do_this`, is followed by a comment of at least one
sentence that says what it does and why it has this shape, and holds exactly one statement with psycopg placeholders.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_HEADER = re.compile(r"^-- name: ([a-z_0-9]+)\s*$", re.MULTILINE)


def load(python_file: str) -> Mapping[str, str]:
    """The statements of the `.sql` file that has the same stem as `python_file` (pass `__file__`), by name."""
    return read(Path(python_file).with_suffix(".sql"))


def read(path: Path) -> Mapping[str, str]:
    """The statements of one file, by name; a name used twice or a block without an explanation is a defect."""
    statements: dict[str, str] = {}
    for name, body in _blocks(path.read_text()):
        if name in statements or not body.startswith("-- "):
            raise ValueError(f"{path.name}: {name} stands twice or has no sentence that explains it")
        statements[name] = body
    return statements


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    parts = _HEADER.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        yield name, body.strip()
