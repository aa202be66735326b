"""The same seed ends in the same state, in another process, on another server.

`TOLLBOOK_SIMULATED_DAYS` and `TOLLBOOK_SIMULATED_ACCOUNTS` make it longer, `TOLLBOOK_SIMULATION_SEED` repeats it.
"""

import os
import re
import secrets
import subprocess
import sys

SEED = os.environ.get("TOLLBOOK_SIMULATION_SEED") or str(secrets.randbelow(10**9))
DAYS = int(os.environ.get("TOLLBOOK_SIMULATED_DAYS", "60"))
ACCOUNTS = int(os.environ.get("TOLLBOOK_SIMULATED_ACCOUNTS", "20"))
OF_A_RUN = ("--days", str(DAYS), "--accounts", str(ACCOUNTS), "--seed", SEED)


def test_a_seed_ends_in_the_same_state_with_clean_books_all_along() -> None:
    command = [sys.executable, "-m", "tests.simulation", *OF_A_RUN]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_other(hashes)) for hashes in ("1", "2")]
    one, other = [_figures(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0], f"seed {SEED}"
    assert one == other, f"seed {SEED}"
    assert int(one["refills succeeded"]) >= ACCOUNTS // 2 and int(one["deaths of workers"]) > 0


def _other(hashes: str) -> dict[str, str]:
    """A process that orders sets otherwise."""
    return os.environ | {"PYTHONHASHSEED": hashes, "DATABASE_URL": ""}


def _figures(said: str) -> dict[str, str]:
    """What a run tells, but for how long it took."""
    print(said)
    found = re.findall(r"^(?!seconds)(\w.*?) {2,}([\w,]+)$|; (state) (\w+)$", said, re.MULTILINE)
    return {name or state: (value or digest).replace(",", "") for name, value, state, digest in found}
