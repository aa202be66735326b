"""Invoice History: filters, orders, pages and totals, compared with a plain list in Python."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases import Database
from tests.invoicing.papers import issued, line, payment
from tests.many_invoices import Loaded, load
from tollbook.accounts.account import NewAccount, open_account, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.invoicing import history
from tollbook.invoicing.history import Filter, Sort, SortKey
from tollbook.invoicing.settle import settle
from tollbook.invoicing.status import Status, status_of
from tollbook.postgres.scope import rows_of

TODAY = date(2026, 11, 20)
Model = tuple[Account, list[Loaded]]


@pytest.fixture(scope="module")
def model(database: Database) -> Iterator[Model]:
    """2,300 invoices of one account, in two series, and some of another that must never be seen."""
    database.empty()
    account = open_account(NewAccount("northwind", "Northwind", date(2026, 1, 3)), SYSTEM)
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    made = load(database, account, 2_000, until=TODAY, open_share=0.5)
    made += load(database, account, 300, until=TODAY - timedelta(days=400), series="INV-26", seed=2, behind=2_000)
    load(database, other, 20, until=TODAY, open_share=1, seed=1)
    yield account, made


def status(one: Loaded) -> Status:
    return status_of(one.balance, one.written_off, one.due_on, one.grace_until_on, TODAY)


def expected(made: list[Loaded], wanted: Filter, sort: Sort) -> list[str]:
    """The same by hand."""
    kept = [
        one
        for one in made
        if (not wanted.statuses or status(one) in wanted.statuses)
        and (wanted.issued_from is None or one.issued_on >= wanted.issued_from)
        and (wanted.issued_until is None or one.issued_on <= wanted.issued_until)
        and wanted.number.strip().upper() in one.number
    ]
    kept.sort(key=lambda one: one.sequence, reverse=sort.descending)
    if sort.key == SortKey.STATUS:
        kept.sort(key=lambda one: (one.issued_on, one.sequence), reverse=True)
    keys = {
        SortKey.NUMBER: lambda one: one.sequence,
        SortKey.AMOUNT: lambda one: one.total,
        SortKey.BALANCE: lambda one: one.balance,
        SortKey.DATE: lambda one: one.issued_on,
        SortKey.STATUS: lambda one: list(Status).index(status(one)),
    }
    kept.sort(key=keys[sort.key], reverse=sort.descending)  # a stable sort, in either direction
    return [one.number for one in kept]


filters = st.builds(
    Filter,
    statuses=st.frozensets(st.sampled_from(Status)),
    issued_from=st.none() | st.dates(date(2021, 11, 1), TODAY),
    issued_until=st.none() | st.dates(date(2021, 11, 1), TODAY),
    number=st.sampled_from(
        ["", "1", "29", "inv-0001", " INV ", "000042", "26", "V-26-", "6-0021", "12", "0121", "%", "' OR true --"]
    ),
)
fews = st.sampled_from([0, 40, 700, history.FEW])
sorts = st.builds(Sort, st.sampled_from(SortKey), st.booleans())


@settings(max_examples=300)
@given(wanted=filters, sort=sorts, number=st.integers(-1, 80), size=st.integers(1, 60), few=fews)
def test_every_page_is_the_slice_of_the_list(
    model: Model, wanted: Filter, sort: Sort, number: int, size: int, few: int
) -> None:
    """Whether the list counts as long or not, and what is asked for as little of it or not."""
    account, made = model
    whole = expected(made, wanted, sort)
    with patch.object(history, "FEW", few):
        page = history.page(account.id, wanted, sort, number, size, TODAY)
    assert page.total_count == len(whole)
    assert page.number == min(max(number, 1), page.page_count)
    first = (page.number - 1) * size
    assert [row.number for row in page.rows] == whole[first : first + size]
    assert sum(page.counts.values()) == len(expected(made, Filter(frozenset(), *_without_statuses(wanted)), sort))


def _without_statuses(wanted: Filter) -> tuple[date | None, date | None, str]:
    return wanted.issued_from, wanted.issued_until, wanted.number


@settings(max_examples=40)
@given(wanted=filters, sort=sorts)
def test_the_rows_for_csv_are_the_same_list(model: Model, wanted: Filter, sort: Sort) -> None:
    account, made = model
    assert [row.number for row in history.rows(account.id, wanted, sort, TODAY)] == expected(made, wanted, sort)


@settings(max_examples=40)
@given(wanted=filters, limit=st.integers(20, 500))
def test_keyset_pages_for_machines_make_up_the_same_list(model: Model, wanted: Filter, limit: int) -> None:
    account, made = model
    found: list[history.Row] = []
    while chunk := history.newest(account.id, wanted, found[-1].sequence if found else None, limit, TODAY):
        found += chunk
    assert [row.number for row in found] == expected(made, wanted, Sort(SortKey.NUMBER, True))


def test_a_row_tells_what_the_page_shows(model: Model) -> None:
    account, made = model
    [row] = history.page(account.id, Filter(number="000123"), Sort(), today=TODAY).rows
    one = made[122]
    assert (row.number, row.total, row.balance, row.status) == (one.number, one.total, one.balance, status(one))
    assert (row.id, row.issued_on, row.due_on, row.currency) == (one.id, one.issued_on, one.due_on, "USD")


def test_what_is_owed_is_the_sum_of_all_balances(model: Model) -> None:
    account, made = model
    overdue = [one for one in made if status(one) == Status.OVERDUE]
    owed = history.owed(account.id, TODAY)
    assert (owed.amount, owed.open_count) == (sum(one.balance for one in made), sum(one.balance > 0 for one in made))
    assert (owed.overdue_amount, owed.overdue_count) == (sum(one.balance for one in overdue), len(overdue))
    assert history.page(account.id, Filter(number="000123"), Sort(), today=TODAY).owed == owed


@settings(max_examples=60)
@given(wanted=filters, few=fews)
def test_owed_here_and_counts_are_of_what_was_asked_for(model: Model, wanted: Filter, few: int) -> None:
    account, made = model
    with patch.object(history, "FEW", few):
        page = history.page(account.id, wanted, Sort(), today=TODAY)
    by_number = {one.number: one for one in made}
    asked_for = [by_number[number] for number in expected(made, wanted, Sort())]
    overdue = [one for one in asked_for if status(one) == Status.OVERDUE]
    assert page.owed_here.amount == sum(one.balance for one in asked_for)
    assert page.owed_here.open_count == sum(one.balance > 0 for one in asked_for)
    assert page.owed_here.overdue_amount == sum(one.balance for one in overdue)
    assert page.owed_here.overdue_count == len(overdue)
    for each in Status:
        only = Filter(frozenset([each]), *_without_statuses(wanted))
        assert page.counts[each] == len(expected(made, only, Sort()))


def test_the_portal_reads_all_of_it_and_of_nobody_else(model: Model) -> None:
    account, made = model
    with rows_of(account.id):
        assert history.page(account.id, Filter(), Sort(), 3, 25, TODAY).total_count == 2_300
        assert len(list(history.rows(account.id, Filter(), Sort(), TODAY))) == 2_300
        assert history.find(account.id, "INV-000007").invoice.id == made[6].id
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM open_balance")
            assert cursor.fetchone() == (2_300,)


@pytest.mark.parametrize("number", ["1234567", "12345678901234567890", "INV-12345678", "INV-1234567"])
def test_more_digits_than_any_number_has_find_nothing(model: Model, number: str) -> None:
    account, _ = model
    with patch.object(history, "FEW", 0):
        assert history.page(account.id, Filter(number=number), Sort(), today=TODAY).total_count == 0


@pytest.mark.parametrize("text", ["number", "-amount", "balance", "-status", "date"])
def test_an_order_reads_as_it_is_written(text: str) -> None:
    assert str(Sort.parse(text)) == text


@pytest.mark.parametrize("text", ["", "-", "secret", "number; DROP TABLE invoice"])
def test_an_unknown_order_is_the_newest_first(text: str) -> None:
    assert str(Sort.parse(text)) == "-date"


def test_an_opened_invoice_has_lines_and_settlements(account: Account) -> None:
    invoice, paid = issued(account, line("10.00"), line("5.00")), payment(account, "4.00")
    with transaction.atomic():
        settle(account.id, invoice.id, paid.id, Decimal(4))
    opened = history.find(account.id, invoice.number, invoice.due_on)
    assert [one.amount for one in opened.lines] == [10, 5]
    assert [(one.payment_id, one.amount) for one in opened.settlements] == [(paid.id, 4)]
    assert (opened.balance, opened.status) == (11, Status.UNPAID)


def test_another_accounts_invoice_is_not_found(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", TODAY), SYSTEM)
    invoice = issued(other)
    with pytest.raises(NotFound):
        history.find(account.id, invoice.number)


def test_today_is_the_accounts_own_day(db: Database) -> None:
    """At any moment it is a later day in Kiritimati than in Pago Pago: they are 25 hours apart."""
    east, west = (
        open_account(NewAccount(slug, slug, TODAY, timezone=zone), SYSTEM)
        for slug, zone in (("east", "Pacific/Kiritimati"), ("west", "Pacific/Pago_Pago"))
    )
    for account in (east, west):
        issued(account, issued_on=today_in(west), due_on=today_in(east))
    assert history.page(east.id, Filter(), Sort()).rows[0].status == Status.UNPAID
    assert history.page(west.id, Filter(), Sort()).rows[0].status == Status.POSTED
