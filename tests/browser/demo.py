"""The demo as a newcomer has it: one command, in a folder of its own, stopped by Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import BrowserContext, Page

from tests.processes import free_port

FIRST_START_SECONDS = 240
PASSWORD = "tollbook"


@dataclass
class Demo:
    """A running demo: its address, its data folder, its process, what it printed."""

    address: str
    home: Path
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def api_key(self) -> str:
        return (self.home / "demo-api-key").read_text().strip()

    def interrupt(self) -> int:
        """Ctrl-C; answers the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextlib.contextmanager
def running(home: Path, traffic: str = "on", within_seconds: float = FIRST_START_SECONDS) -> Iterator[Demo]:
    """`tollbook demo` with its own embedded database, up and serving."""
    port, output = free_port(), home.parent / f"{home.name}.out"
    environment = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    environment |= {"TOLLBOOK_HOME": str(home), "PORT": str(port), "TRAFFIC": traffic}
    with open(output, "ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tollbook", "demo"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    demo = Demo(f"http://127.0.0.1:{port}", home, process, output)
    try:
        _wait(demo, within_seconds)
        yield demo
    finally:
        if process.poll() is None:
            demo.interrupt()


def _wait(demo: Demo, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{demo.address}/readyz", timeout=5, trust_env=False).is_success:
                return
        if demo.process.poll() is not None or time.monotonic() > deadline:
            log = demo.home / "demo.log"
            said = demo.output.read_text() + (log.read_text()[-3000:] if log.exists() else "")
            raise AssertionError(f"The demo did not come up:\n{said[-6000:]}")
        time.sleep(0.1)


def sign_in(page: Page, email: str) -> None:
    """As a person does: address, password, Enter."""
    page.goto("/")
    page.get_by_label("Email").fill(email)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/*")
    page.get_by_text(email).first.wait_for()


def watched(context: BrowserContext, address: str) -> list[str]:
    """What should never happen on any page, collected as it happens: script errors, blocked content, other hosts."""
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(f"script error: {error.error}"))
    context.on(
        "console", lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None
    )
    context.on(
        "request",
        lambda request: (
            faults.append(f"asks {request.url}") if not request.url.startswith((address, "data:")) else None
        ),
    )
    return faults
