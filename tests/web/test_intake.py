"""What stands in front of the doors: bodies of a bearable size, at a bearable pace."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tollbook.web import intake
from tollbook.web.intake import Intake, TooSlow, Unbearable

Message = dict[str, Any]


def piece(size: int, more: bool = True) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


class Line:
    """The other side: says its pieces, then nothing for ever; keeps what it is told."""

    def __init__(self, *pieces: Message) -> None:
        self._pieces = [*pieces]
        self.told: list[Message] = []

    async def receive(self) -> Message:
        if self._pieces:
            return self._pieces.pop(0)
        await asyncio.sleep(3_600)
        raise AssertionError("nobody waits for so long")

    async def send(self, message: Message) -> None:
        self.told.append(message)

    @property
    def status(self) -> int:
        return self.told[0]["status"]


async def reader(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads all and says how much it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def asked(line: Line, headers: dict[str, str], app: Any = reader, largest: int = 100) -> None:
    scope = {"type": "http", "path": "/", "headers": [(name.encode(), text.encode()) for name, text in headers.items()]}
    guarded = Intake(app, lambda error: ("text/plain", error.sentence), largest)
    finished(guarded(scope, line.receive, line.send))


def finished(story: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, in a loop of its own, whatever runs in this thread."""
    with ThreadPoolExecutor(1) as own:
        own.submit(asyncio.run, story).result()


CHUNKED = {"transfer-encoding": "chunked"}


def test_a_body_within_the_limits_is_passed_on() -> None:
    line = Line(piece(60), piece(40, more=False))
    asked(line, CHUNKED)
    assert line.status == 200 and line.told[1]["body"] == b"100"


@pytest.mark.parametrize("headers", [CHUNKED, {"content-length": "101"}, {"content-length": "9" * 19}])
def test_a_body_that_is_too_large_is_refused_and_the_line_closed(headers: dict[str, str]) -> None:
    line = Line(piece(60), piece(41), piece(60))
    asked(line, headers)
    assert line.status == 413 and (b"connection", b"close") in line.told[0]["headers"]


@pytest.mark.parametrize("pieces", [[], [piece(1)]])
def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, pieces: list[Message]) -> None:
    monkeypatch.setattr(intake, "GRACE_SECONDS", 0)
    line = Line(*pieces)
    asked(line, {"content-length": "100"})
    assert line.status == 408


def test_a_body_that_comes_fast_enough_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for each 100 bytes: 200 bytes may take two seconds, though there is no grace."""
    monkeypatch.setattr(intake, "GRACE_SECONDS", 0)
    monkeypatch.setattr(intake, "SLOWEST_BYTES_A_SECOND", 100)
    line = Line(piece(200))
    usual = line.receive

    async def receive() -> Message:
        if not line._pieces:
            await asyncio.sleep(1.3)
            return piece(0, more=False)
        return await usual()

    line.receive = receive  # type: ignore[method-assign]
    asked(line, CHUNKED, largest=1_000)
    assert line.status == 200


def test_whoever_waits_for_the_other_side_to_hang_up_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GRACE_SECONDS", 0)
    ends = []

    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.wait_for(receive(), 2)
        except TimeoutError:
            ends.append("still there")

    asked(Line(piece(1, more=False)), CHUNKED, streaming)
    assert ends == ["still there"]


def test_a_request_that_is_cancelled_is_not_taken_for_a_slow_one() -> None:
    async def story() -> None:
        line = Line()
        guarded = Intake(reader, lambda error: ("", ""))
        task = asyncio.ensure_future(
            guarded({"type": "http", "path": "/", "headers": [(b"content-length", b"9")]}, line.receive, line.send)
        )
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert line.told == []

    finished(story())


def test_an_answer_that_has_begun_is_not_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "GRACE_SECONDS", 0)

    async def hasty(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    line = Line()
    with pytest.raises(Unbearable) as caught:
        asked(line, CHUNKED, hasty)
    assert isinstance(caught.value, TooSlow) and len(line.told) == 1
