"""Every named statement is valid against the migrated schema and explains itself."""

import re
from pathlib import Path

import pytest

import tollbook
from tollbook.postgres.named import read

SOURCE = Path(tollbook.__file__).parent
STATEMENTS = [
    pytest.param(body, id=f"{file.relative_to(SOURCE)}:{name}")
    for file in sorted(SOURCE.rglob("*.sql"))
    for name, body in read(file).items()
]


def _numbered(body: str) -> str:
    """The statement with psycopg's placeholders as PostgreSQL's own."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return re.sub(r"%\((\w+)\)s", number, body).replace("%%", "%")


def test_there_are_statements() -> None:
    assert STATEMENTS


@pytest.mark.parametrize("body", STATEMENTS)
def test_a_statement_is_valid_against_the_schema(db, body: str) -> None:
    statement = _numbered(body)
    with db.connect("app") as connection:
        connection.execute(read(SOURCE / "usage" / "record.sql")["staging"])
        connection.execute(read(SOURCE / "usage" / "archive.sql")["leaving"])
        if re.search(r"^(CREATE|COPY)", re.sub(r"^--.*$", "", body, flags=re.MULTILINE).strip()):
            return
        connection.execute(f"PREPARE tried AS {statement}")
