"""What a change puts right of a period that is billed already, by worked examples."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tollbook.accounts.tables import Account
from tollbook.subscriptions.due import of_book
from tollbook.subscriptions.plan import Change, Plan, is_paused
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.record import Book

NOVEMBER = date(2026, 11, 1)
A_DAY = timedelta(days=1)
PAUSE_OF_DAYS = (5, 10)
PAUSE_OF_THE_MONTH = (1, 30)


def nov(day: int) -> date:
    return date(2026, 11, day)


def billed(*changes: Change) -> list[tuple[str, str]]:
    """The causes' ends and amounts of what ten at $12 a month are charged by 1 December, after the fee of November."""
    account = Account(id=UUID(int=1), anchor_on=NOVEMBER, currency="USD")
    plan = Plan(
        UUID(int=1), UUID(int=2), "Seats", "recurring", Decimal(10), Price("per_unit", Decimal(12)), NOVEMBER, None,
        NOVEMBER - A_DAY, NOVEMBER, prorated=True, changes=changes,
    )  # fmt: skip
    charges = [line for group in of_book(account, Book([plan], []), date(2026, 12, 1)) for line in group.charges]
    assert charges[0].amount == 120
    return [(line.cause.rpartition(":")[2], str(line.amount)) for line in charges[1:] if line.period.start_on == NOVEMBER]


def ends(known: int, last: int, prorated: bool) -> Change:
    return Change(uuid4(), "end", nov(known), nov(last) + A_DAY, until_on=nov(last), prorated=prorated)


def quantity(known: int, of: int, prorated: bool = True) -> Change:
    return Change(uuid4(), "quantity", nov(known), nov(known), quantity=Decimal(of), prorated=prorated)


def test_an_end_that_gives_nothing_back_still_gives_nothing_back_after_a_prorated_change() -> None:
    """19 of 30 days from 10 to 12; the end on the 20th was agreed to give nothing back."""
    assert billed(ends(10, 20, prorated=False), quantity(12, 12)) == [("back", "-76.00"), ("fee", "91.20")]


def test_a_quantity_that_counts_from_the_next_period_is_no_part_of_this_one() -> None:
    assert billed(quantity(5, 2, prorated=False), ends(15, 20, prorated=True)) == [("back", "-40.00")]


def test_an_end_that_is_taken_off_again_changes_nothing_that_it_did_not_change() -> None:
    goes_on = Change(uuid4(), "end", nov(12), nov(12), until_on=None)
    assert billed(ends(10, 20, prorated=False), goes_on) == []


@pytest.mark.parametrize("recorded", [[PAUSE_OF_DAYS, PAUSE_OF_THE_MONTH], [PAUSE_OF_THE_MONTH, PAUSE_OF_DAYS]])
def test_of_two_pauses_the_longer_one_goes_on_when_the_shorter_one_has_run_out(recorded: list[tuple[int, int]]) -> None:
    pauses = [Change(uuid4(), "pause", NOVEMBER, nov(first), until_on=nov(last)) for first, last in recorded]
    assert [day for day in range(1, 31) if not is_paused(pauses, nov(day))] == []
    assert not is_paused(pauses, date(2026, 12, 1))


def test_a_resumption_ends_every_pause_that_began_before_it() -> None:
    pauses = [Change(uuid4(), "pause", NOVEMBER, nov(first), until_on=nov(last)) for first, last in ((1, 30), (5, 10))]
    resumed = Change(uuid4(), "resume", nov(7), nov(7))
    assert [day for day in range(1, 31) if is_paused([*pauses, resumed], nov(day))] == [1, 2, 3, 4, 5, 6]
