"""mod_json_cdr's records, in the layouts in which they are stored and shipped."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from tests.usage.importers.reading import outcomes, read, read_one
from tollbook.usage.importers.direction import DirectionRule
from tollbook.usage.importers.row import Reading

UUID = "0b6b3a52-6a0e-4a3a-9a43-0c2f5f0d6d11"
ANSWERED = datetime(2026, 11, 3, 14, 0, 7, tzinfo=UTC)


def record(context: str = "public", called: str = "18005550100", encoded: bool = True, **changes: Any) -> dict:
    """One channel's record, of an A leg from a carrier unless `changes` to its variables say otherwise."""
    variables = {
        "direction": "inbound",
        "uuid": UUID,
        "channel_name": "sofia/external/12125550101@203.0.113.5",
        "start_stamp": "2026-11-03 14:00:00",
        "answer_stamp": "2026-11-03 14:00:07",
        "end_stamp": "2026-11-03 14:01:08",
        "start_epoch": "1793714400",
        "answer_epoch": str(int(ANSWERED.timestamp())),
        "end_epoch": "1793714468",
        "hangup_cause": "NORMAL_CLEARING",
        "duration": "68",
        "billsec": "61",
    } | changes
    caller = variables.pop("caller", "12125550101")
    profile = {
        "username": caller,
        "dialplan": "XML",
        "caller_id_name": "Ada {Byron}",
        "caller_id_number": caller,
        "destination_number": called,
        "uuid": UUID,
        "context": context,
        "chan_name": variables["channel_name"],
    }
    return {
        "core-uuid": "5f5d63a8-17e7-4a8c-9d6e-8d0a43a0f1ce",
        "switchname": "fs1",
        "channel_data": {"state": "CS_REPORTING", "direction": variables["direction"], "state_number": "11"},
        "callStats": {"audio": {"inbound": {"raw_bytes": 1720}}},
        "variables": {key: quote(one, safe="") if encoded else one for key, one in variables.items()},
        "app_log": {"applications": [{"app_name": "answer", "app_data": "", "app_stamp": "1793714407000000"}]},
        "callflow": [{"dialplan": "XML", "caller_profile": profile, "times": {"created_time": "1793714400000000"}}],
    }


def outward(**changes: Any) -> dict:
    """A B leg to a carrier."""
    base = {"direction": "outbound", "channel_name": "sofia/external/12125550142", "sip_gateway_name": "carrier"}
    return record("default", "12125550142", **(base | changes))


@pytest.mark.parametrize("encoded", [True, False])
def test_a_leg_from_a_carrier_is_inbound_whether_values_are_encoded_or_not(encoded):
    event = read_one("freeswitch-json", json.dumps(record(encoded=encoded))).event
    assert (event.id, event.type, event.quantity) == (f"freeswitch:{UUID}", "inbound", 61)
    assert (event.occurred_at, event.to, event.sender) == (ANSWERED, "18005550100", "12125550101")
    assert event.attributes["channel"] == "sofia/external/12125550101@203.0.113.5"
    assert event.attributes["caller_name"] == "Ada {Byron}"


def test_the_same_leg_has_the_same_id_in_csv_and_json():
    row = (
        '"Ada","12125550101","18005550100","public","2026-11-03 14:00:00","2026-11-03 14:00:07","2026-11-03 14:01:08",'
        f'"68","61","NORMAL_CLEARING","{UUID}","","","PCMU","PCMU"'
    )
    by_csv, by_json = read_one("freeswitch-csv", row).event, read_one("freeswitch-json", json.dumps(record())).event
    assert [(e.id, e.type, e.quantity, e.occurred_at, e.to, e.sender) for e in (by_csv,)] == [
        (e.id, e.type, e.quantity, e.occurred_at, e.to, e.sender) for e in (by_json,)
    ]


def test_of_an_outbound_call_the_leg_that_faces_the_carrier_is_billed():
    phone = record("default", "12125550142", caller="1001", channel_name="sofia/internal/1001@10.0.0.5")
    rows = read("freeswitch-json", json.dumps(phone) + "\n" + json.dumps(outward()))
    assert [row.event.type if row.event else row.skipped for row in rows] == ["internal leg", "outbound"]
    assert rows[1].event.attributes["sip_gateway_name"] == "carrier"


def test_of_an_inbound_call_the_leg_to_the_phone_is_internal():
    phone = outward(channel_name="sofia/internal/1001@10.0.0.5", sip_gateway_name="")
    rows = read("freeswitch-json", json.dumps(record()) + json.dumps(phone))
    assert outcomes(rows) == {"inbound": 1, "internal leg": 1}


def test_a_call_that_was_transferred_inside_keeps_the_direction_it_came_in_with():
    moved = record(channel_name="sofia/sbc/12125550101")
    later = {"caller_profile": {"context": "default", "destination_number": "1001", "caller_id_number": "12125550101"}}
    moved["callflow"].insert(0, later)
    event = read_one("freeswitch-json", json.dumps(moved)).event
    assert (event.type, event.to) == ("inbound", "18005550100")


def test_where_only_a_legs_are_written_the_rules_bill_them_by_context():
    phone = record("default", "12125550142", caller="1001", channel_name="sofia/internal/1001@10.0.0.5")
    rows = read("freeswitch-json", json.dumps(phone) + json.dumps(outward()), Reading(DirectionRule(json_legs="a")))
    assert [row.event.type if row.event else row.skipped for row in rows] == ["outbound", "internal leg"]


def test_loopback_channels_are_internal():
    assert read_one("freeswitch-json", json.dumps(record(channel_name="loopback/1001-a"))).skipped == "internal leg"


def test_unanswered_and_zero_second_legs_are_skipped():
    rows = read("freeswitch-json", json.dumps(record(answer_epoch="0")) + json.dumps(record(billsec="0")))
    assert [row.skipped for row in rows] == ["not answered", "no billable seconds"]


@pytest.mark.parametrize(
    "layout",
    [
        lambda records: "".join(map(json.dumps, records)),
        lambda records: "\n".join(map(json.dumps, records)) + "\n",
        lambda records: json.dumps(records),
        lambda records: json.dumps(records, indent=4),
        lambda records: "\n".join(json.dumps(one, indent="\t") for one in records),
        lambda records: "\r\n\r\n".join(json.dumps(one, indent=1) for one in records) + " ",
    ],
    ids=["concatenated", "lines", "list", "indented list", "indented one after another", "indented with blanks"],
)
def test_every_layout_of_a_file_gives_the_same_events(layout):
    records = [record(), outward(), record(answer_epoch="0")]
    rows = read("freeswitch-json", layout(records))
    assert outcomes(rows) == {"inbound": 1, "outbound": 1, "not answered": 1}
    assert all(row.event or row.skipped for row in rows)


def test_a_record_that_breaks_off_spoils_only_itself():
    broken = json.dumps(record())[:200]
    rows = read("freeswitch-json", "\n".join([broken, json.dumps(record()), "garbage", broken, json.dumps(outward())]))
    assert [row.event.type if row.event else row.error for row in rows] == [
        "a JSON object that does not end",
        "inbound",
        "not a JSON object",
        "a JSON object that does not end",
        "outbound",
    ]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0].raw.strip() == broken.encode()


def test_bytes_that_are_not_utf_8_never_reach_an_event():
    raw = json.dumps(record(campaign="spring?")).replace("spring%3F", "spring%E9").replace("Ada", "Ad?")
    event = read_one("freeswitch-json", raw.encode().replace(b"Ad?", b"Ad\xe1")).event
    assert event.attributes["campaign"] == "spring\ufffd"
    assert "caller_name" not in event.attributes


@pytest.mark.parametrize("changes", [{"uuid": "none"}, {"billsec": "-3"}, {"billsec": ""}])
def test_a_record_without_what_billing_needs_is_refused_with_a_reason(changes):
    assert read_one("freeswitch-json", json.dumps(record(**changes))).error


def test_an_inward_leg_of_an_unknown_context_is_refused():
    unknown = record("mystery", channel_name="sofia/sbc/12125550101")
    assert "mystery" in read_one("freeswitch-json", json.dumps(unknown)).error
