"""Asterisk's Master.csv: what each leg becomes, and that no file, however spoilt, stops the reader."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.usage.importers.reading import outcomes, read, read_one
from tollbook.usage.importers.direction import DirectionRule
from tollbook.usage.importers.row import Reading

COLUMNS = {
    "accountcode": "",
    "src": "12125550101",
    "dst": "18005550100",
    "dcontext": "from-trunk",
    "clid": '"Ada Byron" <12125550101>',
    "channel": "PJSIP/carrier-0000001a",
    "dstchannel": "PJSIP/301-0000001b",
    "lastapp": "Dial",
    "lastdata": "PJSIP/301,30",
    "start": "2026-11-03 14:00:00",
    "answer": "2026-11-03 14:00:07",
    "end": "2026-11-03 14:01:08",
    "duration": 68,
    "billsec": 61,
    "disposition": "ANSWERED",
    "amaflags": "DOCUMENTATION",
    "uniqueid": "pbx1-1793714400.26",
    "userfield": "",
    "peeraccount": "",
    "linkedid": "pbx1-1793714400.26",
    "sequence": 41,
}


def leg(without: Iterable[str] = (), **changes: object) -> str:
    """One row as cdr_csv writes it: text in quotes, numbers without, empty times as nothing."""
    columns = {name: value for name, value in (COLUMNS | changes).items() if name not in without}
    return ",".join(_written(name, value) for name, value in columns.items()) + "\n"


def _written(name: str, value: object) -> str:
    if isinstance(value, int) or (name in ("start", "answer", "end") and not value):
        return str(value)
    return '"{}"'.format(str(value).replace('"', '""'))


def test_an_answered_leg_from_a_trunk_is_an_inbound_event():
    event = read_one("asterisk", leg()).event
    assert (event.id, event.type, event.quantity) == ("asterisk:pbx1-1793714400.26:41", "inbound", Decimal(61))
    assert event.occurred_at == datetime(2026, 11, 3, 14, 0, 7, tzinfo=UTC)
    assert (event.to, event.sender) == ("18005550100", "12125550101")
    assert event.attributes["caller_name"] == "Ada Byron"
    assert event.attributes["linkedid"] == "pbx1-1793714400.26"
    assert event.attributes["far_technology"] == "PJSIP"


def test_a_leg_from_inside_to_an_outside_number_is_an_outbound_event():
    row = leg(dcontext="from-internal", src="301", dst="12125550142", channel="PJSIP/301-01", dstchannel="PJSIP/c-02")
    event = read_one("asterisk", row).event
    assert (event.type, event.to, event.sender) == ("outbound", "12125550142", "301")


@pytest.mark.parametrize("disposition", ["NO ANSWER", "BUSY", "FAILED", "CONGESTION", "CANCEL"])
def test_a_leg_that_nobody_took_costs_nothing_whatever_its_seconds_say(disposition):
    assert read_one("asterisk", leg(disposition=disposition, billsec=60)).skipped == "not answered"


def test_an_answered_leg_of_zero_seconds_is_skipped():
    assert read_one("asterisk", leg(billsec=0)).skipped == "no billable seconds"


def test_the_inner_half_of_a_local_channel_is_not_billed_again():
    outer = leg(dstchannel="Local/301@agents-00000000;1")
    inner = leg(channel="Local/301@agents-00000000;2", dcontext="from-internal", sequence=42)
    assert outcomes(read("asterisk", outer + inner)) == {"inbound": 1, "internal leg": 1}


def test_a_local_half_that_leaves_over_a_known_trunk_is_the_only_record_of_that_leg_and_is_billed():
    row = leg(channel="Local/1@out-00000000;2", dst="12125550142", dstchannel="PJSIP/carrier-0000001c")
    rule = DirectionRule(trunks=("PJSIP/carrier",))
    assert read_one("asterisk", row, Reading(rule)).event.type == "outbound"


def test_a_call_between_two_extensions_is_internal():
    row = leg(dcontext="from-internal", src="301", dst="302", channel="PJSIP/301-0000000a")
    assert read_one("asterisk", row).skipped == "internal leg"


def test_a_leg_that_no_rule_decides_is_refused_with_the_context_to_name():
    row = leg(dcontext="mystery", channel="PJSIP/a-00000001", dstchannel="PJSIP/b-00000002")
    assert read_one("asterisk", row).error == (
        "no rule tells the direction of context 'mystery'; name it in a rules file"
    )


def test_an_outbound_leg_without_a_number_is_refused():
    row = leg(dcontext="from-internal", src="301", dst="s")
    assert read_one("asterisk", row).error == "the destination is not a number that can be rated: 's'"


def test_rows_without_a_uniqueid_are_refused_because_they_have_no_id():
    short = leg(without=["uniqueid", "userfield", "peeraccount", "linkedid", "sequence"])
    with_userfield = leg(without=["uniqueid", "peeraccount", "linkedid", "sequence"], userfield="vip")
    without_uniqueid = leg(without=["uniqueid", "userfield"])
    for row in read("asterisk", short + with_userfield + without_uniqueid):
        assert row.error.startswith("no uniqueid column, so a repeated row could not be told from a new one")


@pytest.mark.parametrize(
    "without",
    [
        ["userfield", "peeraccount", "linkedid", "sequence"],
        ["peeraccount", "linkedid", "sequence"],
    ],
)
def test_without_a_sequence_the_leg_is_told_by_a_digest_of_its_row(without):
    first, again, other = read("asterisk", leg(without) + leg(without) + leg(without, dstchannel="PJSIP/302-0000001c"))
    assert first.event.id.startswith("asterisk:pbx1-1793714400.26:~")
    assert first.event.id == again.event.id != other.event.id


def test_a_file_with_uniqueid_and_new_columns_but_no_user_field_has_whole_ids():
    assert read_one("asterisk", leg(without=["userfield"])).event.id == "asterisk:pbx1-1793714400.26:41"


def test_the_user_field_can_carry_campaign_and_agent():
    noted = read_one("asterisk", leg(userfield="campaign=spring-renewal;agent=ada")).event.attributes
    plain = read_one("asterisk", leg(userfield="spring; renewal")).event.attributes
    assert (noted["campaign"], noted["agent"]) == ("spring-renewal", "ada")
    assert plain["userfield"] == "spring; renewal"


def test_times_are_the_switch_s_local_clock():
    reading = Reading(zone=ZoneInfo("America/New_York"))
    event = read_one("asterisk", leg(), reading).event
    assert event.occurred_at == datetime(2026, 11, 3, 19, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(("made", "hour"), [(1793510000, 5), (1793513600, 6)])
def test_in_the_hour_that_the_clocks_repeat_the_uniqueid_tells_which_one_it_was(made, hour):
    row = leg(start="2026-11-01 01:13:20", answer="2026-11-01 01:13:30", uniqueid=f"{made}.7")
    event = read_one("asterisk", row, Reading(zone=ZoneInfo("America/New_York"))).event
    assert event.occurred_at == datetime(2026, 11, 1, hour, 13, 30, tzinfo=UTC)


def test_a_byte_that_is_not_utf_8_in_a_name_costs_only_the_name():
    row = leg(clid='"Jos? M" <12125550101>').encode().replace(b"Jos?", b"Jos\xe9")
    event = read_one("asterisk", row).event
    assert "caller_name" not in event.attributes and event.quantity == 61


def test_bytes_that_are_not_text_never_reach_an_event():
    row = leg(userfield="note=x?y", dcontext="from-trunk-?").encode().replace(b"?", b"\xff\x00")
    event = read_one("asterisk", row).event
    assert event.attributes["note"] == "x\ufffd\ufffdy"
    assert event.attributes["context"] == "from-trunk-\ufffd\ufffd"


def test_an_id_that_is_not_text_is_refused_because_an_altered_id_would_be_another_one():
    row = leg(uniqueid="pbx?-1.2").encode().replace(b"pbx?", b"pbx\xe9")
    assert read_one("asterisk", row).error == "the record's id holds bytes that are not text"


def test_a_record_with_a_line_end_inside_its_quotes_is_one_row():
    first, second = read("asterisk", leg(userfield="two\nlines") + leg(sequence=42))
    assert first.event.attributes["userfield"] == "two\nlines"
    assert (first.line, second.line) == (1, 3)


def test_a_stray_quote_spoils_one_row_and_not_the_rest():
    cut = leg()[:60] + "\n"
    rows = read("asterisk", cut + leg(sequence=1) + cut + cut + leg(sequence=2))
    assert outcomes(rows) == {"error": 3, "inbound": 2}
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]


def test_a_mended_row_keeps_its_bytes_until_it_is_mended():
    spoilt = leg(billsec="many").encode()
    row = read_one("asterisk", spoilt)
    assert (row.error, row.raw) == ("billsec is not a number of seconds: 'many'", spoilt)


def test_blank_lines_a_byte_order_mark_and_a_header_are_no_trouble():
    header = ",".join(COLUMNS) + "\r\n"
    rows = read("asterisk", "\ufeff" + header + "\r\n" + leg().replace("\n", "\r\n"))
    assert outcomes(rows) == {"header line": 1, "inbound": 1}


def test_a_line_without_end_is_cut_and_the_next_one_is_read():
    rows = read("asterisk", "x" * 300_000 + "\n" + leg())
    assert outcomes(rows) == {"error": 1, "inbound": 1}
    assert len(rows[0].raw) == 64 * 1024


def test_what_is_too_long_for_an_event_is_cut_where_nothing_is_rated_by_it():
    row = leg(src="a\tb" + "x" * 100, lastdata="y" * 3000, userfield="z" * 3000)
    event = read_one("asterisk", row).event
    assert event.sender == "a\ufffdb" + "x" * 61
    assert event.attributes["userfield"] == "z" * 500
