"""FreeSWITCH's mod_json_cdr: one record per channel, one per file, one per line, or one after another.

    {"core-uuid", "switchname", "channel_data": {"direction", ...}, "callStats": {...},
     "variables": {"uuid", "direction", "answer_epoch", "billsec", "hangup_cause", "channel_name", ...},
     "callflow": [{"caller_profile": {"caller_id_number", "destination_number", "context", ...}, ...}]}

A leg's id is `freeswitch:{uuid}`. The module writes both legs (`log-b-leg`), so one talk has two or more records; those
that face a trunk are billed, because that is where the minutes are bought:

- a leg that came in to the switch (A leg) is inbound when its context says so (`public`, `from-trunk*`, ...) or when
  it came over the `external` profile or a channel that `trunks` names;
- a leg that the switch made (B leg, or a dialer's call) is outbound when it went through a gateway
  (`sip_gateway_name`), over the `external` profile or over a channel that `trunks` names;
- a leg to or from a phone is an internal leg.

Where only A legs are written, `json_legs = "a"` in the rules file bills A legs by context, as the CSV format does.
Times are epoch seconds and need no zone. Values of `variables` are URL-encoded by default (`encode-values`) and are
decoded when they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import unquote

from tollbook.usage.event import Event
from tollbook.usage.importers import fields
from tollbook.usage.importers.direction import Direction, DirectionRule, Leg, matches
from tollbook.usage.importers.freeswitch_csv import with_default_context
from tollbook.usage.importers.json_stream import Document, documents
from tollbook.usage.importers.legs import billable_direction, decided, freeswitch_id, rated_number
from tollbook.usage.importers.row import NO_BILLABLE_SECONDS, NOT_ANSWERED, Reading, Row, Skip, Unreadable, judge

EXTERNAL_PROFILE = ("sofia/external/*",)
KEPT_VARIABLES = ("campaign", "agent", "cc_queue", "cc_agent", "cc_side", "sip_gateway_name", "call_uuid")


def rows(stream: BinaryIO, reading: Reading) -> Iterator[Row]:
    """Every record of the file, in its order."""
    for found in documents(stream):
        yield judge(found.line, found.raw, partial(_event, found, reading))


@dataclass(frozen=True, slots=True)
class _Record:
    """What billing needs of one channel's record. The profile is how the channel began, before any transfer."""

    variables: dict[str, str]
    profile: dict[str, str]
    is_outward: bool

    @property
    def leg(self) -> Leg:
        called = self.profile.get("destination_number", "")
        return Leg(self.profile.get("context", ""), self.profile.get("caller_id_number", ""), called, self.channel)

    @property
    def channel(self) -> str:
        return self.variables.get("channel_name") or self.profile.get("chan_name", "")


def _event(found: Document, reading: Reading) -> Event:
    if found.value is None:
        raise Unreadable(found.error)
    record = _record(found.value)
    answered_at = fields.epoch_time(record.variables.get("answer_epoch", ""))
    if not answered_at or not answered_at.timestamp():
        raise Skip(NOT_ANSWERED)
    direction = _direction(record, reading.rule)
    quantity = fields.seconds(record.variables.get("billsec", ""), "billsec")
    if not quantity:
        raise Skip(NO_BILLABLE_SECONDS)
    return Event(
        id=freeswitch_id(_uuid(record)),
        type=direction.value,
        quantity=quantity,
        occurred_at=answered_at,
        to=rated_number(record.leg.called, direction, reading.rule),
        sender=fields.party(record.leg.caller),
        attributes=_attributes(record, found.value),
    )


def _record(value: dict[str, Any]) -> _Record:
    variables = _texts(value.get("variables"))
    if not variables:
        raise Unreadable("not a mod_json_cdr record: it has no variables")
    if _is_encoded(variables):
        variables = {key: unquote(text, errors="surrogateescape") for key, text in variables.items()}
    direction = variables.get("direction") or _texts(value.get("channel_data")).get("direction", "")
    return _Record(variables, _first_profile(value), direction == "outbound")


def _is_encoded(variables: dict[str, str]) -> bool:
    """Whether values are URL-encoded: a plain time stamp has a colon, which encoding replaces."""
    return not any(":" in variables.get(name, "") for name in ("start_stamp", "answer_stamp", "end_stamp"))


def _first_profile(value: dict[str, Any]) -> dict[str, str]:
    """The call flow is told newest first; its last profile is how the channel began."""
    flow = value.get("callflow")
    steps = flow if isinstance(flow, list) else [flow]
    last = steps[-1] if steps else None
    return _texts(last.get("caller_profile")) if isinstance(last, dict) else {}


def _texts(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {key: str(one) for key, one in found.items() if isinstance(one, str | int | float)}


def _uuid(record: _Record) -> str:
    return record.variables.get("uuid") or record.profile.get("uuid", "")


def _direction(record: _Record, rule: DirectionRule) -> Direction:
    if rule.json_legs == "a":
        if record.is_outward:
            return decided(Direction.INTERNAL, record.leg)
        return billable_direction(record.leg, with_default_context(rule))
    return decided(_outward(record, rule) if record.is_outward else _inward(record, rule), record.leg)


def _outward(record: _Record, rule: DirectionRule) -> Direction:
    over_trunk = record.variables.get("sip_gateway_name") or matches(EXTERNAL_PROFILE + rule.trunks, record.channel)
    return Direction.OUTBOUND if over_trunk and not rule.is_extension(record.leg.called) else Direction.INTERNAL


def _inward(record: _Record, rule: DirectionRule) -> Direction | None:
    leg, context = record.leg, record.leg.context
    if leg.is_half or matches(rule.internal_contexts, context):
        return Direction.INTERNAL
    if matches(rule.inbound_contexts, context) or matches(EXTERNAL_PROFILE + rule.trunks, record.channel):
        return Direction.INBOUND
    from_phone = record.variables.get("sip_auth_username") or rule.is_extension(leg.caller)
    return Direction.INTERNAL if from_phone or matches((*rule.outbound_contexts, "default"), context) else None


def _attributes(record: _Record, value: dict[str, Any]) -> dict[str, str]:
    name = record.profile.get("caller_id_name", "")
    said = {
        "uuid": _uuid(record),
        "far_uuid": record.variables.get("signal_bond") or record.variables.get("bridge_uuid", ""),
        "hangup_cause": record.variables.get("hangup_cause", ""),
        "context": record.leg.context,
        "channel": record.channel,
        "switch": str(value.get("switchname") or ""),
        "account_code": record.variables.get("accountcode", ""),
        "caller_name": name if fields.is_clean(name) and name != record.leg.caller else "",
    }
    said |= {key: record.variables.get(key, "") for key in KEPT_VARIABLES}
    return fields.attributes(said)
