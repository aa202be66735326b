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
PRIVATE_TABLES = [
    ("usage/record.sql", "staging"), ("usage/archive.sql", "leaving"), ("rating/import_deck.sql", "staging"),
    ("rating/import_deck.sql", "changes"),
]  # fmt: skip


def _numbered(body: str) -> str:
    """The statement with psycopg's placeholders as PostgreSQL's own."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return re.sub(r"%\((\w+)\)[sb]", number, body).replace("%%", "%")


def test_there_are_statements() -> None:
    assert STATEMENTS


@pytest.mark.parametrize("body", STATEMENTS)
def test_a_statement_is_valid_against_the_schema(db, body: str) -> None:
    statement = _numbered(body)
    with db.connect("app") as connection:
        for file, name in PRIVATE_TABLES:
            connection.execute(read(SOURCE / file)[name])
        if re.search(r"^(CREATE|COPY|TRUNCATE)", re.sub(r"^--.*$", "", body, flags=re.MULTILINE).strip()):
            return
        connection.execute(f"PREPARE tried AS {statement}")
