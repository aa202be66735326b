"""`python -m tests.gateway`: a gateway for tests and the demo, at 127.0.0.1."""

import argparse
import contextlib
import os
import signal
import tempfile
from pathlib import Path

from tests.gateway import control, faults, webhooks
from tests.gateway.desk import Desk
from tests.gateway.server import Server

NEWLINE = "\n"
EPILOG = f"""
Point the official SDK at it: stripe.StripeClient("sk_test_tollbook", base_addresses={{"api": "http://127.0.0.1:PORT"}}).
No money moves; what would have moved stands in the truth file, one JSON line each, on disk before any answer.

faults:
{NEWLINE.join(f"  {kind:13} {what}" for kind, what in faults.KINDS.items())}

modes of webhooks: {", ".join(webhooks.MODES)}

{control.__doc__}"""


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.gateway", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="at 127.0.0.1; a free one unless given")
    parser.add_argument("--folder", type=Path, help="where journal and truth file are kept; a new one unless given")
    parser.add_argument("--truth", type=Path, help="the truth file; FOLDER/truth.jsonl unless given")
    parser.add_argument("--key", action="append", help="a secret key to accept; sk_test_tollbook unless given")
    parser.add_argument("--webhooks", default="", metavar="URL", help="where webhooks go; nowhere unless given")
    parser.add_argument("--webhook-secret", action="append", help="signs webhooks; whsec_test unless given")
    parser.add_argument("--search-lag", type=float, default=10.0, help="seconds until search sees a change (10)")
    parser.add_argument(
        "--ahead", type=float, default=0.0, metavar="SECONDS", help="how far its clock is ahead; negative: behind"
    )
    serve(parser.parse_args())


def serve(options: argparse.Namespace) -> None:
    """Start, say where, and serve."""
    folder = options.folder or Path(tempfile.mkdtemp(prefix="tollbook-gateway-"))
    folder.mkdir(parents=True, exist_ok=True)
    truth = options.truth or folder / "truth.jsonl"
    desk = Desk(folder, truth, tuple(options.key or ["sk_test_tollbook"]), options.ahead)
    desk.books.search_lag_seconds = options.search_lag
    desk.sender.set({"target": options.webhooks, "secrets": options.webhook_secret or ["whsec_test"]})
    server = Server(options.port, desk)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing is buffered; threads need not be waited for
    print(f"{desk.base_url} truth {truth}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=1)  # a signal just before the call would not be seen before it returns


if __name__ == "__main__":
    main()
