"""The demo's records: the same for the same seed, in the real formats, with the rhythm of a contact centre."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tollbook.demo.generator import generate
from tollbook.demo.rhythm import ZONE
from tollbook.usage.importers.formats import FORMATS
from tollbook.usage.importers.row import Reading, Row

UNTIL = datetime(2026, 11, 23, 19, 2, 7, tzinfo=UTC)
FICTIONAL = re.compile(r"1[2-9]\d\d55501\d\d|\d{3}|")


def read(made: list[tuple[str, str, Path]]) -> dict[str, list[Row]]:
    """Every row of every file, by account."""
    found: dict[str, list[Row]] = {}
    for account, format, path in made:
        with path.open("rb") as stream:
            found.setdefault(account, []).extend(FORMATS[format](stream, Reading(account=account)))
    return found


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    return read(generate(tmp_path_factory.mktemp("month"), UNTIL))


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    first, second = (generate(tmp_path / name, UNTIL, days=3) for name in ("a", "b"))
    other = generate(tmp_path / "c", UNTIL, days=3, seed=7)
    assert [path.read_bytes() for *_, path in first] == [path.read_bytes() for *_, path in second]
    assert all(one[2].read_bytes() != two[2].read_bytes() for one, two in zip(first, other, strict=True))


def test_days_that_two_runs_share_hold_the_same_records(tmp_path):
    monday = read(generate(tmp_path / "monday", UNTIL, days=3))["northwind"]
    tuesday = read(generate(tmp_path / "tuesday", UNTIL + timedelta(days=1), days=3))["northwind"]
    shared = {row.raw for row in monday} & {row.raw for row in tuesday}
    since = UNTIL - timedelta(days=1)
    both = [row for row in monday if row.event and since < row.event.occurred_at]
    assert both and all(row.raw in shared for row in both)


def test_a_month_is_about_sixty_thousand_rows_of_all_seven_kinds_and_none_is_refused(month):
    rows = month["northwind"]
    assert 54_000 < len(rows) < 66_000
    assert Counter(row.error for row in rows if row.error) == {}
    assert {row.skipped for row in rows if row.skipped} == {"not answered", "internal leg"}
    assert {row.event.type for row in rows if row.event} == {
        "email", "ringless_voicemail", "speech_to_text", "conversational_ai", "sms", "inbound", "outbound",
    }  # fmt: skip
    assert 300 < len(month["contoso"]) < 2_000


def test_no_id_is_used_twice(month):
    for rows in month.values():
        ids = [row.event.id for row in rows if row.event]
        assert len(ids) == len(set(ids))


def test_nothing_lies_outside_the_month(month):
    for rows in month.values():
        times = [row.event.occurred_at for row in rows if row.event]
        assert UNTIL - timedelta(days=31) < min(times) and max(times) <= UNTIL


def test_numbers_are_fictional(month):
    for rows in month.values():
        for event in (row.event for row in rows if row.event):
            assert FICTIONAL.fullmatch(event.to) and FICTIONAL.fullmatch(event.sender)


def test_the_office_is_busy_before_lunch_and_quiet_at_night_and_on_sundays(month):
    local = [row.event.occurred_at.astimezone(ZONE) for row in month["northwind"] if row.event]
    hours, days = Counter(at.hour for at in local), Counter(at.strftime("%a") for at in local)
    assert hours[11] > 1.2 * hours[12] < hours[14]
    assert sum(hours[hour] for hour in (21, 22, 23, 0, 1, 2, 3, 4, 5, 6)) < len(local) / 100
    assert days["Sun"] < days["Tue"] / 4


def test_campaigns_and_agents_can_be_told_apart(month):
    attributes = [row.event.attributes for row in month["northwind"] if row.event]
    assert len({told["campaign"] for told in attributes if "campaign" in told}) >= 6
    assert len({told["agent"] for told in attributes if "agent" in told}) >= 20
