"""Where a webhook may go. Whoever writes an endpoint's address must not be able to reach the operator's own network.

An address is looked up once, every answer is checked, and the connection goes to the checked answer, not to the name: a
name that answers differently a moment later (DNS rebinding) changes nothing. Networks that the settings name
(`TOLLBOOK_WEBHOOK_NETWORKS`) are allowed whatever they are.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from django.conf import settings

from tollbook.errors import Invalid

LONGEST = 500
IP = IPv4Address | IPv6Address

# Everything that IANA's special-purpose registries keep from being global, written out: what `ipaddress` says of some of
# these differs between versions of Python. 169.254.169.254 and fd00:ec2::254 are where clouds answer with credentials.
REFUSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
        "::/96", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
        "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_MAPPED, _NAT64, _6TO4 = ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"), ip_network("2002::/16")
_TRANSLATED = ip_network("::ffff:0:0:0/96")


class NotAllowed(Invalid):
    """An address that no webhook is sent to; the message says why, without telling what lies there."""

    code = "address_not_allowed"


class NotFoundByName(Exception):
    """The name has no address now: tried again later."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address in its parts, as the request is made from them and from nothing else."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """The address in its parts. Looks nothing up; refuses what could not be allowed whatever the name means. Raises
    NotAllowed."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or set(url) & set(" \\\"<>"):
        raise NotAllowed("Write the address in plain letters, without spaces, at most 500 of them.", field="url")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise NotAllowed("This is not an address.", field="url") from None
    _check_scheme(parts.scheme)
    if not host or parts.username is not None or parts.password is not None or parts.fragment or "%" in host:
        raise NotAllowed("Write the address like https://example.com/path, without a user, password or #.", field="url")
    port = port if port is not None else 443 if parts.scheme == "https" else 80
    _check_port(parts.scheme, port)
    literal = _literal(host)
    if literal is not None:
        _check(literal)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def resolve(target: Target, seconds: float) -> str:
    """The one address to connect to, looked up now. All that the name stands for must be allowed. Raises NotAllowed,
    NotFoundByName, and TimeoutError after so many seconds."""
    addresses = _looked_up(target, seconds)
    for text in addresses:
        _check(ip_address(text.partition("%")[0]))
    if not addresses:
        raise NotFoundByName(f"There is no address for {target.host}.")
    return addresses[0]


def _looked_up(target: Target, seconds: float) -> list[str]:
    """In a thread of its own, which is left behind when it takes too long: the system's resolver knows no deadline."""
    answers: SimpleQueue[list[str] | None] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            answers.put([str(entry[4][0]) for entry in found])
        except (OSError, UnicodeError):
            answers.put(None)

    Thread(target=look_up, name="webhook-address", daemon=True).start()
    try:
        addresses = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if addresses is None:
        raise NotFoundByName(f"There is no address for {target.host}.")
    return addresses


def is_allowed(address: IP) -> bool:
    """Whether a webhook may go to this IP address: a public one, or one in a network that the settings allow."""
    return all(_is_one_allowed(one) for one in (address, *_inside(address)))


def _is_one_allowed(address: IP) -> bool:
    if any(address in network for network in _own_networks() if network.version == address.version):
        return True
    return not any(address in network for network in REFUSED if network.version == address.version)


def _inside(address: IP) -> list[IP]:
    """The IPv4 addresses that an IPv6 address leads to: mapped, translated, by NAT64 or 6to4."""
    if isinstance(address, IPv4Address):
        return []
    if address in _MAPPED or address in _TRANSLATED or address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address in _6TO4:
        return [IPv4Address(int(address) >> 80 & 0xFFFFFFFF)]
    if int(address) >> 32 & 0xFFFFFFFF in (0x5EFE, 0x02005EFE):  # ISATAP
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


def _own_networks() -> list:
    return [ip_network(text) for text in settings.WEBHOOK_NETWORKS]


def _check(address: IP) -> None:
    if not is_allowed(address):
        raise NotAllowed("This address leads into a private network; webhooks go to public ones only.", field="url")


def _check_scheme(scheme: str) -> None:
    if scheme == "https" or (scheme == "http" and settings.WEBHOOK_HTTP):
        return
    raise NotAllowed("The address must begin with https://.", field="url")


def _check_port(scheme: str, port: int) -> None:
    allowed = settings.WEBHOOK_PORTS
    if allowed != "*" and port not in allowed and not (scheme == "http" and port == 80):
        ports = " or ".join(map(str, sorted(allowed)))
        raise NotAllowed(f"Port {port} is not allowed; webhooks go to port {ports}.", field="url")


def _literal(host: str) -> IP | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
