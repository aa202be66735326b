"""The running record of a wallet: every movement once, before and after, in order, page by page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import uuid4

import pytest

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tests.databases import Database
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.ledger.tables import Transfer
from tollbook.postgres.scope import rows_of
from tollbook.usage.capture import capture
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reserve import Item, reserve
from tollbook.wallets import history
from tollbook.wallets.history import Filter, Kind
from tollbook.wallets.hold import release


def call(id: str, seconds: int = 60) -> Event:
    return Event(id, "outbound", Decimal(seconds), NOON)


def a_lively_wallet() -> Account:
    """Funded, used, held and captured, held and released, corrected: nine records and another account's."""
    account, other = an_account(), an_account("other")
    a_rate(cents="10", initial=60, step=60)
    funded(other, amount="9")
    funded(account, amount="5")
    record(account.id, [call("a"), call("b")])
    hold = reserve(account, "c", [Item("outbound", Decimal(120))])
    capture(account, hold.id, [Item("outbound", Decimal(60))], NOON, {})
    hold = reserve(account, "d", [Item("outbound", Decimal(60))])
    release(account.id, hold.id, "not answered")
    funded(account, amount="1", purse="granted")
    record(account.id, [call("e")])
    return account


def rows(account: Account, **filter: object) -> list[history.Row]:
    return history.page(account.id, wallet(account).id, Filter(**filter)).rows


def test_every_movement_stands_in_it_with_before_and_after(db) -> None:
    account = a_lively_wallet()
    told = [(row.kind, row.before, row.after) for row in reversed(rows(account))]
    assert told == [
        ("adjustment", Decimal(0), Decimal(5)),
        ("usage", Decimal(5), Decimal("4.8")),
        ("reserve", Decimal(0), Decimal("0.2")),
        ("capture", Decimal("0.2"), Decimal(0)),
        ("usage", Decimal("4.8"), Decimal("4.7")),
        ("reserve", Decimal(0), Decimal("0.1")),
        ("release", Decimal("0.1"), Decimal(0)),
        ("grant", Decimal("4.7"), Decimal("5.7")),
        ("usage", Decimal("5.7"), Decimal("5.6")),
    ]


def test_each_balance_begins_where_the_one_before_ended(db) -> None:
    account = a_lively_wallet()
    moved = [row for row in reversed(rows(account)) if not row.is_hold]
    assert all(earlier.after == later.before for earlier, later in pairwise(moved))
    assert sum(row.change for row in moved) == moved[-1].after


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.USAGE, ["usage"] * 3),
        (Kind.HOLD, ["release", "reserve", "capture", "reserve"]),
        (Kind.CORRECTION, ["grant", "adjustment"]),
        (Kind.REFILL, []),
    ],
)
def test_a_kind_can_be_chosen(db, kind: Kind, expected: list[str]) -> None:
    assert [row.kind for row in rows(a_lively_wallet(), kind=kind)] == expected


def test_days_can_be_chosen(db) -> None:
    account, now = a_lively_wallet(), datetime.now(UTC)
    assert len(rows(account, since=now - timedelta(minutes=5), until=now)) == 9
    assert rows(account, until=now - timedelta(minutes=5)) == []


@pytest.mark.parametrize("size", [1, 2, 4, 9, 10])
def test_pages_forward_and_back_show_each_record_once(db, size: int) -> None:
    account = a_lively_wallet()
    ids = (account.id, wallet(account).id)
    whole = [row.id for row in history.page(*ids, size=100).rows]
    page, seen = history.page(*ids, size=size), []
    assert page.newer is None
    while True:
        seen.append([row.id for row in page.rows])
        if page.older is None:
            break
        page = history.page(*ids, older_than=page.older, size=size)
    assert [id for ids_of_page in seen for id in ids_of_page] == whole
    back = []
    while page.newer is not None:
        page = history.page(*ids, newer_than=page.newer, size=size)
        back.append([row.id for row in page.rows])
    assert list(reversed(back)) == seen[:-1]


def test_a_row_that_arrives_meanwhile_moves_no_page(db) -> None:
    account = a_lively_wallet()
    ids = (account.id, wallet(account).id)
    first = history.page(*ids, size=4)
    expected = [row.id for row in history.page(*ids, older_than=first.older, size=4).rows]
    record(account.id, [call("meanwhile")])
    assert [row.id for row in history.page(*ids, older_than=first.older, size=4).rows] == expected


def test_a_file_has_the_same_rows_as_the_pages(db, monkeypatch) -> None:
    account = a_lively_wallet()
    monkeypatch.setattr(history, "MOST_ROWS", 4)
    lists = list(history.everything(account.id, wallet(account).id, Filter()))
    assert [len(some) for some in lists] == [4, 4, 1]
    assert [row for some in lists for row in some] == rows(account)


def test_a_key_can_be_written_and_read_back_and_nonsense_is_refused(db) -> None:
    key = rows(a_lively_wallet())[0].key
    assert history.key_of(str(key)) == key
    for nonsense in ("", "yesterday", f"{key.at.isoformat()}_x", f"2026-01-01T00:00:00_{uuid4()}", "\0"):
        with pytest.raises(Invalid):
            history.key_of(nonsense)


def test_another_account_sees_nothing(db) -> None:
    account, other = a_lively_wallet(), an_account("third")
    wallet_id = wallet(account).id
    with rows_of(other.id):
        assert history.page(account.id, wallet_id).rows == []


def spread(db: Database, account: Account, hours: int) -> datetime:
    """Move the transfers apart, an hour each, as if they had happened in the last days; answers the hour before them."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
    with db.connect("owner") as owner:
        owner.execute(
            "UPDATE transfer SET posted_at = %s + wallet_seq * interval '1 hour' WHERE account_id = %s",
            [start, account.id],
        )
    return start


def test_the_balance_over_time_has_every_level_of_a_quiet_wallet(db) -> None:
    account = a_lively_wallet()
    start = spread(db, account, 6)
    points = history.balances(account.id, wallet(account).id, start - timedelta(days=1), datetime.now(UTC))
    told = dict(Transfer.objects.filter(account_id=account.id).values_list("wallet_seq", "balance_after"))
    assert [balance for _, balance in points] == [Decimal(0), *(told[seq] for seq in sorted(told))]
    assert [when for when, _ in points][2:] == [start + timedelta(hours=seq) for seq in sorted(told)][1:]


def test_the_balance_of_a_busy_wallet_keeps_its_peaks(db) -> None:
    account = an_account()
    a_rate(cents="10", initial=60, step=60)
    for fill in range(3):
        funded(account, amount="5")
        for index in range(30):
            record(account.id, [call(f"{fill}-{index}")])
    spread(db, account, 100)
    points = history.balances(account.id, wallet(account).id, datetime.now(UTC) - timedelta(days=30), datetime.now(UTC))
    levels = [balance for _, balance in points]
    assert levels[0] == 0 and levels[-1] == 6
    assert {Decimal(5), Decimal(2), Decimal(7), Decimal(4), Decimal(9)} <= set(levels)
    assert len(points) <= history.BALANCE_POINTS + 8
    assert [when for when, _ in points] == sorted(when for when, _ in points)


def test_a_wallet_that_nothing_moved_has_no_balance_over_time(db) -> None:
    account, now = an_account(), datetime.now(UTC)
    assert history.balances(account.id, wallet(account).id, now - timedelta(days=30), now) == []
