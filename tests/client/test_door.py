"""What is repeated and what is not, against a server that answers as it is told."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from tests.client.calls import NOON, call
from tollbook.client.client import Client
from tollbook.client.errors import Refused, Unavailable, Undelivered
from tollbook.client.event import Event

OK, Answer = b'{"accepted":1,"duplicates":0,"rejected":[]}', tuple[int, dict[str, str], bytes]

OTHER = b'{"accepted":0,"duplicates":0,"rejected":[{"index":7,"id":"x","code":"no_rate","message":"No rate."}]}'


class Told(ThreadingHTTPServer):
    """Answers with `answers`, one after another, the last for ever; `seen` is what it got and when."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [(200, {}, OK)]
        self.seen: list[tuple[float, dict[str, str], bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Told
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((time.monotonic(), {k.lower(): v for k, v in self.headers.items()}, body))
        status, headers, content = self.server.answers.pop(0) if self.server.answers[1:] else self.server.answers[0]
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def told() -> Iterator[Told]:
    server = Told()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_with_the_same_body(told: Told, status: int) -> None:
    told.answers = [(status, {}, b""), (status, {}, b"<html>"), (200, {}, OK)]
    with Client(told.address, "tb_key") as client:
        assert client.record([call(1)]).accepted == 1
    assert len({body for _, _, body in told.seen}) == 1 and len(told.seen) == 3


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 409, 415])
def test_a_refusal_is_not_asked_again(told: Told, status: int) -> None:
    told.answers = [(status, {}, b'{"code":"some_code","detail":"Some reason.","field":"id"}')]
    with Client(told.address, "tb_key") as client, pytest.raises(Refused, match="Some reason") as refusal:
        client.record([call(1)])
    assert (refusal.value.status, refusal.value.code, refusal.value.problem["field"]) == (status, "some_code", "id")
    assert len(told.seen) == 1


def test_a_twin_that_still_runs_is_waited_for(told: Told) -> None:
    in_progress = (409, {"Retry-After": "0"}, b'{"code":"idempotency_in_progress","detail":"Wait."}')
    told.answers = [in_progress, (200, {}, b'{"id":"01a208ab-39f1-7312-bba2-aa2ddc0c8fc6","state":"released"}')]
    with Client(told.address, "tb_key") as client:
        assert client.holds.release("01a208ab-39f1-7312-bba2-aa2ddc0c8fc6").state == "released"
    keys = {headers["idempotency-key"] for _, headers, _ in told.seen}
    assert len(told.seen) == 2 and len(keys) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(told: Told, status: int) -> None:
    told.answers = [(status, {"Retry-After": "1"}, b""), (200, {}, OK)]
    with Client(told.address, "tb_key") as client:
        client.record([call(1)])
    (first, *_), (second, *_) = told.seen
    assert second - first >= 1


def test_a_retry_after_beyond_the_patience_is_not_waited_for(told: Told) -> None:
    told.answers = [(503, {"Retry-After": "3600"}, b"")]
    with Client(told.address, "tb_key", patience_seconds=5) as client, pytest.raises(Unavailable, match="503"):
        client.record([call(1)])
    assert len(told.seen) == 1


@pytest.mark.parametrize(
    "body", [b"<html>Welcome</html>", b"[]", b'{"accepted":2,"duplicates":0,"rejected":[]}', b"\xff", OTHER]
)
def test_an_answer_that_is_not_about_these_events_acknowledges_nothing(told: Told, body: bytes) -> None:
    told.answers = [(200, {}, body)]
    with Client(told.address, "tb_key", patience_seconds=0) as client, pytest.raises(Unavailable):
        client.record([call(1)])


def test_a_batch_that_is_not_read_is_halved_until_the_event_to_blame_is_alone(told: Told) -> None:
    rejected: list[str] = []
    sizes = iter([4, 2, 2, 1, 1])
    told.answers = [(413, {}, b'{"code":"too_large","detail":"Too large."}')]
    told.answers.append((200, {}, b'{"accepted":2,"duplicates":0,"rejected":[]}'))
    told.answers += [(413, {}, b'{"code":"too_large","detail":"Too large."}')] * 2
    told.answers.append((200, {}, OK))
    with Client(told.address, "tb_key", on_rejected=lambda one, _: rejected.append(one.id)) as client:
        client.send_many(call(number) for number in range(4))
        client.flush()
    assert [body.count(b"\n") + 1 for _, _, body in told.seen] == list(sizes)
    assert rejected == ["call-2"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_of_a_proxy_rejects_no_event(told: Told, status: int) -> None:
    told.answers = [(status, {}, b"<html>The plain HTTP request was sent to HTTPS port</html>")]
    client = Client(told.address, "tb_key")
    with pytest.raises(Refused):
        client.record([call(1)])
    client.send(call(2))
    with pytest.raises(Undelivered) as left:
        client.close()
    assert left.value.waiting == 1 and len(told.seen) == 2


def test_big_bodies_are_gzipped_only_when_wanted_and_only_while_they_are_taken(told: Told) -> None:
    events = [call(number) for number in range(100)]
    enough = b'{"accepted":100,"duplicates":0,"rejected":[]}'
    told.answers = [(200, {}, enough), (415, {}, b"{}"), (200, {}, enough)]
    with Client(told.address, "tb_key", compress=True) as client:
        client.record(events)
        client.record(events)
        client.record(events)
    with Client(told.address, "tb_key") as client:
        client.record(events)
    plain = told.seen[-1][2]
    assert [headers.get("content-encoding") for _, headers, _ in told.seen] == ["gzip", "gzip", None, None, None]
    assert gzip.decompress(told.seen[0][2]) == plain == told.seen[2][2]


def test_the_key_is_in_the_header_and_nowhere_else(told: Told) -> None:
    with Client(told.address + "/api/v1/", "tb_key") as client:
        client.record([call(1)])
        assert "tb_key" not in repr(client)
    assert told.seen[0][1]["authorization"] == "Bearer tb_key"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://", "http://x/?a=b", "http://[bad"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Client(url, "tb_key")


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel"])
def test_a_key_that_is_none_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="the key is one word"):
        Client("http://127.0.0.1", key)


@pytest.mark.parametrize("quantity", [1.5, "61", True, None])
def test_a_quantity_that_is_not_exact_is_refused_before_it_is_sent(quantity: object) -> None:
    with pytest.raises(TypeError, match="int or a Decimal"):
        call(1, quantity=quantity)  # type: ignore[arg-type]


def test_a_time_without_a_zone_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="time zone"):
        call(1, occurred_at=datetime(2026, 11, 3))  # noqa: DTZ001


def test_an_event_is_written_as_the_api_reads_it(told: Told) -> None:
    event = Event(id="a", type="sms", quantity=Decimal("1.50"), occurred_at=NOON, sender="+1", attributes={"a": [None]})
    with Client(told.address, "tb_key") as client:
        client.record([event])
    assert msgspec.json.decode(told.seen[0][2]) == {
        "id": "a",
        "type": "sms",
        "quantity": "1.50",
        "occurred_at": "2026-11-03T12:00:00Z",
        "from": "+1",
        "attributes": {"a": [None]},
    }


def test_the_client_needs_neither_django_nor_a_database() -> None:
    code = (
        "import sys, tollbook.client.client\n"
        "ours = {name for name in sys.modules if name.startswith('tollbook.')}\n"
        "print(sorted({'django', 'psycopg', 'litestar', 'numpy'} & sys.modules.keys()),"
        " {name for name in ours if not name.startswith('tollbook.client')})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={})
    assert (done.stdout, done.stderr) == ("[] set()\n", "")
