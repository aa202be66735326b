"""mod_cdr_csv's default templates."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.usage.importers.reading import outcomes, read, read_one
from tollbook.usage.importers.direction import DirectionRule
from tollbook.usage.importers.row import Reading

UUID = "0b6b3a52-6a0e-4a3a-9a43-0c2f5f0d6d11"


def call(width: int = 15, **changes: object) -> str:
    """One row of a default template: 15 columns in the shipped configuration, 13 compiled in."""
    columns = {
        "caller_id_name": "Ada Byron",
        "caller_id_number": "12125550101",
        "destination_number": "18005550100",
        "context": "public",
        "start_stamp": "2026-11-03 14:00:00",
        "answer_stamp": "2026-11-03 14:00:07",
        "end_stamp": "2026-11-03 14:01:08",
        "duration": 68,
        "billsec": 61,
        "hangup_cause": "NORMAL_CLEARING",
        "uuid": UUID,
        "bleg_uuid": "",
        "accountcode": "northwind",
        "read_codec": "PCMU",
        "write_codec": "PCMU",
    } | changes
    quoted = [f'"{value}"' for value in columns.values()]
    return (",".join(quoted) if width == 15 else ",".join(quoted[:12]) + ", " + quoted[12]) + "\n"


@pytest.mark.parametrize("width", [13, 15])
def test_a_call_from_the_public_context_is_inbound_in_both_default_templates(width):
    event = read_one("freeswitch-csv", call(width)).event
    assert (event.id, event.type, event.quantity) == (f"freeswitch:{UUID}", "inbound", 61)
    assert event.occurred_at == datetime(2026, 11, 3, 14, 0, 7, tzinfo=UTC)
    assert event.attributes["account_code"] == "northwind"


def test_a_phone_s_call_from_the_default_context_is_outbound_unless_to_an_extension():
    out = call(context="default", caller_id_number="1001", destination_number="12125550142")
    inside = call(context="default", caller_id_number="1001", destination_number="1002")
    assert outcomes(read("freeswitch-csv", out + inside)) == {"outbound": 1, "internal leg": 1}


def test_the_rules_can_say_that_default_is_inbound():
    reading = Reading(DirectionRule(inbound_contexts=("default",)))
    assert read_one("freeswitch-csv", call(context="default"), reading).event.type == "inbound"


def test_unanswered_and_zero_second_calls_are_skipped():
    rows = read("freeswitch-csv", call(answer_stamp="", billsec=30) + call(billsec=0))
    assert [row.skipped for row in rows] == ["not answered", "no billable seconds"]


def test_times_are_the_switch_s_local_clock():
    event = read_one("freeswitch-csv", call(), Reading(zone=ZoneInfo("Europe/Berlin"))).event
    assert event.occurred_at == datetime(2026, 11, 3, 13, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("name", ['Joe "Bob" Smith', 'a", "b', 'x" y, z', "Smith, Joe", '"'])
@pytest.mark.parametrize("width", [13, 15])
def test_a_name_that_the_switch_did_not_escape_does_not_shift_the_columns(name, width):
    event = read_one("freeswitch-csv", call(width, caller_id_name=name)).event
    assert (event.id, event.quantity, event.sender) == (f"freeswitch:{UUID}", 61, "12125550101")


def test_other_templates_are_refused_with_a_reason():
    row = read_one("freeswitch-csv", '"a","b","c"\n')
    assert row.error == "not a row of mod_cdr_csv's default template: no uuid in its eleventh column"
