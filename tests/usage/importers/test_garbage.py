"""No bytes crash a reader, every input row is accounted for, and nothing unfit leaves it."""

import json
import tracemalloc
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.usage.importers.reading import read
from tests.usage.importers.test_asterisk import leg
from tests.usage.importers.test_freeswitch_csv import call
from tests.usage.importers.test_freeswitch_json import record
from tests.usage.importers.test_ndjson import event
from tollbook.usage.importers.formats import FORMATS
from tollbook.usage.importers.row import Reading

GOOD = {
    "asterisk": leg().encode(),
    "freeswitch-csv": call().encode(),
    "freeswitch-json": json.dumps(record()).encode() + b"\n",
    "tollbook": event().encode(),
}


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=60, deadline=None)
@given(garbage=st.binary(max_size=400) | st.text(alphabet='{}[]",\n\\0\x00é', max_size=200).map(str.encode))
def test_garbage_never_crashes_a_reader_and_never_hides_a_good_row(format, garbage):
    rows = read(format, garbage.replace(b"\n{", b"\n") + b"\n" + GOOD[format])
    assert rows[-1].event
    assert all((row.event is not None) + bool(row.skipped) + bool(row.error) == 1 for row in rows)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_spoilt_row_never_puts_into_an_event_what_the_database_can_t_hold(format, data):
    good = GOOD[format]
    at = data.draw(st.integers(0, len(good) - 2))
    spoilt = good[:at] + data.draw(st.binary(min_size=1, max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    for row in read(format, spoilt):
        if row.event:
            said = json.dumps([row.event.id, row.event.to, row.event.sender, row.event.attributes], ensure_ascii=False)
            assert said.encode() and "\\u0000" not in said
            assert 1 <= len(row.event.id) <= 200 and row.event.quantity >= 0 and row.event.occurred_at.tzinfo


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_line_ends_is_read_in_bounded_memory(format):
    class Endless(BytesIO):
        left = 64

        def readline(self, size: int | None = -1) -> bytes:
            self.left -= 1
            return (b'{"a' * (size // 3 + 1))[:size] if self.left > 0 else b""

    tracemalloc.start()
    rows = list(FORMATS[format](Endless(), Reading()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(row.error for row in rows)
    assert peak < 64 * 1024 * 1024
