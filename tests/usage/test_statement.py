"""Usage read back: local days in every time zone, the events behind a debit, one event opened."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.cast import LONG_AGO, NOON, a_rate, an_account, funded
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.ledger.tables import Transfer
from tollbook.money.amount import ZERO
from tollbook.postgres.scope import rows_of
from tollbook.usage import statement
from tollbook.usage.capture import capture
from tollbook.usage.event import Event
from tollbook.usage.record import quarter_of, record
from tollbook.usage.reserve import Item, reserve
from tollbook.usage.statement import Filter, start_of
from tollbook.usage.tables import UsageSum

ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Beirut",
    "America/Havana", "America/Santiago", "Pacific/Kiritimati", "Pacific/Niue", "Africa/Casablanca", "Asia/Tehran",
)  # fmt: skip


def call(id: str = "call", seconds: str = "61", **fields: object) -> Event:
    return replace(Event(id, "outbound", Decimal(seconds), NOON, to="12125550100", sender="12125550199"), **fields)


def first_id(account: Account) -> object:
    return Transfer.objects.filter(account_id=account.id, kind="usage").values_list("id", flat=True).first()


used_at = st.integers(0, 273 * 24 * 60).map(lambda minutes: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(minutes=minutes))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(ZONES),
    last_on=st.dates(date(2026, 3, 1), date(2026, 11, 20)),
    instants=st.lists(used_at, max_size=40),
    near=st.lists(st.integers(-40 * 24 * 4, 2 * 24 * 4), max_size=60),
)
@example("America/New_York", date(2026, 3, 8), [], list(range(-96, 96)))
@example("America/New_York", date(2026, 11, 1), [], list(range(-96, 96)))
@example("Asia/Beirut", date(2026, 3, 29), [], list(range(-96, 96)))
@example("Asia/Kathmandu", date(2026, 6, 1), [], list(range(-96, 96)))
def test_days_are_what_plain_python_says_in_every_zone_and_when_clocks_change_killbill_1934(
    db, zone: str, last_on: date, instants: list[datetime], near: list[int]
) -> None:
    account = an_account_once()
    with db.connect("owner") as owner:
        owner.execute("DELETE FROM usage_sum")
    around = datetime.combine(last_on, datetime.min.time(), UTC)
    instants = instants + [around + timedelta(minutes=15 * quarters + 7) for quarters in near]
    rows = {quarter_of(at): (index, at) for index, at in enumerate(instants, 1)}
    UsageSum.objects.bulk_create(
        UsageSum(
            account_id=account.id, type_code="outbound", quarter_at=quarter, events=index, quantity=60 * index,
            billed_quantity=66 * index, cost=Decimal(index) / 1000,
        )
        for quarter, (index, _) in rows.items()
    )  # fmt: skip
    expected: dict[date, int] = {}
    for index, at in rows.values():
        on = at.astimezone(ZoneInfo(zone)).date()
        expected[on] = expected.get(on, 0) + index
    days = statement.days(account.id, zone, last_on).get("outbound", [])
    shown = {day.on: day.events for day in days if day.events}
    window = [last_on - timedelta(days=back) for back in range(30)]
    assert shown == {on: count for on, count in expected.items() if on in window}
    for day in days:
        assert (day.quantity, day.billed, day.cost) == (60 * day.events, 66 * day.events, Decimal(day.events) / 1000)
    assert not days or [day.on for day in days] == sorted(window)


def an_account_once() -> Account:
    return Account.objects.filter(slug="northwind").first() or an_account()


@given(st.sampled_from(ZONES), st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_a_day_starts_at_its_first_instant(zone: str, on: date) -> None:
    start = start_of(on, zone)
    assert start.astimezone(ZoneInfo(zone)).date() == on
    assert (start - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < on


def test_days_agree_with_the_events_themselves(db) -> None:
    account = an_account(timezone="America/New_York")
    a_rate(cents="1.20", initial=6, step=6)
    at = datetime(2026, 11, 3, 4, 59, tzinfo=UTC)  # 23:59 on Nov 2 in New York
    record(account.id, [call("late", occurred_at=at), call("early", occurred_at=at + timedelta(minutes=2))])
    record(account.id, [call("free", "0", occurred_at=at)])
    days = statement.days(account.id, account.timezone, date(2026, 11, 3))["outbound"]
    assert [(day.on.day, day.events, day.billed, day.cost) for day in days[-2:]] == [
        (2, 2, Decimal(66), Decimal("0.0132")),
        (3, 1, Decimal(66), Decimal("0.0132")),
    ]


def test_a_type_without_usage_has_no_days(db) -> None:
    assert statement.days(an_account().id, "UTC", date(2026, 11, 3)) == {}


def test_a_debit_opens_to_its_events_in_pages(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call(f"call-{index:02}", occurred_at=NOON - timedelta(minutes=index)) for index in range(25)])
    pages = [statement.of_transfer(account.id, first_id(account), offset, 10) for offset in (0, 10, 20)]
    assert [len(page) for page in pages] == [10, 10, 5]
    ids = [used.id for page in pages for used in page]
    assert ids == [f"call-{index:02}" for index in reversed(range(25))]


def test_an_event_opens_with_everything_that_explains_its_cost(db) -> None:
    account = an_account()
    a_rate(cents="1.20", initial=6, step=6)
    record(account.id, [call(attributes={"campaign": "autumn"})])
    opened = statement.event(account.id, "call")
    assert (opened.used.quantity, opened.used.billed, opened.used.cost) == (61, 66, Decimal("0.0132"))
    assert opened.recomputed == opened.used.cost
    assert (opened.unit, opened.attributes) == ("seconds", {"campaign": "autumn"})
    assert (opened.terms.initial_seconds, opened.terms.increment_seconds) == (6, 6)
    assert opened.transfer is not None and opened.transfer.id == first_id(account)


def test_an_event_keeps_the_rate_it_was_rated_with(db) -> None:
    account = an_account()
    a_rate(cents="1.20", initial=6, step=6)
    record(account.id, [call()])
    a_rate(cents="9.99", valid_from=datetime.now(UTC))
    opened = statement.event(account.id, "call")
    assert opened.terms.rate_cents == Decimal("1.2") and opened.recomputed == Decimal("0.0132")


def test_what_cost_nothing_is_listed_although_no_debit_has_it(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call("unanswered", "0")])
    opened = statement.event(account.id, "unanswered")
    assert (opened.used.cost, opened.transfer) == (ZERO, None)
    assert [used.id for used in statement.page(account.id, Filter("outbound")).rows] == ["unanswered"]


def test_another_accounts_event_is_not_found(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate()
    record(theirs.id, [call()])
    for account_id in (ours.id, theirs.id):
        with rows_of(ours.id), pytest.raises(NotFound):
            statement.event(account_id, "call")


@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_pages_of_events_forward_and_back_show_each_once(db, size: int) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call(f"{index}", occurred_at=NOON - timedelta(minutes=index // 3)) for index in range(7)])
    wanted = Filter("outbound")
    whole = [used.id for used in statement.page(account.id, wanted, size=100).rows]
    assert len(whole) == 7
    page, seen = statement.page(account.id, wanted, size=size), []
    while True:
        seen.append([used.id for used in page.rows])
        if page.older is None:
            break
        page = statement.page(account.id, wanted, older_than=page.older, size=size)
    assert [id for ids in seen for id in ids] == whole
    back = []
    while page.newer is not None:
        page = statement.page(account.id, wanted, newer_than=page.newer, size=size)
        back.append([used.id for used in page.rows])
    assert list(reversed(back)) == seen[:-1]


def test_events_can_be_found_by_id_number_and_day(db) -> None:
    account = an_account()
    a_rate()
    a_rate("sms")
    record(account.id, [call("a"), call("b", to="4930123"), call("c", occurred_at=NOON - timedelta(days=2))])
    record(account.id, [call("d", type="sms", quantity=Decimal(1))])

    def found(**filter: object) -> list[str]:
        return sorted(used.id for used in statement.page(account.id, Filter("outbound", **filter)).rows)

    assert found() == ["a", "b", "c"]
    assert found(text="b") == ["b"]
    assert found(text="4930123") == ["b"]
    assert found(text="12125550199") == ["a", "b", "c"]
    assert found(since=NOON - timedelta(days=1)) == ["a", "b"]
    assert found(until=NOON) == ["c"]


def test_an_id_may_hold_any_character(db) -> None:
    account = an_account()
    a_rate()
    ids = ["a/b?c=d&e#f", "..", "100 %_x", "überall", "a_b_c"]
    record(account.id, [call(id) for id in ids])
    for id in ids:
        assert statement.event(account.id, id).used.id == id
        key = statement.event(account.id, id).used.key
        assert statement.key_of(str(key)) == key


def test_nonsense_is_no_place_in_the_list() -> None:
    for nonsense in ("", "yesterday", "2026-01-01T00:00:00_x", f"{LONG_AGO.isoformat()}_", "\0"):
        with pytest.raises(Invalid):
            statement.key_of(nonsense)


def test_a_hold_leads_to_what_it_became(db) -> None:
    account = an_account()
    a_rate()
    a_rate("speech_to_text")
    funded(account)
    funded(account, "speech_to_text")
    hold = reserve(account, "call", [Item("outbound", Decimal(60)), Item("speech_to_text", Decimal(60))])
    find = statement.events_of_holds
    assert find(account.id, "outbound", ["call"]) == find(account.id, "outbound", []) == {}
    capture(account, hold.id, [Item("outbound", Decimal(60)), Item("speech_to_text", Decimal(60))], NOON, {})
    assert find(account.id, "outbound", ["call", "other"]) == {"call": "call"}
    assert find(account.id, "speech_to_text", ["call"]) == {"call": "call#speech_to_text"}
