"""One request: to the checked address and nowhere else, and with an end."""

import socket
import ssl
import threading
import time
from typing import Any

import pytest
from django.db import transaction
from django.test.utils import override_settings

from tests.alerts.receivers import CERTIFICATE, Receiver, drip, open_to_this_machine, receiving
from tollbook.alerts import post


def test_what_is_sent_arrives_as_it_is(receiver: Receiver) -> None:
    answer = post.post(receiver.address + "?a=1", b'{"x": 1}', {"webhook-id": "msg_1"})
    assert (answer.status, answer.text, answer.is_success) == (200, "thanks", True)
    [received] = receiver.received
    assert received.body == b'{"x": 1}' and received.path == "/hook?a=1"
    assert received.headers["content-type"] == "application/json" and received.headers["webhook-id"] == "msg_1"
    assert received.headers["host"] == receiver.address.split("/")[2]


def test_a_name_is_looked_up_once_and_the_connection_goes_to_that_answer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *rest: Any, **more: Any) -> list[tuple]:
        """127.0.0.1 the first time; afterwards an address where nobody is."""
        if host != "hooks.example":
            return real(host, *rest, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.9.9.9", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = receiver.address.split(":")[2].split("/")[0]
    assert post.post(f"http://hooks.example:{port}/hook", b"{}", {}).is_success
    assert asked == ["hooks.example"]
    assert receiver.received[0].headers["host"] == f"hooks.example:{port}"


def test_tls_is_spoken_with_the_name_and_the_certificate_must_be_the_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    with receiving(tls=True) as receiver, open_to_this_machine():
        untrusted = post.post(receiver.address, b"{}", {})
        assert untrusted.status is None and "certificate" in untrusted.outcome
        monkeypatch.setattr(post, "_trusted", lambda: ssl.create_default_context(cafile=str(CERTIFICATE)))
        assert post.post(receiver.address, b'{"x":1}', {}).is_success
        other = post.post(receiver.address.replace("hooks.example", "other.example"), b"{}", {})
        assert other.status is None and "certificate" in other.outcome
        assert [one.body for one in receiver.received] == [b'{"x":1}']
        monkeypatch.setattr(post, "SECONDS", 0.6)
        receiver.act = drip
        assert "No answer within" in post.post(receiver.address, b"{}", {}).outcome


def test_a_handshake_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as silent, open_to_this_machine():
        answer = post.post(f"https://127.0.0.1:{silent.getsockname()[1]}/", b"{}", {})
    assert answer.status is None and "No answer within" in answer.outcome


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    with receiving() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            receiver.status, receiver.extra = status, {"location": elsewhere.address}
            answer = post.post(receiver.address, b"{}", {})
            assert answer.status == status and not answer.is_success
        assert elsewhere.received == []


def test_settings_of_proxies_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post.post(receiver.address, b"{}", {}).is_success


def test_an_answer_that_never_ends_is_cut_off_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "SECONDS", 0.6)
    receiver.act = drip
    answer = post.post(receiver.address, b"{}", {})
    assert answer.status is None and "No answer within" in answer.outcome


def test_a_name_server_that_does_not_answer_is_not_waited_for(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "SECONDS", 0.3)
    end, slow = threading.Event(), []

    def silent(*rest: Any, **more: Any) -> list[tuple]:
        slow.append(end.wait(10))
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    answer = post.post("http://hooks.example/hook", b"{}", {})
    assert slow == [], "it still looks the name up"
    end.set()
    assert answer.status is None and "No answer within" in answer.outcome


def test_an_answer_without_end_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.body = b"x" * 20_000_000
    answer = post.post(receiver.address, b"{}", {})
    assert answer.is_success and len(answer.text) == post.KEPT_CHARACTERS
    receiver.extra = {f"x-{number}": "y" * 1000 for number in range(100)}
    answer = post.post(receiver.address, b"{}", {})
    assert answer.status is None


def test_silence_broken_lines_and_closed_ports_are_told_in_words(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post, "SECONDS", 0.6)
    receiver.act = lambda handler: time.sleep(1.5)
    assert "No answer within" in post.post(receiver.address, b"{}", {}).outcome
    receiver.act = lambda handler: handler.connection.close()
    assert "broke" in post.post(receiver.address, b"{}", {}).outcome
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert "No connection" in post.post(f"http://127.0.0.1:{port}/", b"{}", {}).outcome


def test_without_the_settings_this_machine_is_not_reached(receiver: Receiver) -> None:
    with override_settings(WEBHOOK_NETWORKS=[]):
        answer = post.post(receiver.address, b"{}", {})
    assert answer.status is None and "private network" in answer.outcome
    assert receiver.received == []


def test_nothing_is_sent_inside_a_transaction(db, receiver: Receiver) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        post.post(receiver.address, b"{}", {})
    assert receiver.received == []


def test_an_answer_is_kept_without_what_could_not_be_shown(receiver: Receiver) -> None:
    receiver.body = b"\x00\x1b[31m<script>\xff\n ok"
    assert post.post(receiver.address, b"{}", {}).text == "[31m<script>\ufffd  ok"
