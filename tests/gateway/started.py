"""Start the gateway for a test, tell it things, kill it and bring it back."""

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.gateway import truth

SECRET_KEY = "sk_test_tollbook"
WEBHOOK_SECRET = "whsec_test"
START_SECONDS = 20


class Gateway:
    """A gateway in a process of its own. `url` stays the same over kills; `truth` is its truth file."""

    def __init__(self, folder: Path, search_lag_seconds: float, ahead_seconds: float) -> None:
        self.folder = folder
        self.truth = folder / "truth.jsonl"
        self.url = ""
        self._search_lag_seconds = search_lag_seconds
        self._ahead_seconds = ahead_seconds
        self._process: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        """The TCP port; 0 before the first start."""
        return urlsplit(self.url).port or 0

    @property
    def pid(self) -> int:
        """The process, for a test that kills it from elsewhere."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, or start again with everything it knew. Faults, limits and webhook settings are not kept."""
        command = [
            sys.executable, "-m", "tests.gateway", "--folder", str(self.folder), "--port", str(self.port),
            "--search-lag", str(self._search_lag_seconds), f"--ahead={self._ahead_seconds}",
        ]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
                cwd=Path(__file__).parents[2],
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the gateway did not start:\n{(self.folder / 'log').read_text()[-4000:]}")
        self.url = line.split(" ")[0]

    def kill(self) -> None:
        """SIGKILL: whatever was under way is lost, as far as it was not written down."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """End in order."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.wait(START_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def control(self, path: str = "", told: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell the gateway something (`python -m tests.gateway --help` lists what); or ask, without `told`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = None if told is None else json.dumps(told)
            connection.request("GET" if told is None else "POST", f"/_control/{path}", body)
            answer = connection.getresponse()
            content: dict[str, Any] = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise AssertionError(f"the gateway refused {path} {told}: {content}")
        return content

    def advance(self, seconds: float) -> None:
        """Put the gateway's clock forward: keys are pruned, pages expire, search catches up."""
        self.control("clock", {"advance": seconds})

    def plan(self, *requests: dict[str, Any], **more: Any) -> None:
        """Set the fault plan: entries by request or ordinal, or `seed` and `rates`; nothing at all ends the faults."""
        self.control("plan", {"requests": list(requests)} | more)

    def injected(self) -> dict[str, int]:
        """The faults injected since the plan was set, by kind."""
        return dict(self.control()["plan"]["injected"])

    def webhooks(self, **settings: Any) -> None:
        """Change where and how webhooks are sent: `webhooks.Settings`."""
        self.control("webhooks", settings)

    def wait_for_webhooks(self, seconds: float = 30) -> dict[str, Any]:
        """Wait until nothing is left to deliver; deliveries by outcome."""
        deadline = time.monotonic() + seconds
        while (told := self.control()["webhooks"])["waiting"]:
            if time.monotonic() > deadline:
                raise AssertionError(f"webhooks are still waiting: {told}")
            time.sleep(0.02)
        return dict(told)

    def limits(self, **limits: Any) -> None:
        """Set `per_second`, `search_per_second`, `search_lag_seconds`, `async_seconds`."""
        self.control("limits", limits)

    def moved(self) -> list[truth.Movement]:
        """The truth: every movement of money so far."""
        return truth.read(self.truth)


@contextlib.contextmanager
def running(
    folder: Path | None = None, search_lag_seconds: float = 0.0, ahead_seconds: float = 0.0
) -> Iterator[Gateway]:
    """A gateway for the block, its clock ahead of the machine's, or behind it. Search sees everything at once unless a lag
    is given; then it is as late as Stripe says that it may be (https://docs.stripe.com/search#data-freshness)."""
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollbook-gateway-")))
        home.mkdir(parents=True, exist_ok=True)
        gateway = Gateway(home, search_lag_seconds, ahead_seconds)
        gateway.start()
        stack.callback(gateway.stop)
        yield gateway
