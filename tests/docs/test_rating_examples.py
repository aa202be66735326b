"""The examples of the page on rating that need a server or the command, run as they are written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cast import a_rate, an_account
from tests.databases import Database
from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM

GUIDE = (Path(__file__).parents[2] / "docs" / "rating.md").read_text()
OUTPUT = r"\s+```output\n(.*?)```"


def test_quotes_are_as_the_page_says(live: str) -> None:
    an_account()
    for type_code in ("outbound", "sms"):
        a_rate(type_code)
    _, secret = key.create(OPERATOR_ID, "docs", ["read"], SYSTEM)
    (code, output), *others = re.findall(r"```python live\n(.*?)```" + OUTPUT, GUIDE, re.DOTALL)
    environment = {"TOLLBOOK_URL": live, "TOLLBOOK_KEY": secret, "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout, others) == ("", output, [])


def test_a_sheet_is_imported_as_the_page_says(db: Database, tmp_path: Path) -> None:
    a_rate("outbound", "1.20", 6, 6)
    (sheet,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "carrier.csv").write_text(sheet)
    ((command, output),) = re.findall(r"```bash run\n(.*?)```" + OUTPUT, GUIDE, re.DOTALL)
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = os.environ | db.environment()
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, output), done.stderr
