"""Calls as FreeSWITCH writes them: mod_cdr_csv's default template, and mod_json_cdr's records of both legs. Times in UTC."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from tollbook.demo.cast import Cast, somebody
from tollbook.demo.rhythm import Day

CSV_CALLS = 350  # of an ordinary weekday of an account whose share is 1
JSON_CALLS = 60
CORE_UUID = "6c0d6a3e-8f0c-4c55-9a55-2f6c6f0a7b11"
STAMP = "%Y-%m-%d %H:%M:%S"
UNANSWERED = ("NO_ANSWER", "USER_BUSY", "ORIGINATOR_CANCEL", "UNALLOCATED_NUMBER")


def csv_rows(cast: Cast, day: Day) -> list[tuple[datetime, bytes]]:
    """Every call of the day, in and out: when it ended, and its row in the shipped configuration's template."""
    return sorted(_csv_row(cast, day, at) for at in day.moments(CSV_CALLS * cast.share))


def json_rows(cast: Cast, day: Day) -> list[tuple[datetime, bytes]]:
    """Both legs of every call of the day: when it ended, and its record on one line."""
    return sorted(leg for at in day.moments(JSON_CALLS * cast.share) for leg in _json_legs(cast, day, at))


def _csv_row(cast: Cast, day: Day, at: datetime) -> tuple[datetime, bytes]:
    (name, stranger), own, agent = somebody(day.dice), day.dice.choice(cast.own_numbers), day.dice.choice(cast.agents)
    inward = day.chance(0.45)
    name, caller, called, context = (
        (name, stranger, own, "public") if inward else (agent.name.title(), agent.extension, stranger, "default")
    )
    answered, ended, talk, cause = _course(day, at, 0.9 if inward else 0.58)
    columns = (
        name, caller, called, context, at.strftime(STAMP), answered.strftime(STAMP) if answered else "",
        ended.strftime(STAMP), str(int((ended - at).total_seconds())), str(talk), cause, str(_uuid(day)), "",
        "service-line" if inward else day.dice.choice(cast.campaigns), "PCMU", "PCMU",
    )  # fmt: skip
    return ended, ",".join(f'"{one}"' for one in columns).encode() + b"\n"


def _course(day: Day, at: datetime, answer_rate: float) -> tuple[datetime | None, datetime, int, str]:
    """How a call went: answered at, ended at, seconds of talk, hangup cause."""
    ringing = timedelta(seconds=day.dice.randrange(2, 22))
    if not day.chance(answer_rate):
        return None, at + ringing, 0, day.dice.choices(UNANSWERED, (8, 3, 3, 1))[0]
    talk = day.about_seconds(140, 0.8)
    return at + ringing, at + ringing + timedelta(seconds=talk), talk, "NORMAL_CLEARING"


def _json_legs(cast: Cast, day: Day, at: datetime) -> Iterator[tuple[datetime, bytes]]:
    (name, stranger), own, agent = somebody(day.dice), day.dice.choice(cast.own_numbers), day.dice.choice(cast.agents)
    inward = day.chance(0.5)
    course = _course(day, at, 0.9 if inward else 0.6)
    kept = {"agent": agent.name, "campaign": "service-line" if inward else day.dice.choice(cast.campaigns)}
    a_uuid, b_uuid = str(_uuid(day)), str(_uuid(day))
    phone = f"sofia/internal/{agent.extension}@nw.example"
    carrier = f"sofia/external/{stranger}@carrier.example"
    if inward:
        a_leg = kept | {"channel_name": carrier, "direction": "inbound"}
        b_leg = kept | {"channel_name": phone, "direction": "outbound"}
        profile, context = (name, stranger, own), "public"
    else:
        a_leg = kept | {"channel_name": phone, "direction": "inbound", "sip_auth_username": agent.extension}
        b_leg = kept | {"channel_name": carrier, "direction": "outbound", "sip_gateway_name": "carrier-east"}
        profile, context = (agent.name.title(), agent.extension, stranger), "default"
    b_profile = (*profile[:2], agent.extension) if inward else profile
    yield course[1], _record(a_leg | {"uuid": a_uuid, "signal_bond": b_uuid}, profile, context, at, course)
    yield course[1], _record(b_leg | {"uuid": b_uuid, "signal_bond": a_uuid}, b_profile, "default", at, course)


def _record(
    said: dict[str, str],
    profile: tuple[str, str, str],
    context: str,
    at: datetime,
    course: tuple[datetime | None, datetime, int, str],
) -> bytes:
    answered, ended, talk, cause = course
    variables = said | {
        "start_stamp": at.strftime(STAMP),
        "answer_stamp": answered.strftime(STAMP) if answered else "",
        "end_stamp": ended.strftime(STAMP),
        "start_epoch": str(int(at.timestamp())),
        "answer_epoch": str(int(answered.timestamp()) if answered else 0),
        "end_epoch": str(int(ended.timestamp())),
        "hangup_cause": cause,
        "duration": str(int((ended - at).total_seconds())),
        "billsec": str(talk),
        "read_codec": "PCMU",
        "write_codec": "PCMU",
    }
    name, caller, called = profile
    caller_profile = {
        "username": caller, "dialplan": "XML", "caller_id_name": name, "ani": caller, "caller_id_number": caller,
        "destination_number": called, "uuid": said["uuid"], "source": "mod_sofia", "context": context,
        "chan_name": said["channel_name"],
    }  # fmt: skip
    record: dict[str, Any] = {
        "core-uuid": CORE_UUID,
        "switchname": "nw-fs1",
        "channel_data": {"state": "CS_REPORTING", "direction": said["direction"], "state_number": "11"},
        "variables": {key: quote(value, safe="/") for key, value in variables.items() if value},
        "callflow": [{"dialplan": "XML", "profile_index": "1", "caller_profile": caller_profile}],
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _uuid(day: Day) -> UUID:
    return UUID(int=day.dice.getrandbits(128), version=4)
