"""The floor of single requests: pgbench, each transaction one guarded update of one of 10,000 rows, as a debit is."""

import importlib.util
import os
import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tollbook.postgres.binaries import MAJOR, WHEEL

ROWS = 10_000
TABLE = f"""
CREATE TABLE IF NOT EXISTS floor_balance (id int PRIMARY KEY, balance numeric(20, 6) NOT NULL);
INSERT INTO floor_balance SELECT id, 1000000 FROM generate_series(1, {ROWS}) AS id ON CONFLICT DO NOTHING
"""
SCRIPT = f"""
\\set id random(1, {ROWS})
UPDATE floor_balance SET balance = balance - 0.0125 WHERE id = :id AND balance >= 0.0125;
"""


def per_second(url: str, clients: int, seconds: float) -> float:
    """Updates committed a second by so many clients, connections made before the clock starts."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        arguments = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds)))]
        done = subprocess.run(
            [_program(), *arguments, "-f", script.name, url], capture_output=True, text=True, check=True
        )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def _program() -> str:
    """pgbench as it comes with the server; any libpq program of that folder finds its libraries beside it."""
    found = importlib.util.find_spec(WHEEL)
    assert found is not None and found.submodule_search_locations
    program = Path(found.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin" / "pgbench"
    assert os.access(program, os.X_OK), f"{program} is missing"
    return str(program)
