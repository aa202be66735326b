"""Calls as Asterisk writes them to Master.csv, all columns, times in UTC (usegmtime=yes).

Inbound calls wait in a queue, ring one or more agents, are taken, given up, or left to voicemail; some reach the agent over
a Local channel, which writes the talk down twice. Outbound calls are dialled by agents for campaigns; a few need a second
carrier. The switch restarts every night, so its counters begin again every day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from tollbook.demo.cast import Agent, Cast, somebody
from tollbook.demo.rhythm import Day

CARRIERS = ("PJSIP/carrier-east", "PJSIP/carrier-west")
INBOUND_CALLS = 300  # of an ordinary weekday of an account whose share is 1
OUTBOUND_CALLS = 520


def rows(cast: Cast, inbound: Day, outbound: Day) -> list[tuple[datetime, bytes]]:
    """Every leg of the day: when it ended, and its row. In the order in which a switch would have written them."""
    switch = _Switch(cast.switch)
    legs = [leg for at in inbound.moments(INBOUND_CALLS * cast.share) for leg in _inbound(switch, cast, inbound, at)]
    legs += [
        leg
        for at in outbound.moments(OUTBOUND_CALLS * cast.share, bursts=True)
        for leg in _outbound(switch, cast, outbound, at)
    ]
    return sorted((leg.ended_at, leg.row()) for leg in legs)


@dataclass(slots=True)
class _Switch:
    """One running Asterisk: its name and its counters."""

    name: str
    channels: Iterator[int] = field(default_factory=count)
    sequences: Iterator[int] = field(default_factory=count)

    def channel(self, peer: str) -> tuple[str, int]:
        """A new channel's name and number."""
        number = next(self.channels)
        return f"{peer}-{number:08x}", number


@dataclass(frozen=True, slots=True)
class _Leg:
    """One row to be. `talk` counts from `answer`, None when nobody answered."""

    uniqueid: str
    linkedid: str
    sequence: int
    src: str
    dst: str
    context: str
    name: str
    channel: str
    far_channel: str
    app: str
    data: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    disposition: str
    userfield: str

    def row(self) -> bytes:
        """The row as cdr_csv writes it. Names are bytes of an old encoding now and then, as they are in the world."""
        talk = int((self.ended_at - self.answered_at).total_seconds()) if self.answered_at else 0
        columns: list[str | int | datetime | None] = [
            "", self.src, self.dst, self.context, f'"{self.name}" <{self.src}>', self.channel, self.far_channel,
            self.app, self.data, self.started_at, self.answered_at, self.ended_at,
            int((self.ended_at - self.started_at).total_seconds()), talk, self.disposition, "DOCUMENTATION",
            self.uniqueid, self.userfield, "", self.linkedid, self.sequence,
        ]  # fmt: skip
        return ",".join(map(_written, columns)).encode("latin-1") + b"\n"


def _written(value: str | int | datetime | None) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value.replace('"', '""')
    return f'"{text}"'


def _inbound(switch: _Switch, cast: Cast, day: Day, at: datetime) -> Iterator[_Leg]:
    name, caller = somebody(day.dice)
    name = name.replace("e", "é", 1) if day.chance(0.01) else name
    queue = day.dice.choice(cast.queues)
    channel, number = switch.channel(day.dice.choice(CARRIERS))
    call = _Call(switch, f"{switch.name}-{int(at.timestamp())}.{number}", channel, caller, name, "from-trunk", at)
    call = call.to(day.dice.choice(cast.own_numbers))
    for _ in range(day.dice.choice((0, 0, 0, 1, 1, 2))):
        yield call.ring(day.dice.choice(cast.agents), queue, day.dice.randrange(12, 20))
        call = call.later(20)
    wait = day.about_seconds(14, 0.8)
    if day.chance(0.07):
        yield call.leg("", "Queue", queue, wait * 3, 0 if day.chance(0.5) else None, f"queue={queue}")
    elif day.chance(0.04):
        yield call.leg("", "VoiceMail", "100@default,u", wait + day.about_seconds(30, 0.4), 1, f"queue={queue}")
    else:
        yield from _taken(
            call, day.dice.choice(cast.agents), queue, wait, wait + day.about_seconds(170), day.chance(0.1)
        )


def _taken(call: "_Call", agent: Agent, queue: str, wait: int, seconds: int, over_local: bool) -> Iterator[_Leg]:
    note = f"campaign=service-line;queue={queue};agent={agent.name}"
    phone, _ = call.switch.channel(f"PJSIP/{agent.extension}")
    if not over_local:
        yield call.leg(phone, "Queue", f"{queue},tT", seconds, 0, note)
        return
    local, number = call.switch.channel(f"Local/{agent.extension}@agents")
    yield call.leg(f"{local};1", "Queue", f"{queue},tT", seconds, 0, note)
    half = _Call(call.switch, f"{call.switch.name}-{int(call.at.timestamp())}.{number}", f"{local};2", call.src, call.name,
                 "agents", call.at, agent.extension, call.uniqueid)  # fmt: skip
    yield half.later(2).leg(phone, "Dial", f"PJSIP/{agent.extension},20", seconds - 2, wait // 2, note)


def _outbound(switch: _Switch, cast: Cast, day: Day, at: datetime) -> Iterator[_Leg]:
    agent, campaign = day.dice.choice(cast.agents), day.dice.choice(cast.campaigns)
    _, called = somebody(day.dice)
    channel, number = switch.channel(f"PJSIP/{agent.extension}")
    uniqueid = f"{switch.name}-{int(at.timestamp())}.{number}"
    call = _Call(switch, uniqueid, channel, agent.extension, agent.name.title(), "from-internal", at, called)
    note = f"campaign={campaign};agent={agent.name}"
    east, west = CARRIERS
    if day.chance(0.06):
        yield call.leg(switch.channel(west)[0], "Dial", f"{west},60", 1, None, note, "CONGESTION")
        call = call.later(1)
    ringing = day.dice.randrange(4, 24)
    trunk = switch.channel(east)[0]
    if day.chance(0.62):
        talk = day.about_seconds(150, 0.8) if day.chance(0.6) else day.about_seconds(16, 0.3)
        yield call.leg(trunk, "Dial", f"{east},60", ringing + talk, ringing, note)
    else:
        failed = day.dice.choices(("NO ANSWER", "BUSY", "FAILED"), (8, 3, 1))[0]
        yield call.leg(trunk, "Dial", f"{east},60", ringing if failed == "NO ANSWER" else 2, None, note, failed)


@dataclass(frozen=True, slots=True)
class _Call:
    """A channel that goes its way; each stage writes a leg."""

    switch: _Switch
    uniqueid: str
    channel: str
    src: str
    name: str
    context: str
    at: datetime
    dst: str = ""
    linkedid: str = ""

    def to(self, dst: str) -> "_Call":
        return self._with(self.at, dst)

    def later(self, seconds: int) -> "_Call":
        return self._with(self.at + timedelta(seconds=seconds), self.dst)

    def _with(self, at: datetime, dst: str) -> "_Call":
        return _Call(
            self.switch, self.uniqueid, self.channel, self.src, self.name, self.context, at, dst, self.linkedid
        )

    def ring(self, agent: Agent, queue: str, seconds: int) -> _Leg:
        """An agent's phone that rang in vain."""
        phone, _ = self.switch.channel(f"PJSIP/{agent.extension}")
        return self.leg(phone, "Queue", f"{queue},tT", seconds, None, f"queue={queue};agent={agent.name}")

    def leg(
        self, far: str, app: str, data: str, seconds: int, rang: int | None, note: str, failed: str = "NO ANSWER"
    ) -> _Leg:
        """A leg of so many seconds, answered after `rang` seconds or never."""
        return _Leg(
            self.uniqueid, self.linkedid or self.uniqueid, next(self.switch.sequences), self.src, self.dst,
            self.context, self.name, self.channel, far, app, data, self.at,
            None if rang is None else self.at + timedelta(seconds=rang), self.at + timedelta(seconds=seconds),
            failed if rang is None else "ANSWERED", note,
        )  # fmt: skip
