"""A made-up day of a communications platform: events from a fixed seed, as HTTP bodies and as rows for COPY.

Ids are a switch's (`<epoch>.<sequence>-<switch>`, in the order of time), numbers are E.164 and follow the prefixes of
`deck`. An agent works on one of three campaigns, so of 30 campaigns and 300 agents an account has 900 pairs.
"""

import json
import random
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, NamedTuple

from benchmarks.harness import deck

TYPES = ("outbound", "inbound", "sms", "conversational_ai", "speech_to_text", "ringless_voicemail", "email")
SPREAD = (40, 25, 15, 8, 6, 4, 2)
HOT = (90, 4, 2, 1, 1, 1, 1)
"""How many of a hundred events are of each type; of the hot account's, 90 come from one wallet."""

COUNTED = {"sms", "email"}
ACCOUNTS, SWITCHES, CAMPAIGNS, AGENTS, CAMPAIGNS_OF_AGENT = 20, 8, 30, 300, 3
PER_SECOND = 100_000
"""Events in one second of the made-up day: faster than any run, so that time never overtakes the clock by much."""

POSTGRES_EPOCH = 946_684_800
COPY_HEAD, COPY_TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class Told(NamedTuple):
    """One event, as plain values; `at` in milliseconds since 1970."""

    account: int
    id: str
    type: str
    quantity: int
    at: int
    to: str
    sender: str
    campaign: int
    agent: int


@dataclass(frozen=True)
class Traffic:
    """`count` events that begin at second `epoch` with sequence number `first`.

    `accounts` share them evenly; `hot` puts 90 % on one wallet of each; `random_ids` are UUIDv4 instead of a switch's;
    `free_pairs` lets any agent work on any campaign; without `email` nothing moves that wallet.
    """

    count: int
    epoch: int
    first: int = 0
    accounts: int = ACCOUNTS
    hot: bool = False
    random_ids: bool = False
    free_pairs: bool = False
    email: bool = True

    def fields(self) -> dict[str, Any]:
        """What `Traffic(**...)` takes."""
        return asdict(self)

    def events(self) -> Iterator[Told]:
        """All of them, the same for the same values."""
        chance, count = random.Random(self.first), self.count
        accounts = chance.choices(range(self.accounts), k=count)
        shares = HOT if self.hot else SPREAD
        types = chance.choices(TYPES, shares if self.email else (*shares[:-1], 0), k=count)
        prefixes = chance.choices(deck.prefixes(), k=count)
        agents = chance.choices(range(AGENTS), k=count)
        tosses = chance.choices(range(CAMPAIGNS if self.free_pairs else CAMPAIGNS_OF_AGENT), k=count)
        digits = chance.choices(range(10**9, 10**10), k=count)
        seconds = chance.choices(_lengths(), k=count)
        for place, type_code in enumerate(types):
            at = self.epoch * 1000 + place * 1000 // PER_SECOND
            yield Told(
                accounts[place],
                str(uuid.UUID(int=chance.getrandbits(128), version=4)) if self.random_ids else self._id(place, at),
                type_code,
                1 + place % 3 // 2 if type_code in COUNTED else seconds[place],
                at,
                f"{prefixes[place]}{digits[place]}"[: 11 if prefixes[place][0] == "1" else 12],
                f"1{digits[place]}",
                tosses[place] if self.free_pairs else (agents[place] + tosses[place] * 7) % CAMPAIGNS,
                agents[place],
            )

    def _id(self, place: int, at: int) -> str:
        return f"{at // 1000}.{(self.first + place) % 100_000_000:08}-{place % SWITCHES + 1:02}"


class Clock:
    """Hands out traffic that follows on what it handed out before, ending about now."""

    def __init__(self) -> None:
        self._first, self._epoch = 0, 0

    def next(self, count: int, **how: Any) -> Traffic:
        """The next `count` events."""
        epoch = max(self._epoch, int(time.time()) - 120)
        traffic = Traffic(count, epoch, self._first, **how)
        self._first, self._epoch = self._first + count, epoch + count // PER_SECOND + 1
        return traffic


def slug(account: int) -> str:
    """The short name of an account by its number."""
    return f"account-{account:03}"


def json_bodies(traffic: Traffic, size: int) -> Iterator[tuple[int, bytes]]:
    """JSON arrays of up to `size` events, each with how many there are in it."""
    for texts in _chunks(map(as_json, traffic.events()), size):
        yield len(texts), f"[{','.join(texts)}]".encode()


def ndjson_bodies(traffic: Traffic, size: int) -> Iterator[tuple[int, bytes]]:
    """As `json_bodies`, one event a line."""
    for texts in _chunks(map(as_json, traffic.events()), size):
        yield len(texts), "\n".join(texts).encode()


def text_rows(traffic: Traffic, size: int) -> Iterator[tuple[int, bytes]]:
    """Rows for COPY in its text format, in blocks of up to `size`, each with how many there are in it."""
    for texts in _chunks(map(_text_row, traffic.events()), size):
        yield len(texts), "".join(texts).encode()


def binary_rows(traffic: Traffic, size: int) -> Iterator[tuple[int, bytes]]:
    """Rows for COPY in its binary format, in blocks of up to `size`, each with how many there are in it."""
    for rows in _chunks(map(_binary_row, traffic.events()), size):
        yield len(rows), COPY_HEAD + b"".join(rows) + COPY_TAIL


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@cache
def _lengths() -> list[int]:
    """Lengths of calls in seconds: most are short, a few take an hour."""
    chance = random.Random(3)
    return [min(3_600, 1 + int(chance.expovariate(1 / 95))) for _ in range(5_000)]


def as_json(told: Told) -> str:
    """The event as a machine sends it."""
    return (
        f'{{"id":"{told.id}","account":"{slug(told.account)}","type":"{told.type}","quantity":{told.quantity},'
        f'"occurred_at":"{_second(told.at // 1000)}.{told.at % 1000:03}Z","to":"+{told.to}","from":"+{told.sender}",'
        f'"attributes":{_attributes(told.campaign, told.agent)}}}'
    )


def _text_row(told: Told) -> str:
    return (
        f"{_account_id(told.account)}\t{told.id}\t{told.type}\t{_second(told.at // 1000)}.{told.at % 1000:03}Z\t"
        f"{told.quantity}\t+{told.to}\t+{told.sender}\t{_attributes(told.campaign, told.agent)}\n"
    )


def _binary_row(told: Told) -> bytes:
    return b"".join((
        b"\0\x08\0\0\0\x10", _account_id(told.account).bytes, _field(told.id), _field(told.type),
        struct.pack("!iq", 8, (told.at - POSTGRES_EPOCH * 1000) * 1000),
        struct.pack("!ihhhhh", 10, 1, 0, 0, 6, told.quantity),  # a numeric of one digit in base 10,000
        _field(f"+{told.to}"), _field(f"+{told.sender}"), _field("\x01" + _attributes(told.campaign, told.agent)),
    ))  # fmt: skip


def _field(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data


@cache
def _second(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))


@cache
def _attributes(campaign: int, agent: int) -> str:
    return json.dumps({"campaign": f"campaign-{campaign:02}", "agent": f"agent-{agent:03}"}, separators=(",", ":"))


@cache
def _account_id(account: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_DNS, slug(account))
