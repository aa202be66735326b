"""No webhook goes into the operator's own network, however its address is written."""

import socket
from ipaddress import ip_address
from typing import Any

import pytest
from django.test.utils import override_settings

from tollbook.alerts import address
from tollbook.alerts.address import NotAllowed, NotFoundByName, parse, resolve

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.1.1",
    "192.169.0.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
PRIVATE = [
    # this machine
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "::1", "::", "::127.0.0.1",
    # private networks, carriers' networks, links
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.1",
    "100.127.255.255", "169.254.0.1", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1",
    # where clouds answer with credentials
    "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "192.0.0.192",
    # the same inside IPv6: mapped, translated, NAT64, 6to4, Teredo, ISATAP
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2002:c0a8:1::1", "2001:0:7f00:1::", "2a00::5efe:10.0.0.1", "2a00::200:5efe:192.168.1.1",
    # for documents, tests, many at once, nobody
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "224.0.0.1", "239.1.2.3",
    "240.0.0.1", "255.255.255.255", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:2::1",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_allowed(text: str) -> None:
    assert address.is_allowed(ip_address(text))
    host = f"[{text}]" if ":" in text else text
    assert parse(f"https://{host}/").host == text.lower()


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(NotAllowed):
        parse(f"https://{host}/")
    answered(monkeypatch, text)
    with pytest.raises(NotAllowed):
        resolve(parse("https://hooks.example/"), 5)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "localhost", "LOCALHOST.", "0", "127.0.0.1."],
)
def test_other_ways_to_write_this_machine_are_refused(host: str) -> None:
    with pytest.raises((NotAllowed, NotFoundByName)):
        resolve(parse(f"https://{host}/"), 5)


def test_one_private_answer_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for answers in (["8.8.8.8", "10.0.0.1"], ["2606:4700::1", "::ffff:10.0.0.1"], ["fe80::1%eth0"]):
        answered(monkeypatch, *answers)
        with pytest.raises(NotAllowed):
            resolve(parse("https://hooks.example/"), 5)
    answered(monkeypatch, "8.8.8.8", "2606:4700::1")
    assert resolve(parse("https://hooks.example/"), 5) == "8.8.8.8"


def answered(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have these addresses."""

    def found(host: str, port: int, **_: Any) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "gopher://hooks.example/", "https:///x", "x",
        "https://user@hooks.example/", "https://user:secret@hooks.example/", "https://hooks.example/#part",
        "https://hooks.example:22/", "https://hooks.example:5432/", "https://hooks.example:6379/", "https://hooks.example:0/",
        "https://hooks.example:99999/", "https://hooks.example:x/", "https://hooks.example/a b", "https://hooks.example/\n",
        "https://hooks.example/\r\nX-Evil: 1", "https://hooks.example\\@10.0.0.1/", "https://h%6foks.example/", "https://[::1/",
        "https://[fe80::1%25eth0]/", "https://hooks.example/" + "x" * 500, "https://höoks.example/", "",
    ],
)  # fmt: skip
def test_addresses_written_otherwise_are_refused(url: str) -> None:
    with pytest.raises(NotAllowed):
        parse(url)


def test_settings_open_networks_ports_and_plain_http() -> None:
    with override_settings(WEBHOOK_NETWORKS=["10.1.2.0/24", "fd00:1::/64"], WEBHOOK_PORTS={8080}, WEBHOOK_HTTP=True):
        assert parse("http://10.1.2.3:8080/x?y=1").path == "/x?y=1"
        assert parse("https://[fd00:1::5]:8080/").authority == "[fd00:1::5]:8080"
        assert parse("http://10.1.2.3/").authority == "10.1.2.3"
        for url in ("http://10.1.3.3:8080/", "https://10.1.2.3/", "https://[fd00:2::5]:8080/", "http://127.0.0.1:8080/"):
            with pytest.raises(NotAllowed):
                parse(url)


def test_a_name_that_means_nothing_now_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> list[tuple]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(NotFoundByName):
        resolve(parse("https://hooks.example/"), 5)
