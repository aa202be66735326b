"""`tollbook serve`, `web`, `worker`, `migrate`, `demo`: what runs, and in which order it starts and stops."""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click
from django.conf import settings
from django.core.management import call_command
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from tollbook.cli import calls
from tollbook.demo import load
from tollbook.demo.traffic import send_until
from tollbook.errors import Refused
from tollbook.postgres.embedded import Embedded, ServerFailed
from tollbook.worker import loop

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

log = logging.getLogger("tollbook.serve")
STOP_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two tries to start a database that does not start: doubled up to the longest."""

OPEN_REQUESTS = 4_096
"""How many requests may be open at once, streams included; granian's own default would be 1,024."""

M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 1024 * 1024
"""glibc's name for it (malloc.h), and bytes."""

IDLE_SECONDS = 20
"""A connection that says nothing for so long, before or between requests, or has not said all headers, is closed."""


def migrate() -> None:
    """Bring the tables up to date and gather the static files."""
    call_command("migrate", database="owner", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)


def web(host: str, port: int) -> None:
    """Serve pages and API at `host`:`port` until SIGINT or SIGTERM."""
    os.environ["TOLLBOOK_PROCESS"] = "tollbook web"
    allow_open_requests()
    give_memory_back()
    server = Granian(
        "tollbook.web.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,  # looking for HTTP/2 first, it would wait for ever for somebody who says nothing
        http1_settings=HTTP1Settings(header_read_timeout=IDLE_SECONDS * 1_000),
        workers=1,
        backlog=2_048,
        backpressure=OPEN_REQUESTS,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=STOP_SECONDS // 2,
    )
    server.serve()


def allow_open_requests() -> None:
    """Every open request is an open file, and the usual limit of 1,024 is a default, not a wish: go up to what we may."""
    if resource is None:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * OPEN_REQUESTS if hard == resource.RLIM_INFINITY else min(2 * OPEN_REQUESTS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def give_memory_back() -> None:
    """Have what a large body took returned to the system when it is freed. Left alone, glibc learns from the first one to
    keep such blocks, and a few odd bodies are 50 MB for ever."""
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
    except (OSError, AttributeError, TypeError):
        return  # another C library, which has its own ways


def worker() -> None:
    """Run the timetable until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    loop.run(stop)


def serve(host: str, port: int) -> None:
    """Migrate, then run web and worker as child processes until SIGINT or SIGTERM."""
    refuse_busy_port(host, port)
    migrate()
    Supervisor(_children(host, port), lambda: click.echo(f"Tollbook serves http://{host}:{port}")).run(host, port)


def demo(port: int, traffic: bool) -> None:
    """Load the demo if it is not there, then serve it on the loopback address, with traffic if wanted."""
    refuse_busy_port("127.0.0.1", port)
    started = time.monotonic()
    migrate()
    try:
        key = load.load(click.echo, import_records)
    except Refused as error:
        raise click.ClickException(error.message) from None
    children = _children("127.0.0.1", port)
    if traffic:
        children["traffic"] = [sys.executable, "-m", "tollbook", "traffic", "--url", f"http://127.0.0.1:{port}"]

    def welcome() -> None:
        click.echo(load.welcome(port, key, traffic, time.monotonic() - started))

    log_file = settings.HOME / "demo.log"
    Supervisor(children, welcome, log_file).run("127.0.0.1", port)


def import_records(slug: str, format: str, path: Path) -> None:
    """Import one of the demo's files, as `tollbook import-cdr` does."""
    calls.import_cdr(
        account=slug, format_=format, files=(path,), rules=None, timezone="UTC", rejects=None, dry_run=False
    )


def traffic(url: str) -> None:
    """Send the demo's live traffic until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    send_until(stop, url, load.key_file().read_text().strip())


def refuse_busy_port(host: str, port: int) -> None:
    """Say so, before anything is started, when something serves there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"{host}:{port} can't be used ({error.strerror}). Choose another port: PORT=8080 make demo"
            ) from None


def _children(host: str, port: int) -> dict[str, list[str]]:
    tollbook = [sys.executable, "-m", "tollbook"]
    return {"web": [*tollbook, "web", "--host", host, "--port", str(port)], "worker": [*tollbook, "worker"]}


class Supervisor:
    """Keeps child processes (and the embedded database) running; starts one again when it dies; stops all in order."""

    def __init__(
        self, commands: dict[str, list[str]], when_ready: Callable[[], None], log_file: Path | None = None
    ) -> None:
        self._commands = commands
        self._when_ready = when_ready
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._log_file = log_file
        self._database = Embedded() if _embedded() else None
        self._pause, self._next_try = FIRST_PAUSE, 0.0

    def run(self, host: str, port: int) -> None:
        """Until SIGINT or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stop.set())
        try:
            for name in self._commands:
                self._start(name)
            self._wait_until_serving(host, port)
            while not self._stop.wait(1):
                self._mend()
        finally:
            self._end_all()

    def _start(self, name: str) -> None:
        # A session of its own: the terminal's Ctrl-C reaches only us, and we stop the children in order.
        with open(self._log_file, "ab") if self._log_file else nullcontext() as output:
            self._running[name] = subprocess.Popen(
                self._commands[name], start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def _wait_until_serving(self, host: str, port: int) -> None:
        while not self._stop.wait(0.05):
            with socket.socket() as probe:
                if probe.connect_ex((host, port)) == 0:
                    return self._when_ready()
            if self._running["web"].poll() is not None:
                where = f"see {self._log_file}" if self._log_file else "see the lines above"
                raise click.ClickException(f"The web server did not start; {where}.")

    def _mend(self) -> None:
        if self._database is not None and self._database.pid is None and time.monotonic() >= self._next_try:
            self._restart_database(self._database)
        for name, process in self._running.items():
            if process.poll() is not None:
                log.error("%s ended with status %s; starting it again", name, process.returncode)
                self._start(name)

    def _restart_database(self, database: Embedded) -> None:
        """Start it again. While that can't be (a full disk, say), go on trying; the web process answers 503 meanwhile."""
        log.error("the embedded database is gone; starting it again")
        try:
            database.start()
        except ServerFailed as error:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._next_try = time.monotonic() + self._pause
            log.error("%s\nTrying again in %s s.", error, self._pause)
        else:
            self._pause = FIRST_PAUSE

    def _end_all(self) -> None:
        """Last started, first ended: the traffic hangs up its calls while there is still a server to tell."""
        for name in reversed(self._running):
            process = self._running[name]
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log.error("%s does not end; killed", name)
                process.kill()
                process.wait()


def _embedded() -> bool:
    return str(Embedded().home.run) == settings.DATABASES["default"]["HOST"]
