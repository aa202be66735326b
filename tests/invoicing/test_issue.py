"""Numbers without gaps, copies of what is printed, entries in the books, and nothing that changes afterwards."""

import random
import threading
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import ProgrammingError, connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import Database
from tests.invoicing.papers import DAY, draft, issued, line
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.invoicing.issue import AlreadyIssued, issue, number_of
from tollbook.invoicing.tables import Invoice, InvoiceKind, InvoiceLine, NumberSeries, OpenBalance
from tollbook.ledger.balance import sums
from tollbook.ledger.tables import Transfer
from tollbook.postgres.retry import in_transaction
from tollbook.postgres.scope import rows_of

KEPT = ("invoice", "invoice_line", "settlement", "invoice_file")


def test_numbers_begin_at_one_and_are_written_with_six_digits(account: Account) -> None:
    assert [issued(account).number for _ in range(2)] == ["INV-000001", "INV-000002"]
    assert number_of("INV", 12345678) == "INV-12345678"


def test_a_rolled_back_invoice_leaves_no_gap(account: Account) -> None:
    issued(account)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        issue(account, draft())
        1 / 0  # noqa: B018
    assert issued(account).number == "INV-000002"


def test_eight_threads_of_which_some_roll_back_draw_dense_unique_numbers(account: Account) -> None:
    """PrestaShop #28757, hitobito #4005: duplicate invoice numbers under two workers."""
    others = [open_account(NewAccount(f"other-{n}", "Other", DAY), SYSTEM) for n in range(3)]
    failures: list[BaseException] = []

    def issue_25(seed: int) -> None:
        dice = random.Random(seed)
        try:
            done = 0
            while done < 25:
                done += issue_one(dice)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    def issue_one(dice: random.Random) -> int:
        def work() -> None:
            issue(dice.choice([account, *others]), draft())
            if dice.random() < 0.3:
                raise KeyError("changed my mind")

        try:
            in_transaction(work)
            return 1
        except KeyError:
            return 0

    threads = [threading.Thread(target=issue_25, args=(seed,)) for seed in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, 201))
    assert NumberSeries.objects.get().last_number == 200


def test_one_cause_is_invoiced_once_and_the_second_attempt_costs_no_number(account: Account) -> None:
    issued(account, cause="period:2026-11-03")
    with pytest.raises(AlreadyIssued):
        issued(account, cause="period:2026-11-03")
    assert issued(account).number == "INV-000002"


def test_two_who_issue_one_cause_at_once_make_one_invoice(account: Account) -> None:
    barrier, outcomes = threading.Barrier(4), []

    def attempt() -> None:
        try:
            barrier.wait()
            outcomes.append(issued(account, cause="period:2026-11-03").number)
        except AlreadyIssued:
            outcomes.append("already")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(outcomes) == ["INV-000001", "already", "already", "already"]
    assert Transfer.objects.filter(account_id=account.id, kind="invoice").count() == 1


def test_everything_printed_is_copied(account: Account) -> None:
    made = issued(account)
    account.name, account.address, account.po_number = "Renamed", "Elsewhere", "PO-8"
    account.save()
    kept = Invoice.objects.get(account_id=account.id, id=made.id)
    assert kept.buyer["name"] == "Northwind" and kept.buyer["address"].startswith("1 Pike Street")
    assert kept.po_number == "PO-7" and kept.seller["name"]
    assert (kept.due_on, kept.grace_until_on) == (date(2026, 11, 17), date(2026, 11, 24))


def test_the_answer_is_what_is_stored(account: Account) -> None:
    made = issued(account, line("12.34"), line("0.66"), actor="Mia", payment_note="Paid.", due_on=DAY)
    kept = Invoice.objects.get(account_id=account.id, id=made.id)
    for name in [field.attname for field in Invoice._meta.concrete_fields]:
        assert getattr(made, name) == getattr(kept, name), name


def test_an_invoice_is_in_the_books(account: Account) -> None:
    issued(account, line("20.00"), line("5.50"), line("300.00", "revenue:setup"))
    assert sums(account.id) == {
        "receivable": Decimal("325.50"),
        "revenue:recurring": Decimal("-25.50"),
        "revenue:setup": -300,
    }


def test_a_refill_is_posted_by_the_wallet_and_not_again_here(account: Account) -> None:
    issued(account, line("50.00", "wallet:sms:paid"), kind=InvoiceKind.REFILL)
    assert sums(account.id) == {}


def test_an_invoice_of_nothing_is_paid_at_birth_and_not_in_the_books(account: Account) -> None:
    made = issued(account, line("0.00"))
    assert OpenBalance.objects.get(account_id=account.id, invoice_id=made.id).balance == 0
    assert sums(account.id) == {}


def test_a_discount_line_is_its_own_entry(account: Account) -> None:
    issued(account, line("10.00"), line("-10.00", "revenue:discount"))
    assert sums(account.id) == {"revenue:recurring": -10, "revenue:discount": 10}


@pytest.mark.parametrize(
    "lines", [[line("-0.01")], [line("0.005")], [line("NaN")], [line("1.00"), line("-2.00")]], ids=str
)
def test_lines_that_cannot_be_an_invoice_are_refused(account: Account, lines: list) -> None:
    with pytest.raises(Invalid):
        issued(account, *lines)
    assert not NumberSeries.objects.exists()


def test_an_invoice_without_lines_or_due_before_it_is_issued_is_refused(account: Account) -> None:
    with pytest.raises(Invalid, match="at least one line"), transaction.atomic():
        issue(account, replace(draft(), lines=()))
    with pytest.raises(Invalid, match="due before"):
        issued(account, due_on=date(2026, 11, 2))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-5_000, 100_000), min_size=1, max_size=30).filter(lambda cents: sum(cents) >= 0))
def test_lines_always_sum_to_the_total_and_to_the_books(account: Account, cents: list[int]) -> None:
    """Autumn #3407, lago #4642: rounded lines did not add up to the total by a cent."""
    before = sums(account.id).get("receivable", Decimal(0))
    made = issued(account, *(line(str(Decimal(amount) / 100)) for amount in cents))
    kept = InvoiceLine.objects.filter(account_id=account.id, invoice_id=made.id)
    assert sum(kept.values_list("amount", flat=True)) == made.total == made.subtotal + made.tax
    assert sums(account.id).get("receivable", Decimal(0)) - before == made.total
    assert OpenBalance.objects.get(account_id=account.id, invoice_id=made.id).balance == made.total


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("verb", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_neither_engine_nor_portal_can_change_what_was_issued(account: Account, table: str, verb: str) -> None:
    issued(account)
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(verb.format(table))
    with pytest.raises(ProgrammingError, match="permission denied"), rows_of(account.id), connection.cursor() as cursor:
        cursor.execute(verb.format(table))


@pytest.mark.parametrize("column", ["total", "number", "due_on", "grace_until_on", "issued_on"])
def test_the_copies_beside_the_balance_stay_too(account: Account, column: str) -> None:
    issued(account)
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(f"UPDATE open_balance SET {column} = {column}")


def test_the_portal_can_neither_issue_nor_touch_a_balance(account: Account, db: Database) -> None:
    issued(account)
    with pytest.raises(ProgrammingError, match="permission denied"), rows_of(account.id):
        issue(account, draft())
    with pytest.raises(ProgrammingError, match="permission denied"), rows_of(account.id):
        OpenBalance.objects.filter(account_id=account.id).update(balance=0)
