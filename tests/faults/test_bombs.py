"""Bodies made to hurt: each is refused within moments, and costs the web process next to no memory."""

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import zstandard

from tests.databases import Database
from tests.faults import world
from tests.faults.serving import Web, own_server, running_web

pytestmark = [pytest.mark.faults, own_server]

SECONDS = 5
"""The figure we claim is 1 s; this bound leaves room for a busy machine. What it took is printed."""

GROWTH_MB = 64
MB = 1024 * 1024
LIMIT = 16 * MB
NDJSON = "application/x-ndjson"


@dataclass
class Target:
    """A web process to be hurt, a key for it, and its memory before anything was done to it."""

    web: Web
    secret: str
    usual_mb: float = 0

    def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        """Send a whole body."""
        sent = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"{self.web.address}{path}", content=body, headers=sent, timeout=60, trust_env=False)

    def takes(self, encoding: str, packed: bytes) -> bool:
        """Whether bodies may come in this encoding: shown by one that is as it should be."""
        return self.post("/api/v1/usage", packed, Content_Encoding=encoding).status_code != 415

    def resident_mb(self, line: str) -> float:
        """Memory of all its processes: `VmRSS` now, `VmHWM` at the most since `forget_peak`."""
        return sum(kilobytes(pid, line) for pid in self.web.pids) / 1024

    def forget_peak(self) -> None:
        """Begin to look for a new peak."""
        for pid in self.web.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def hurt(self, name: str, send: Callable[[], tuple[int, ...] | None]) -> None:
        """Send something; it must be refused soon, cheaply, and leave the process well."""
        self.forget_peak()
        started = time.monotonic()
        send()
        took = time.monotonic() - started
        grown = self.resident_mb("VmHWM") - self.usual_mb
        print(f"{name}: {took:.2f} s, {grown:.0f} MB")
        assert took <= SECONDS, f"{name}: {took:.1f} s"
        assert grown <= GROWTH_MB, f"{name}: memory grew by {grown:.0f} MB"
        assert self.post("/api/v1/usage", b"[]").status_code == 200


def kilobytes(pid: int, line: str) -> int:
    """One figure of a process's memory."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return int(next((row.split()[1] for row in status.splitlines() if row.startswith(line)), 0))


@pytest.fixture(scope="module")
def target(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A web process that has answered some requests before, as one in service has."""
    database.empty()
    made = world.made()
    with running_web(database.environment(), tmp_path_factory.mktemp("bombs") / "web.log") as web:
        target = Target(web, made.secret)
        telling = world.Telling(64)
        for _ in range(5):
            assert target.post("/api/v1/usage", json.dumps(telling.some(1_000)).encode()).status_code == 200
        target.usual_mb = target.resident_mb("VmRSS")
        yield target


def refused(answer: httpx.Response, *statuses: int) -> None:
    """The answer is one of these, short and well-formed."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:200])
    assert len(answer.content) < 20_000, "the refusal is as large as the attack"
    assert answer.json()["detail"]


NESTED = {
    "arrays": b"[" * 100_000 + b"]" * 100_000,
    "open arrays": b"[" * 100_000,
    "16 MB of open arrays": b"[" * (LIMIT - 1),
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "attributes": b'[{"id": "x", "attributes": {"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}]",
}
WIDE = {
    "zeros": b"[" + b"0," * (LIMIT // 2 - 8) + b"0]",
    "objects": b"[" + b"{}," * (LIMIT // 3 - 8) + b"{}]",
    "strings": b"[" + b'"",' * (LIMIT // 3 - 8) + b'""]',
    "one string": b'["' + b"x" * (LIMIT - 8) + b'"]',
    "one number": b"[" + b"9" * (LIMIT - 8) + b"]",
    "one object": b"[{" + b'"a":0,' * (LIMIT // 6 - 8) + b'"a":0}]',
    "spaces": b"[" + b" " * (LIMIT - 8) + b"x]",
}
LINES = {
    "zeros": b"0\n" * (LIMIT // 2 - 8),
    "objects": b"{}\n" * (LIMIT // 3 - 8),
    "nothing": b"\n" * (LIMIT - 8) + b"0",
    "one": b"9" * (LIMIT - 8),
}


@pytest.mark.parametrize("path", ["/api/v1/usage", "/api/v1/holds"])
@pytest.mark.parametrize("name", NESTED)
def test_nesting_is_refused(target: Target, path: str, name: str) -> None:
    def send() -> None:
        answer = target.post(path, NESTED[name])
        if answer.status_code == 200:  # an array of one bad event: it is the event that is refused
            assert len(answer.json()["rejected"]) == 1 and len(answer.content) < 20_000
        else:
            refused(answer, 400)

    target.hurt(f"{path} nested {name}", send)


@pytest.mark.parametrize("name", WIDE)
def test_an_endless_array_is_refused(target: Target, name: str) -> None:
    def send() -> None:
        answer = target.post("/api/v1/usage", WIDE[name])
        if answer.status_code == 200:
            assert len(answer.json()["rejected"]) == 1 and len(answer.content) < 20_000
        else:
            refused(answer, 400, 413)

    target.hurt(f"wide {name}", send)


@pytest.mark.parametrize("name", LINES)
def test_endless_lines_are_refused(target: Target, name: str) -> None:
    def send() -> None:
        answer = target.post("/api/v1/usage", LINES[name], Content_Type=NDJSON)
        if answer.status_code == 200:
            assert len(answer.json()["rejected"]) == 1 and len(answer.content) < 20_000
        else:
            refused(answer, 400, 413)

    target.hurt(f"lines of {name}", send)


@pytest.mark.parametrize("mode", ["cloudevents", "cloudevents-batch"])
@pytest.mark.parametrize("name", ["zeros", "objects", "one object"])
def test_an_endless_cloud_event_is_refused(target: Target, name: str, mode: str) -> None:
    def send() -> None:
        refused(target.post("/api/v1/usage", WIDE[name], Content_Type=f"application/{mode}+json"), 400, 413)

    target.hurt(f"{mode} {name}", send)


def gzip_bomb(megabytes: int) -> bytes:
    """An array of spaces; a thousandth of its size."""
    return gzip.compress(b"[" + b" " * (megabytes * MB) + b"]", 9)


def zstd_bomb(megabytes: int) -> bytes:
    """An array of spaces; a ten-thousandth of its size. Made in pieces, so that the header tells nothing."""
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    pieces = [packer.compress(b"[")] + [packer.compress(b" " * MB) for _ in range(megabytes)]
    return b"".join([*pieces, packer.compress(b"]"), packer.flush()])


def zstd_with_window(log: int) -> bytes:
    """A small body that asks its reader for a window of 2^log bytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=log, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(b"[" + b" " * MB + b"]") + packer.flush()


def zstd_that_boasts() -> bytes:
    """A frame whose header promises 2^62 bytes (RFC 8878: magic, descriptor with 8 bytes of size, window, size)."""
    return b"\x28\xb5\x2f\xfd" + b"\xc0" + b"\x70" + (2**62).to_bytes(8, "little") + b"\x01\x00\x00"


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip, 1 GB": ("gzip", lambda: gzip_bomb(1_000)),
    "gzip, a thousand members": ("gzip", lambda: gzip_bomb(1) * 1_000),
    "gzip, 800,000 empty members": ("gzip", lambda: gzip.compress(b"") * (LIMIT // 20 - 8)),
    "gzip in gzip": ("gzip", lambda: gzip.compress(gzip_bomb(1_000))),
    "gzip, cut off": ("gzip", lambda: gzip_bomb(1)[:-20]),
    "gzip, that is none": ("gzip", lambda: b"[]"),
    "gzip, with a tail": ("gzip", lambda: gzip.compress(b"[]") + b"garbage"),
    "gzip, wrong checksum": ("gzip", lambda: gzip.compress(b"[]")[:-8] + b"\0" * 8),
    "zstd, 4 GB": ("zstd", lambda: zstd_bomb(4_000)),
    "zstd, a thousand frames": ("zstd", lambda: zstd_bomb(1) * 1_000),
    "zstd, 1,000,000 empty frames": ("zstd", lambda: zstandard.compress(b"") * (LIMIT // len(zstandard.compress(b"")) - 8)),
    "zstd, window of 2 GB": ("zstd", lambda: zstd_with_window(31)),
    "zstd, window of 128 MB": ("zstd", lambda: zstd_with_window(27)),
    "zstd, that boasts": ("zstd", zstd_that_boasts),
    "zstd, cut off": ("zstd", lambda: zstd_bomb(1)[:-3]),
    "zstd, that is none": ("zstd", lambda: b"[]"),
}
SMALL = {"gzip": gzip.compress(b"[]"), "zstd": zstandard.compress(b"[]")}


@pytest.mark.parametrize("name", BOMBS)
def test_a_packed_bomb_is_refused(target: Target, name: str) -> None:
    encoding, make = BOMBS[name]
    if not target.takes(encoding, SMALL[encoding]):
        pytest.skip(f"bodies in {encoding} are not taken (yet)")
    bomb = make()
    target.hurt(name, lambda: refused(target.post("/api/v1/usage", bomb, Content_Encoding=encoding), 400, 413))


def test_what_is_packed_well_is_taken(target: Target) -> None:
    """Two members of gzip and two frames of zstd are one body."""
    for encoding, small in SMALL.items():
        if not target.takes(encoding, small):
            pytest.skip(f"bodies in {encoding} are not taken (yet)")
    telling = world.Telling(65)
    first, second = (json.dumps(telling.some(300)).encode() for _ in range(2))
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress}
    for encoding, packed in pack.items():
        answer = target.post("/api/v1/usage", packed(first[:1_000]) + packed(first[1_000:]), Content_Encoding=encoding)
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] + answer.json()["duplicates"] == 300
    assert target.post("/api/v1/usage", pack["zstd"](second), Content_Encoding="zstd").json()["rejected"] == []


class Flood:
    """500 MB over a socket, as fast as they are taken; stops when somebody answers."""

    def __init__(self, target: Target, path: str, chunked: bool, expect: bool = False) -> None:
        place = urlsplit(target.web.address)
        self._line = socket.create_connection((str(place.hostname), place.port or 0))
        self._chunked = chunked
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {500 * MB}"
        head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {target.secret}", size]
        head += ["Content-Type: application/json", *(["Expect: 100-continue"] if expect else [])]
        self._head = ("\r\n".join(head) + "\r\n\r\n").encode()
        self.sent = 0

    def status(self) -> int:
        """The status of the answer; 0 when the line was cut without one."""
        sender = threading.Thread(target=self._send, daemon=True)
        sender.start()
        self._line.settimeout(30)
        answer = b""
        try:
            while b"\r\n\r\n" not in answer and (piece := self._line.recv(65_536)):
                answer += piece
        except ConnectionError:
            pass
        finally:
            self._line.close()
            sender.join(5)
        return int(answer.split()[1]) if answer else 0

    def _send(self) -> None:
        piece = b" " * MB
        framed = b"100000\r\n" + piece + b"\r\n" if self._chunked else piece
        try:
            self._line.sendall(self._head + (b"" if self._chunked else b"["))
            for _ in range(499):
                self._line.sendall(framed)
                self.sent += MB
        except OSError:
            return  # nobody listens any more


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("path", ["/api/v1/usage", "/api/v1/holds", "/api/v1/nothing", "/sign-in/", "/healthz"])
def test_half_a_gigabyte_is_refused(target: Target, path: str, chunked: bool) -> None:
    flood = Flood(target, path, chunked)
    statuses: list[int] = []
    target.hurt(f"500 MB to {path}", lambda: statuses.append(flood.status()))
    print(f"answered {statuses[0]} after {flood.sent // MB} MB")
    assert statuses[0] in (0, 401, 403, 404, 405, 413)


def test_no_file_is_left_behind(target: Target) -> None:
    """A body that is too large is not kept on the disk either."""
    held = [os.readlink(link) for pid in target.web.pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    assert [file for file in held if "tmp" in file and "deleted" in file] == []
