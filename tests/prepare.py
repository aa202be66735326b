"""`python -m tests.prepare`: see to it that there is a browser for the tests in `tests/browser`.

Any Chromium or Chrome will do. When there is none and we may, Debian's is installed; when we may not, the browser tests
fail with a sentence that says so, because tests that are skipped in silence prove nothing.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
MISSING = (
    "The browser tests need Chromium: install it (on Debian: apt-get install chromium), or name a Chromium or Chrome in "
    'the variable CHROMIUM. Without it, run the others: .venv/bin/python -m pytest -m "not browser".'
)


def chromium() -> str | None:
    """The path of a Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, (*NAMES, MACOS))), None)


def install() -> None:
    """Install Debian's Chromium, showing apt's own output only when it fails."""
    print("Installing Chromium for the browser tests (once) ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(["apt-get", "-q", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout + done.stderr, file=sys.stderr)
            return


def main() -> None:
    """Install a browser if there is none and we may; otherwise say what is missing."""
    may_install = os.geteuid() == 0 and shutil.which("apt-get") and not os.environ.get("CHROMIUM")
    if chromium() is None and may_install:
        install()
    if chromium() is None:
        print(MISSING, file=sys.stderr)


if __name__ == "__main__":
    main()
