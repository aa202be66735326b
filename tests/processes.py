"""Tollbook's own processes, started by tests as a person would start them."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

APPLICATION = "tollbook.web.asgi:application"
START_SECONDS = 30
STOP_SECONDS = 20


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def python(*arguments: str, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m` with `arguments` in a process of its own, ended in order after the block. Output goes to `log`."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and kill it if it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def web(environment: Mapping[str, str], log: Path, port: int | None = None) -> Iterator[str]:
    """Tollbook's web process on a free port, or on this one; the block gets its address once it answers."""
    port = port or free_port()
    with python("tollbook", "web", "--port", str(port), environment=environment, log=log) as process:
        address = f"http://127.0.0.1:{port}"
        wait_until_alive(address, process, log)
        yield address


def wait_until_alive(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for `/healthz`; fail with the end of the log when the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(f"{address}/healthz"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{address} does not answer:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
