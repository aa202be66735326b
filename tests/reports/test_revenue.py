"""Deferred and recognised revenue by day: from invoice to the last day, as a plain list says, and as the journal has it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connection

from tests.cast import an_account, funded
from tests.invoicing.test_deferral import credited, deferred
from tollbook.invoicing.deferral import recognise_due
from tollbook.ledger.tables import Transfer
from tollbook.reports.days import Days
from tollbook.reports.revenue import revenue

TODAY = datetime.now(UTC).date()


def test_each_day_opens_where_the_last_one_closed(db) -> None:
    account = an_account()
    row = deferred(account, "90.00", since=0, days=90)
    funded(account, "sms", "-5")
    recognise_due(today=TODAY + timedelta(days=3))
    credited(account, row, Decimal(6))
    move_recognition_to_its_days(db)
    report = revenue(Days(TODAY - timedelta(days=1), TODAY + timedelta(days=3)))
    told = [(one.day, one.opening, one.deferred, one.credited, one.earned, one.closing, one.revenue) for one in report.rows]
    assert told == [
        (TODAY, 0, 90, -6, -1, 83, 6),
        *((TODAY + timedelta(days=day), 84 - day, 0, 0, -1, 83 - day, 1) for day in (1, 2, 3)),
    ]
    [whole] = report.totals()
    assert (whole.opening, whole.deferred, whole.credited, whole.earned, whole.closing) == (0, 90, -6, -4, 80)
    later = revenue(Days(TODAY + timedelta(days=2), TODAY + timedelta(days=3)))
    assert later.totals()[0].opening == 82 and later.totals()[0].closing == 80
    assert report.differences == later.differences == []


def test_what_is_left_is_told_by_the_month_in_which_it_will_be_earned(db) -> None:
    account = an_account()
    deferred(account, "100.00", since=0, days=100)
    deferred(account, "10.00", since=-50, days=20)
    deferred(account, "-7.77", since=-3, days=75, kind="discount")
    recognise_due(today=TODAY + timedelta(days=4))
    months = {one.month_on: one.amount for one in revenue(Days(TODAY, TODAY + timedelta(days=9))).months}
    assert sum(months.values()) == -sum_of_deferred(account)
    for month_on in sorted(months):
        before = -sum_of_deferred(account)
        following = (month_on + timedelta(days=31)).replace(day=1)
        recognise_due(today=following - timedelta(days=1))
        assert before + sum_of_deferred(account) == months[month_on]
    assert revenue(Days(TODAY, TODAY + timedelta(days=400))).months == []


def test_a_hand_in_the_tables_is_named(db) -> None:
    deferred(an_account(), "10.00", since=0, days=10)
    with db.connect("owner") as owner:
        owner.execute("UPDATE deferral SET total = 11")
    [named] = revenue(Days(TODAY, TODAY)).differences
    assert named == "USD: 11.000000 is left of deferrals; the books say 10.000000 is deferred"


def sum_of_deferred(account) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(amount) FROM entry WHERE account_id = %s AND code LIKE %s", [account.id, "deferred:%"]
        )
        return cursor.fetchone()[0]


def move_recognition_to_its_days(db) -> None:
    """As if each had been posted on the day that it is of."""
    with db.connect("owner") as owner:
        for id, reference in Transfer.objects.filter(kind="recognition").values_list("id", "reference"):
            owner.execute("UPDATE transfer SET posted_at = %s::date + time '12:00' WHERE id = %s", [reference[:10], id])
