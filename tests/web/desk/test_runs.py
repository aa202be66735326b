"""Billing runs at the desk: while they go on, and what they did."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from tests.cast import an_account
from tests.web.desk.conftest import Desk
from tests.web.desk.test_credit_notes import seats
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.invoicing import progress
from tollbook.invoicing.run import bill
from tollbook.invoicing.tables import BillingPart, BillingRun
from tollbook.postgres.ids import new_id

NOW = datetime(2026, 11, 3, 14, 2, tzinfo=UTC)


def a_run(*parts: dict[str, Any], finished: bool = True, age_days: int = 0) -> BillingRun:
    """A run with these parts, of 500 accounts each unless they say otherwise."""
    begun = NOW - timedelta(days=age_days)
    ended = begun + timedelta(seconds=66) if finished else None
    run = BillingRun.objects.create(id=new_id(), started_by="Tollbook", started_at=begun, finished_at=ended)
    whole = {"accounts": 500, "first_id": run.id, "last_id": run.id, "done_at": begun}
    for number, part in enumerate(parts):
        BillingPart.objects.create(**(whole | {"run_id": run.id, "part": number} | part))
    return run


def address(run: BillingRun) -> str:
    return f"/desk/billing-runs/{run.id}/"


def test_a_run_is_listed_with_what_it_did(desk: Desk, northwind: Account) -> None:
    seats(northwind, 2)
    report = bill()
    [run] = progress.newest()
    assert (run.accounts, run.done, run.invoices, run.left) == (1, 1, 1, 0)
    assert run.totals == report.totals == {"USD": Decimal(40)}
    page = desk.read("/desk/billing-runs/")
    assert "Complete" in page and "$40.00" in page and "1 invoice for 1 account" in page
    assert "$40.00" in desk.read(f"/desk/billing-runs/{run.id}/")
    assert "Billing runs" in desk.read("/desk/invoices/")


def test_a_run_under_way_says_how_far_it_is_and_is_looked_at_again(desk: Desk) -> None:
    done = {"invoices": 480, "told": {"totals": {"USD": "9600.00", "KWD": "12.345"}}}
    run = a_run(done, {"done_at": None}, {"done_at": None}, finished=False)
    answer = desk.get(address(run))
    assert answer["Refresh"] == "5"
    page = desk.read(address(run))
    assert "Under way" in page and "500 of 1,500" in page and "33 % is done; 1,000 accounts to go" in page
    assert "$9,600.00" in page and "12.345" in page
    assert desk.get("/desk/billing-runs/")["Refresh"] == "5"


def test_a_run_that_is_done_is_not_looked_at_again(desk: Desk) -> None:
    run = a_run({"invoices": 1})
    assert "Refresh" not in desk.get(address(run)) and "Refresh" not in desk.get("/desk/billing-runs/")
    assert "after 1 min 06 s" in desk.read(address(run))


@pytest.fixture
def left_over(northwind: Account) -> BillingRun:
    contoso = an_account("contoso")
    told = {
        "totals": {"USD": "20.00"},
        "failed": {"northwind": "The rules of tax name no rate.", "gone": "=HYPERLINK(1)"},
        "too_old": {"contoso": 2},
        "waiting": {"contoso": "-4.50"},
        "incomplete": [str(northwind.id), str(contoso.id), str(new_id())],
    }
    return a_run({"invoices": 1, "told": told}, {"invoices": 0, "told": {}})


def test_a_run_counts_as_left_what_its_page_lists(desk: Desk, northwind: Account) -> None:
    run = a_run({"invoices": 1, "told": {"incomplete": [str(northwind.id)]}})
    assert "Something is left" not in desk.read(address(run))


def test_what_a_run_was_not_done_with_is_named_with_the_reason(desk: Desk, left_over: BillingRun) -> None:
    page = desk.read(address(left_over))
    assert "Something is left" in page and "The rules of tax name no rate." in page
    assert "2 periods have no invoice" in page and "$4.50 is taken off the next invoice" in page
    content = desk.get(address(left_over)).content.decode()
    assert 'href="/desk/accounts/northwind/"' in content and 'href="/desk/accounts/contoso/"' in content


def test_the_report_of_a_run_is_a_file(desk: Desk, left_over: BillingRun) -> None:
    answer = desk.get(f"/desk/billing-runs/{left_over.id}.csv")
    assert "billing-run-2026-11-03-1402.csv" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    by = {(row["Account"], row["Outcome"]): row for row in rows}
    assert by["", "Issued"]["Amount"] == "20.00" and by["", "Accounts billed"]["Count"] == "1000"
    assert by["contoso", "More to give back than to bill"]["Amount"] == "4.50"
    assert by["gone", "Not finished"]["Reason"] == "'=HYPERLINK(1)"


def test_runs_that_had_nothing_to_do_are_listed_when_asked_for(desk: Desk) -> None:
    a_run({"invoices": 3})
    a_run({}, {"told": {"waiting": {"x": "-1"}, "incomplete": [str(new_id())]}})
    assert len(progress.newest()) == 1 and len(progress.newest(everything=True)) == 2
    assert "1,000" in desk.read("/desk/billing-runs/", all="yes") and "1,000" not in desk.read("/desk/billing-runs/")


def test_pages_of_runs_leave_none_out(desk: Desk) -> None:
    made = [a_run({"invoices": 1}).id for _ in range(5)]
    first = progress.newest(limit=2)
    rest = progress.newest(before=first[-1].id)
    assert [run.id for run in [*first, *rest]] == made[::-1]
    assert str(made[0]) in desk.get("/desk/billing-runs/", before=str(made[1])).content.decode()
    assert desk.get("/desk/billing-runs/", before="nonsense").status_code == 200


def test_a_run_that_is_forgotten_is_not_found(desk: Desk) -> None:
    assert desk.get(f"/desk/billing-runs/{new_id()}/").status_code == 404
    with pytest.raises(NotFound):
        progress.find(new_id())


def test_the_list_says_that_runs_wait_for_review(desk: Desk) -> None:
    assert "wait for review" not in desk.read("/desk/billing-runs/")
    with override_settings(BILLING_REVIEW=True):
        assert "wait for review" in desk.read("/desk/billing-runs/")
