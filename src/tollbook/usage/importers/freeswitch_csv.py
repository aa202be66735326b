"""FreeSWITCH's mod_cdr_csv in its default templates, one row per call, no header.

    caller_id_name, caller_id_number, destination_number, context, start_stamp, answer_stamp, end_stamp,
    duration, billsec, hangup_cause, uuid, bleg_uuid, accountcode
    [, read_codec, write_codec]         in the template of the shipped configuration
    [, anything more]                   in templates that add columns at the end

A leg's id is `freeswitch:{uuid}`, the same as in a JSON record of the leg. The module writes A legs only (`legs` = a,
its default), and this reader counts on that: a row names no channel, so its direction comes from the context and the
numbers. The phones' context of the shipped configuration, `default`, counts as outbound. The switch does not escape
values; quotes and commas inside a caller's name are understood. Times are the switch's local clock.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from tollbook.usage.event import Event
from tollbook.usage.importers import fields
from tollbook.usage.importers.direction import DirectionRule, Leg, matches
from tollbook.usage.importers.legs import billable_direction, freeswitch_id, rated_number
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

MAX_LINE_BYTES = 64 * 1024
_DEFAULT_WIDTHS = (15, 13)
_BETWEEN = re.compile('", ?"')
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def rows(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    """Every row of the file, in its order."""
    reading = replace(reading, rule=with_default_context(reading.rule))
    for line in lines(stream, MAX_LINE_BYTES):
        if not line.is_blank:
            yield judge(line.number, line.raw, partial(_event, line, reading))


def with_default_context(rule: DirectionRule) -> DirectionRule:
    """The rule with `default` among the outbound contexts, unless the rule says something else about it."""
    if matches(rule.internal_contexts + rule.inbound_contexts, "default"):
        return rule
    return replace(rule, outbound_contexts=(*rule.outbound_contexts, "default"))


def _event(line: Line, reading: Reading) -> Event:
    found = _columns(line)
    if not found[5]:
        raise Skip(NOT_ANSWERED)
    direction = billable_direction(Leg(found[3], found[1], found[2]), reading.rule)
    quantity = fields.seconds(found[8], "billsec")
    if not quantity:
        raise Skip(NO_BILLABLE_SECONDS)
    return Event(
        id=freeswitch_id(found[10]),
        type=direction.value,
        quantity=quantity,
        occurred_at=fields.local_time(found[5], reading.zone),
        to=rated_number(found[2], direction, reading.rule),
        sender=fields.party(found[1]),
        attributes=_attributes(found),
    )


def _columns(line: Line) -> list[str]:
    """The row's columns, if it is of a default template: the uuid stands where it belongs."""
    if line.cut:
        raise Unreadable("the line is too long for a call record")
    text = fields.decode(line.text)
    if text.lower().lstrip('"').startswith("caller_id_name"):
        raise Skip(HEADER_LINE)
    for found in (_split(text), *(_split_from_right(text, width) for width in _DEFAULT_WIDTHS)):
        if len(found) >= 13 and _UUID.fullmatch(found[10]):
            return found
    raise Unreadable("not a row of mod_cdr_csv's default template: no uuid in its eleventh column")


def _split(text: str) -> list[str]:
    try:
        return next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error:
        return []


def _split_from_right(text: str, width: int) -> list[str]:
    """Columns counted from the end, for a name (the first column) that holds what looks like an end of column."""
    parts = _BETWEEN.split(text.strip().removeprefix('"').removesuffix('"'))
    beyond = len(parts) - width
    return ['", "'.join(parts[: beyond + 1]), *parts[beyond + 1 :]] if beyond >= 0 else []


def _attributes(found: list[str]) -> dict[str, str]:
    said = {
        "uuid": found[10],
        "far_uuid": found[11],
        "hangup_cause": found[9],
        "context": found[3],
        "account_code": found[12],
        "caller_name": found[0] if fields.is_clean(found[0]) and found[0] != found[1] else "",
    }
    return fields.attributes(said)
