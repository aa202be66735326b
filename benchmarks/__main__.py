"""Every benchmark, one after another, and at the end one table of what was aimed at and what was reached.

`python -m benchmarks [NAME ...]` runs those named, or all. Each says in its docstring which variables of the
environment make it longer or shorter. Answers 1 when an aim was missed or a benchmark failed.
"""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness.results import forget, kept

LONGEST_SECONDS = 20 * 60


def main(names: list[str]) -> int:
    """Run, then print the table."""
    chosen = names or sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    failed = [name for name in chosen if not _ran(name)]
    print("\n== aims")
    aimed = {name: [figure for figure in kept(name) if figure.aim is not None] for name in chosen if name not in failed}
    for name, figures in aimed.items():
        for figure in figures:
            print(f"{name:<17}{figure}")
    for name in failed:
        print(f"{name:<17}FAILED")
    return int(bool(failed) or not all(figure.reached for figures in aimed.values() for figure in figures))


def _ran(name: str) -> bool:
    """Whether it came to its end and wrote figures."""
    print(f"\n== {name}", flush=True)
    forget(name)
    began = time.monotonic()
    try:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"{name} did not end in {LONGEST_SECONDS} s")
    print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return bool(kept(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
