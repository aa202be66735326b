"""Asterisk's cdr_csv: `Master.csv`, sixteen columns and up to five more, one row per leg, no header.

    accountcode, src, dst, dcontext, clid, channel, dstchannel, lastapp, lastdata, start, answer, end,
    duration, billsec, disposition, amaflags
    [, uniqueid]                        with loguniqueid=yes
    [, userfield]                       with loguserfield=yes
    [, peeraccount, linkedid, sequence] with newcdrcolumns=yes

A leg's id is `asterisk:{uniqueid}:{sequence}`. The sequence counts legs and starts again when Asterisk does, but
uniqueid is then new: it holds the second in which the channel was made, and the system's name when one is set. Without
the sequence column the leg is told apart by a digest of what else the row says: `asterisk:{uniqueid}:~{digest}`.
Without uniqueid there is nothing to know a repeated row by, and the row is refused.

Times are the switch's local clock (UTC with usegmtime=yes). Only `disposition` says whether a leg was answered:
duration and even billsec can be above zero on a leg that nobody took.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import BinaryIO

from tollbook.usage.event import Event
from tollbook.usage.importers import fields
from tollbook.usage.importers.direction import Leg
from tollbook.usage.importers.legs import billable_direction, rated_number
from tollbook.usage.importers.lines import Line, lines
from tollbook.usage.importers.row import (
    HEADER_LINE,
    NO_BILLABLE_SECONDS,
    NOT_ANSWERED,
    Reading,
    Row,
    Skip,
    Unreadable,
    judge,
)

DISPOSITIONS = frozenset({"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "CANCEL", "UNKNOWN"})
MAX_LINE_BYTES = 64 * 1024  # cdr_csv writes at most 1,024 bytes a row
MAX_JOINED_LINES = 8
_UNIQUEID = re.compile(r"(?:.*-)?([0-9]{9,11})\.[0-9]+")
_WHOLE_NUMBER = re.compile(r"[0-9]+")
_CHANNEL_COUNTER = re.compile(r"-[0-9a-f]{8}(?:;[12])?$")
_NO_ID = (
    "no uniqueid column, so a repeated row could not be told from a new one; "
    "set loguniqueid=yes in [csv] of cdr.conf (and newcdrcolumns=yes for the sequence)"
)


def rows(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    """Every record of the file, in its order."""
    for line in _records(lines(stream, MAX_LINE_BYTES)):
        yield judge(line.number, line.raw, partial(_event, line, reading))


def _records(source: Iterator[Line]) -> Iterator[Line]:
    """Lines, those of a record with line ends inside its quotes joined.

    A line that is whole by itself always begins a new record, so a stray quote spoils one row and not the rest.
    """
    ahead: deque[Line] = deque()

    def take() -> Line | None:
        return ahead.popleft() if ahead else next(source, None)

    while line := take():
        if line.is_blank:
            continue
        if not line.cut and line.text.count(b'"') % 2:
            line, tried = _join(line, take)
            ahead.extendleft(reversed(tried))
        yield line


def _join(first: Line, take: Callable[[], Line | None]) -> tuple[Line, list[Line]]:
    """The record that begins with `first`, and the lines taken in vain when there is none beyond its first line."""
    tried: list[Line] = []
    while len(tried) < MAX_JOINED_LINES and (line := take()):
        tried.append(line)
        if line.cut or _is_whole(line.text):
            break
        together = Line(first.number, first.raw + b"".join(one.raw for one in tried))
        if _is_whole(together.text):
            return together, []
    return first, tried


def _split(text: bytes) -> list[str]:
    try:
        return next(csv.reader([fields.decode(text)]), [])
    except csv.Error:
        return []


def _is_whole(text: bytes) -> bool:
    """Whether the text is one record: every quote has its twin, and the numbers stand where they belong."""
    found = [] if text.count(b'"') % 2 else _split(text)
    return 16 <= len(found) <= 21 and all(map(_WHOLE_NUMBER.fullmatch, found[12:14]))


@dataclass(frozen=True, slots=True)
class _Tail:
    """The columns after the sixteenth; empty when the file has them not."""

    uniqueid: str = ""
    userfield: str = ""
    peeraccount: str = ""
    linkedid: str = ""
    sequence: str = ""


def _tail(found: list[str]) -> _Tail:
    """Which of the optional columns are there: the new ones come as three, and a lone old one is known by its look."""
    rest = found[16:]
    old, new = (rest[:-3], rest[-3:]) if len(rest) >= 3 else (rest, ["", "", ""])
    is_userfield = len(old) == 1 and not _UNIQUEID.fullmatch(old[0])
    if not old or not old[0] or is_userfield:
        raise Unreadable(_NO_ID)
    return _Tail(old[0], old[1] if len(old) == 2 else "", *new)


def _event(line: Line, reading: Reading) -> Event:
    found = _columns(line)
    tail = _tail(found)
    if found[14] != "ANSWERED":
        raise Skip(NOT_ANSWERED)
    leg = Leg(found[3], found[1], found[2], _name(found[5]), _name(found[6]))
    direction = billable_direction(leg, reading.rule)
    quantity = fields.seconds(found[13], "billsec")
    if not quantity:
        raise Skip(NO_BILLABLE_SECONDS)
    return Event(
        id=fields.event_id("asterisk", tail.uniqueid, tail.sequence or _digest(line.text)),
        type=direction.value,
        quantity=quantity,
        occurred_at=_answered_at(found, tail, reading),
        to=rated_number(found[2], direction, reading.rule),
        sender=fields.party(found[1]),
        attributes=_attributes(found, tail),
    )


def _columns(line: Line) -> list[str]:
    if line.cut:
        raise Unreadable("the line is too long for a call record")
    found = _split(line.text)
    if found and found[0].strip().lower() in ("accountcode", "account code"):
        raise Skip(HEADER_LINE)
    if not 16 <= len(found) <= 21:
        raise Unreadable(f"{len(found)} columns where cdr_csv writes 16 to 21")
    if found[14] not in DISPOSITIONS:
        raise Unreadable(f"unknown disposition {fields.shown(found[14])}")
    return found


def _name(channel: str) -> str:
    """`PJSIP/301-0000001a` → `PJSIP/301`."""
    return _CHANNEL_COUNTER.sub("", channel)


def _answered_at(found: list[str], tail: _Tail, reading: Reading) -> datetime:
    """When billing began. Falls back to the start for switches that leave `answer` empty on answered legs."""
    stamp = found[10] or found[9]
    made = _UNIQUEID.fullmatch(tail.uniqueid)
    near = fields.epoch_time(made[1]) if made else None
    return fields.local_time(stamp, reading.zone, near)


def _digest(text: bytes) -> str:
    return "~" + sha256(text).hexdigest()[:16]


def _attributes(found: list[str], tail: _Tail) -> dict[str, str]:
    caller_name = found[4].rpartition("<")[0].strip().strip('"')
    said = {
        "uniqueid": tail.uniqueid,
        "linkedid": tail.linkedid,
        "sequence": tail.sequence,
        "disposition": found[14],
        "context": found[3],
        "channel": found[5],
        "far_channel": found[6],
        "far_technology": found[6].partition("/")[0] if "/" in found[6] else "",
        "application": found[7],
        "account_code": found[0],
        "peer_account": tail.peeraccount,
        "caller_name": caller_name if fields.is_clean(caller_name) and caller_name != found[1] else "",
    }
    return fields.attributes(fields.noted(tail.userfield) | said)
