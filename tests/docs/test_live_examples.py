"""The examples of the how-to for engineers, run in order against a running server."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx

from tests.cast import a_rate, an_account, funded
from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM

GUIDE = Path(__file__).parents[2] / "docs" / "how-to-engineer.md"
EXAMPLE = re.compile(r"```(bash|python) live\n(.*?)```(?:\s+```output\n(.*?)```)?", re.DOTALL)


def test_the_engineers_examples_work_as_they_are_written(live: str) -> None:
    account = an_account()
    for type_code in ("outbound", "sms"):
        a_rate(type_code)
        funded(account, type_code)
    _, secret = key.create(OPERATOR_ID, "docs", sorted(key.SCOPES), SYSTEM)
    environment = {"TOLLBOOK_URL": live, "TOLLBOOK_KEY": secret, "PATH": os.environ["PATH"]}
    examples = EXAMPLE.findall(GUIDE.read_text())
    assert len(examples) == 7
    for language, code, output in examples:
        printed = _curl(code, environment) if language == "bash" else _python(code, environment)
        if output:
            assert printed.strip() == output.strip()
        else:
            assert "docs-2" in printed


def _python(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def _curl(code: str, environment: dict[str, str]) -> str:
    """What curl would do with the options the guide uses, on a machine that may not have curl."""
    words = shlex.split(re.sub(r"\$(\w+)", lambda match: environment[match[1]], code))
    assert words[:2] == ["curl", "-s"]
    method, headers, data, url = "GET", {}, None, ""
    rest = iter(words[2:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = next(rest)
        else:
            url = word
    return httpx.request(method, url, headers=headers, content=data, timeout=10).text


