"""The statement of a period adds up, wallet by wallet and day by day, from the books alone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.ledger.tables import Transfer
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reverse import Reversal, reverse
from tollbook.wallets.statement import Part, statement_of

DAY = timedelta(days=1)


def use(account: Account, id: str, seconds: int = 60) -> None:
    record(account.id, [Event(id, "outbound", Decimal(seconds), NOON)])


def outbound(account: Account, first_on: date, last_on: date) -> Part:
    return next(part for part in statement_of(account, first_on, last_on).parts if part.type_code == "outbound")


def told(part: Part) -> list[tuple[str, str, Decimal, Decimal]]:
    return [(line.on.isoformat(), line.kind, line.amount, line.balance) for line in part.lines]


@pytest.fixture
def account(db) -> Account:
    """Seven movements of one wallet, a day apart at noon in New York, the clocks put back on the third day."""
    made = an_account(timezone="America/New_York")
    a_rate(cents="600", initial=1, step=1)
    funded(made)
    use(made, "a")
    use(made, "b")
    funded(made, amount="5", purse="granted")
    reverse(made.id, Reversal("back", "a", NOON, reason="x"))
    use(made, "c")
    funded(made, amount="-1")
    at = datetime(2026, 10, 30, 12, tzinfo=ZoneInfo("America/New_York"))
    with db.connect("owner") as owner:
        for place, transfer in enumerate(Transfer.objects.order_by("wallet_seq")):
            when = (at + place * DAY).astimezone(UTC)
            owner.execute("UPDATE transfer SET posted_at = %s WHERE id = %s", [when, transfer.id])
    return made


def test_opening_movements_and_closing_add_up_day_by_day(account: Account) -> None:
    part = outbound(account, date(2026, 10, 31), date(2026, 11, 4))
    assert (part.opening, part.closing) == (100, 93)
    assert told(part) == [
        ("2026-10-31", "usage", -6, 94),
        ("2026-11-01", "usage", -6, 88),
        ("2026-11-02", "grant", 5, 93),
        ("2026-11-03", "reversal", 6, 99),
        ("2026-11-04", "usage", -6, 93),
    ]
    assert (part.total("usage"), part.total("reversal"), part.others) == (-18, 6, 5)
    assert part.opening + sum(line.amount for line in part.lines) == part.closing
    assert part.lines[3].description == "1 event" and part.lines[2].description == "for a test"


def test_statements_of_adjoining_periods_fit_together(account: Account) -> None:
    days = [date(2026, 10, 29) + place * DAY for place in range(10)]
    whole = outbound(account, days[0], days[-1])
    assert (whole.opening, whole.closing) == (0, wallet(account).paid + wallet(account).granted)
    singles = [outbound(account, on, on) for on in days]
    assert [line for part in singles for line in part.lines] == whole.lines
    for before, after in zip(singles, singles[1:], strict=False):
        assert before.closing == after.opening


def test_a_day_begins_at_local_midnight(account: Account, db) -> None:
    first = Transfer.objects.get(wallet_seq=1).id
    with db.connect("owner") as owner:
        owner.execute("UPDATE transfer SET posted_at = '2026-10-30 04:00:00+00' WHERE id = %s", [first])
        assert outbound(account, date(2026, 10, 30), date(2026, 10, 30)).opening == 0
        owner.execute("UPDATE transfer SET posted_at = '2026-10-30 03:59:59.999999+00' WHERE id = %s", [first])
        assert outbound(account, date(2026, 10, 30), date(2026, 10, 30)).opening == 100


def test_every_wallet_has_its_part_even_if_nothing_moved_it(account: Account) -> None:
    parts = statement_of(account, date(2026, 11, 1), date(2026, 11, 30)).parts
    assert len(parts) == 7 and [part.closing for part in parts if part.lines == []] == [0] * 6


@pytest.mark.parametrize(
    ("first_on", "last_on"),
    [
        (date(2026, 11, 2), date(2026, 11, 1)),
        (date(2020, 1, 1), date(2026, 1, 1)),
        (date(1, 1, 1), date(1, 1, 2)),
        (date(9999, 12, 30), date(9999, 12, 31)),
    ],
)
def test_days_out_of_reason_are_refused(db, first_on: date, last_on: date) -> None:
    with pytest.raises(Invalid):
        statement_of(an_account(), first_on, last_on)
