"""Paid, Posted, Unpaid, Overdue, Written off: DESIGN's table, in Python and in SQL."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import Database
from tollbook.invoicing.status import Status, condition, status_of

DUE, GRACE = date(2026, 11, 17), date(2026, 11, 24)
A_DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("balance", "written_off", "today", "status"),
    [
        ("0.01", "0", DUE - A_DAY, "Posted"),
        ("0.01", "0", DUE, "Unpaid"),
        ("0.01", "0", GRACE, "Unpaid"),
        ("0.01", "0", GRACE + A_DAY, "Overdue"),
        ("0", "0", DUE - A_DAY, "Paid"),
        ("0", "0", DUE, "Paid"),
        ("0", "0", GRACE + A_DAY, "Paid"),
        ("0", "0.01", DUE - A_DAY, "Written off"),
        ("0", "0.01", GRACE + A_DAY, "Written off"),
        ("0.01", "0.01", DUE - A_DAY, "Posted"),
        ("0.01", "0.01", GRACE + A_DAY, "Overdue"),
    ],
)
def test_the_status_at_every_boundary(balance: str, written_off: str, today: date, status: str) -> None:
    assert status_of(Decimal(balance), Decimal(written_off), DUE, GRACE, today).label == status


def test_without_grace_days_the_day_after_the_due_date_is_overdue() -> None:
    assert status_of(Decimal(1), Decimal(0), DUE, DUE, DUE) == Status.UNPAID
    assert status_of(Decimal(1), Decimal(0), DUE, DUE, DUE + A_DAY) == Status.OVERDUE


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.integers(0, 2), st.integers(-40, 40), st.integers(0, 30))
def test_python_and_sql_agree_and_exactly_one_status_holds(
    db: Database, cents: int, gone: int, age: int, grace_days: int
) -> None:
    balance, written_off, today = Decimal(cents) / 100, Decimal(gone) / 100, DUE + age * A_DAY
    grace = DUE + grace_days * A_DAY
    columns = ", ".join(condition([status]) for status in Status)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM (SELECT %(balance)s::numeric, %(off)s::numeric, %(due)s::date, %(grace)s::date)"
            " AS facts (balance, written_off, due_on, grace_until_on)",
            {"balance": balance, "off": written_off, "due": DUE, "grace": grace, "today": today},
        )
        holds = dict(zip(Status, cursor.fetchone(), strict=True))
    assert [status for status, held in holds.items() if held] == [status_of(balance, written_off, DUE, grace, today)]


def test_no_status_at_all_is_a_condition_that_nothing_meets() -> None:
    assert condition([]) == "FALSE"
