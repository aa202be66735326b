"""A line to PostgreSQL that is cut at the worst moment: when a COMMIT is on its way, or its answer is."""

import contextlib
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from tests.databases import Database

COMMITS = (b"COMMIT\0", b"commit\0")


class Lossy:
    """Listens where a server would, and passes everything on; cuts one commit in `one_in`, before or after it happened."""

    def __init__(self, folder: Path, server: str, one_in: int, seed: int) -> None:
        self._server = server
        self._dice = random.Random(seed)
        self._one_in = one_in
        self._lock = threading.Lock()
        self.lost_commits = self.lost_answers = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                _Line(self, client, server).begin()

    def verdict(self) -> str:
        """What happens to a commit that is seen: nothing, or it is lost, or its answer is."""
        with self._lock:
            if self._dice.randrange(self._one_in):
                return ""
            if self._dice.random() < 0.3:
                self.lost_commits += 1
                return "commit"
            self.lost_answers += 1
            return "answer"


class _Line:
    """One connection through."""

    def __init__(self, lossy: Lossy, client: socket.socket, server: socket.socket) -> None:
        self._lossy = lossy
        self._client = client
        self._server = server
        self._doomed = False

    def begin(self) -> None:
        for pump in (self._up, self._down):
            threading.Thread(target=pump, daemon=True).start()

    def _up(self) -> None:
        with self._closing():
            while piece := self._client.recv(1 << 18):
                if piece.endswith(COMMITS) or any(b"Q\0\0\0\x0b" + commit in piece for commit in COMMITS):
                    fate = self._lossy.verdict()
                    if fate == "commit":
                        return
                    self._doomed = fate == "answer"
                self._server.sendall(piece)

    def _down(self) -> None:
        with self._closing():
            while piece := self._server.recv(1 << 18):
                if self._doomed:  # the server has committed, or it would have nothing to say
                    return
                self._client.sendall(piece)

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            for end in (self._client, self._server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


@contextlib.contextmanager
def lossy(database: Database, one_in: int, seed: int) -> Iterator[tuple[Lossy, dict[str, str]]]:
    """A lossy line to this database, and the environment of a process that uses it."""
    parts = urlsplit(database.url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    folder = Path(tempfile.mkdtemp(prefix="tb-"))
    line = Lossy(folder, f"{asked['host']}/.s.PGSQL.{asked.get('port', '5432')}", one_in, seed)
    url = parts._replace(query=f"host={quote(str(folder), safe='')}&port=5432").geturl()
    try:
        yield line, database.environment() | {"DATABASE_URL": url}
    finally:
        line.close()
        shutil.rmtree(folder)
