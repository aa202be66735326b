"""`python -m tests.faults.preloaded LIBRARY ARGUMENTS...`: `tollbook ARGUMENTS...`, whose PostgreSQL has LIBRARY preloaded.

The embedded server gets nothing of our environment, so the one variable is put into its own. Ends when its standard input
does, and so with whoever started it.
"""

import os
import signal
import sys
import threading

from tollbook.cli.main import main
from tollbook.postgres import embedded

library, *arguments = sys.argv[1:]
usual = embedded._environment
embedded._environment = lambda stale_pid=None: usual(stale_pid) | {"LD_PRELOAD": library}



def end_with_input() -> None:
    """Wait for the end of the input, then ask for the end of all."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    main(arguments)
