"""`python -m tests.faults.small_disk FOLDER MEGABYTES PROGRAM...`: run PROGRAM with a small disk of its own at FOLDER.

Begun by `unshare` in a mount namespace of its own, so that nobody else sees the disk and nothing of it outlives us. Obeys
one word a line on standard input, `fill` or `free`, and says when it is done; ends the program when the input ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

PIECE = b"\0" * 1024 * 1024


def fill(file: Path) -> None:
    """Write until not one byte more fits."""
    with open(file, "ab", buffering=0) as opened:
        for size in (len(PIECE), 4096, 1):
            with contextlib.suppress(OSError):
                while opened.write(PIECE[:size]):
                    pass


def main() -> None:
    """Mount, run, obey."""
    folder, megabytes, *program = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "tmpfs", folder], check=True)
    filler = Path(folder, "filler")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    process = subprocess.Popen(program, stdin=subprocess.DEVNULL)
    try:
        for word in sys.stdin:
            fill(filler) if word.strip() == "fill" else filler.unlink()
            print("done", flush=True)
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    os.umask(0o077)
    main()
