"""A real switch's file against a recomputation that shares no code with the reader."""

import csv
from collections import Counter
from pathlib import Path

from tests.usage.importers.reading import outcomes, read

SAMPLE = Path(__file__).parents[2] / "data" / "asterisk-master.csv"


def plain_rows() -> list[list[str]]:
    with SAMPLE.open(encoding="latin-1", newline="") as file:
        return list(csv.reader(file))


def recomputed() -> list[tuple[str, int]]:
    """Answered legs with seconds whose channel is no Local half: (id, billsec), by the csv module alone."""
    return [
        (f"asterisk:{row[16]}:{row[20]}", int(row[13]))
        for row in plain_rows()
        if row[14] == "ANSWERED" and int(row[13]) > 0 and not row[5].startswith("Local/")
    ]


def test_every_billed_leg_of_the_real_file_is_the_one_a_plain_recomputation_finds():
    rows = read("asterisk", SAMPLE.read_bytes())
    events = [row.event for row in rows if row.event]
    assert [(event.id, event.quantity) for event in events] == recomputed()
    assert {event.type for event in events} == {"inbound"}


def test_the_real_file_comes_out_as_its_documentation_says():
    assert (len(plain_rows()), len({row[16] for row in plain_rows()})) == (84, 45)
    rows = read("asterisk", SAMPLE.read_bytes())
    assert outcomes(rows) == Counter({"not answered": 47, "inbound": 30, "no billable seconds": 4, "internal leg": 3})
    assert sum(row.event.quantity for row in rows if row.event) == 884


def test_unanswered_legs_with_billable_seconds_stay_free():
    traps = [number for number, row in enumerate(plain_rows()) if row[14] != "ANSWERED" and int(row[13]) > 0]
    rows = read("asterisk", SAMPLE.read_bytes())
    assert len(traps) == 2
    assert [rows[number].skipped for number in traps] == ["not answered"] * 2


def test_every_event_of_the_real_file_fits_the_database():
    for row in read("asterisk", SAMPLE.read_bytes()):
        if row.event:
            row.event.sender.encode(), row.event.to.encode()
            assert all(text.encode() and "\x00" not in text for text in row.event.attributes.values())
