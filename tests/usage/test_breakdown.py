"""Roll-ups by campaign, agent and country: folded or still waiting, what is read is always what the events add up to."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import NOON, a_rate, an_account
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.errors import Invalid
from tollbook.usage import fold
from tollbook.usage.breakdown import Asked, By, Per, breakdown
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.tables import UsageBacklog, UsageByAttribute

DAY = timedelta(days=1)


def call(id: str, to: str = "+12125550100", at: datetime = NOON, **attributes: str) -> Event:
    return Event(id, "outbound", Decimal(60), at, to=to, attributes=attributes)


def told(
    account: Account, by: By, per: Per = Per.TOTAL, since: datetime = NOON - DAY, until: datetime = NOON + DAY
) -> list:
    found = breakdown(account, Asked(by, per, since, until))
    return [(line.value, line.events, line.cost) for line in found.lines]


def some_calls() -> list[Event]:
    return [
        call("a", "+12125550100", campaign="Spring", agent="Ann"),
        call("b", "+14165550100", campaign="Spring", agent="Bob"),
        call("c", "442079460000", campaign="Autumn"),
        call("d", "+12125550111", campaign="Spring", agent="Ann"),
        call("e", "anonymous", agent="Ann"),
    ]


def test_cost_by_campaign_agent_and_country_before_and_after_folding(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, some_calls())
    cents = Decimal("0.012")
    expected = {
        By.CAMPAIGN: [("Spring", 3, 3 * cents), ("", 1, cents), ("Autumn", 1, cents)],
        By.AGENT: [("Ann", 3, 3 * cents), ("", 1, cents), ("Bob", 1, cents)],
        By.COUNTRY: [("US", 2, 2 * cents), ("", 1, cents), ("CA", 1, cents), ("GB", 1, cents)],
        By.TYPE: [("outbound", 5, 5 * cents)],
    }
    for fold_first in (False, True):
        if fold_first:
            assert fold.fold_waiting() == 5
        assert {by: told(account, by) for by in By} == expected
        assert audit() == []
    assert not UsageBacklog.objects.exists()
    assert fold.fold_waiting() == 0


def test_what_arrives_after_a_fold_is_added_to_what_was_folded(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, some_calls())
    fold.fold_waiting()
    record(account.id, [call("f", campaign="Spring")])
    assert told(account, By.CAMPAIGN)[0] == ("Spring", 4, Decimal("0.048"))
    fold.fold_waiting()
    assert told(account, By.CAMPAIGN)[0] == ("Spring", 4, Decimal("0.048"))
    assert audit() == []


@pytest.mark.parametrize(
    "timezone", ["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize("folded", [False, True])
def test_days_and_hours_are_local_ones_in_every_time_zone(db, timezone: str, folded: bool) -> None:
    account = an_account(timezone=timezone)
    a_rate()
    zone = ZoneInfo(timezone)
    begin = datetime(2026, 3, 30, tzinfo=UTC)
    instants = [begin + timedelta(minutes=5) + timedelta(minutes=15 * step) for step in range(4 * 24 * 8)]
    record(account.id, [call(f"e{place}", at=at, campaign="x") for place, at in enumerate(instants)])
    if folded:
        fold.fold_waiting()
    days: dict = defaultdict(int)
    for at in instants:
        days[at.astimezone(zone).date()] += 1
    found = breakdown(account, Asked(By.CAMPAIGN, Per.DAY, instants[0], instants[-1] + timedelta(seconds=1)))
    assert {line.begins_at.astimezone(zone).date(): line.events for line in found.lines} == days
    hourly = breakdown(account, Asked(By.CAMPAIGN, Per.HOUR, instants[0], instants[-1] + timedelta(seconds=1)))
    assert sum(line.events for line in hourly.lines) == len(instants)
    assert all(line.begins_at.astimezone(zone).minute in (0, 30) for line in hourly.lines)


def test_buckets_are_as_fine_as_the_time_zone_needs(db) -> None:
    widths = {"UTC": 60, "America/New_York": 60, "Asia/Kolkata": 30, "Asia/Kathmandu": 15, "Australia/Lord_Howe": 30}
    assert {zone: fold.width_of(zone) for zone in widths} == {zone: timedelta(minutes=m) for zone, m in widths.items()}


def test_large_backlogs_are_folded_some_batches_at_a_time(db, monkeypatch) -> None:
    account = an_account()
    a_rate()
    for number in range(9):
        record(account.id, [call(f"{number}-{one}", agent=f"agent {one}") for one in range(3)])
    monkeypatch.setattr(fold, "EVENTS_AT_ONCE", 5)
    assert fold.fold_waiting() == 27
    assert [row.events for row in UsageByAttribute.objects.filter(attribute="agent")] == [9, 9, 9]
    assert audit() == []


def test_reports_are_right_while_four_record_and_two_fold(db) -> None:
    account = an_account()
    a_rate()
    errors: list[BaseException] = []
    stop = threading.Event()

    def send(number: int) -> None:
        for batch in range(12):
            record(account.id, [call(f"{number}-{batch}-{one}", agent=f"agent {one % 3}") for one in range(7)])

    def read() -> None:
        while not stop.is_set():
            fold.fold_waiting()
            counts = [sum(events for _, events, _ in told(account, by)) for by in (By.AGENT, By.TYPE, By.COUNTRY)]
            assert counts == sorted(counts) and all(count % 7 == 0 for count in counts), counts

    def guarded(work, *arguments) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    senders = [threading.Thread(target=guarded, args=(send, number)) for number in range(4)]
    readers = [threading.Thread(target=guarded, args=(read,)) for _ in range(2)]
    for thread in senders + readers:
        thread.start()
    for thread in senders:
        thread.join(60)
    stop.set()
    for thread in readers:
        thread.join(60)
    assert errors == []
    fold.fold_waiting()
    assert sum(events for _, events, _ in told(account, By.AGENT)) == 4 * 12 * 7
    assert audit() == []


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["+12125550100", "+919820000000", "", "+77012345678"]),
        st.sampled_from(["", "Ann", "Bob"]),
        st.integers(0, 5 * 24 * 60),
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.tuples(CALLS, st.booleans()), max_size=5), since=st.integers(0, 5), days=st.integers(1, 5))
def test_any_batches_and_folds_read_as_plain_sums(db, batches: list, since: int, days: int) -> None:
    db.empty()
    account = an_account(timezone="Asia/Kolkata")
    a_rate()
    zone, begin = ZoneInfo("Asia/Kolkata"), datetime(2026, 10, 1, tzinfo=UTC)
    sent: list[Event] = []
    for number, (calls, folds) in enumerate(batches):
        events = [
            call(f"{number}-{place}", to, begin + timedelta(minutes=minute), **({"agent": agent} if agent else {}))
            for place, (to, agent, minute) in enumerate(calls)
        ]
        sent += events
        record(account.id, events)
        if folds:
            fold.fold_waiting()
    first, last = begin + since * DAY, begin + (since + days) * DAY
    found = breakdown(account, Asked(By.AGENT, Per.DAY, first, last))
    expected: dict = defaultdict(int)
    for event in sent:
        if found.since <= event.occurred_at < found.until:
            expected[event.occurred_at.astimezone(zone).date(), event.attributes.get("agent", "")] += 1
    assert {(line.begins_at.astimezone(zone).date(), line.value): line.events for line in found.lines} == expected
    assert found.since.astimezone(zone).hour == 0 and found.since <= first and found.until >= last
    assert audit() == []


def test_nonsense_is_refused(db) -> None:
    account = an_account()
    for since, until in ((NOON, NOON), (NOON, NOON - DAY), (NOON - 4000 * DAY, NOON)):
        with pytest.raises(Invalid):
            breakdown(account, Asked(By.AGENT, Per.HOUR, since, until))
