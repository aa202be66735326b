"""`python -m tests.mutations [WORDS]`: break each safety line (those whose name has the words), and see the tests fail."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.mutations.lines import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".tollbook", "__pycache__", "artefacts", ".*_cache", "node_modules")
PATIENCE_SECONDS = 600


def main() -> None:
    """Exit 1 when a broken line goes unnoticed, or a test fails that has nothing to notice."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("words", nargs="?", default="", help="only the lines whose name has these words")
    chosen = [mutant for mutant in MUTANTS if parser.parse_args().words in mutant.name]
    with tempfile.TemporaryDirectory(prefix="tollbook-mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        bad = _failing_unbroken(copy, chosen) + [mutant.name for mutant in chosen if not _is_caught(copy, mutant)]
    print(f"{len(chosen)} lines broken, {len(chosen) - len(bad)} noticed")
    sys.exit(bool(bad))


def _failing_unbroken(copy: Path, chosen: list[Mutant]) -> list[str]:
    """Which of the tests fail before anything is broken."""
    suites = defaultdict(list)
    for mutant in chosen:
        suites[mutant.suite].append(mutant.tests)
    failing = [suite for suite, tests in suites.items() if _run(copy, suite, " or ".join(tests)) != 0]
    for suite in failing:
        print(f"FAILS UNBROKEN  {suite}", flush=True)
    return failing


def _is_caught(copy: Path, mutant: Mutant) -> bool:
    file = copy / "src" / "tollbook" / mutant.file
    text = file.read_text()
    if text.count(mutant.was) != 1:
        print(
            f"NOT FOUND       {mutant.name}: the line stands {text.count(mutant.was)} times in {mutant.file}",
            flush=True,
        )
        return False
    started = time.monotonic()
    file.write_text(text.replace(mutant.was, mutant.becomes))
    try:
        code = _run(copy, mutant.suite, mutant.tests)
    finally:
        file.write_text(text)
    word = "noticed" if code == 1 else "UNNOTICED"
    print(f"{word:<15} {mutant.name} ({time.monotonic() - started:.0f} s)", flush=True)
    return code == 1


def _run(copy: Path, suite: str, tests: str) -> int:
    """What pytest answers: 0 all passed, 1 some failed, 5 none was chosen."""
    command = [sys.executable, "-m", "pytest", suite, "-k", tests, "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": f"{copy / 'src'}:{copy}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return 1
    return ended.returncode


if __name__ == "__main__":
    main()
