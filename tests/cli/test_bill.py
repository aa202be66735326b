"""`tollbook bill`: invoices, or drafts where a person looks first."""

from collections.abc import Callable

import click
import pytest
from django.test import override_settings

from tests.cast import an_account
from tests.databases import Database
from tests.web.desk.test_credit_notes import seats
from tollbook.accounts.account import today_in
from tollbook.cli import books
from tollbook.invoicing.tables import DraftInvoice, Invoice

Said = Callable[[], str]


@pytest.fixture
def due(db: Database) -> None:
    """Seats that are due."""
    seats(an_account("northwind"), 2)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What was printed since it was asked last."""
    return lambda: capsys.readouterr().out


def test_what_is_due_is_issued_once(due: None, said: Said) -> None:
    books.bill(None, issue=False)
    assert said() == "1 invoices issued for 1 accounts: 40.00 USD.\n"
    books.bill(None, issue=False)
    assert said() == "0 invoices issued for 1 accounts.\n"
    assert Invoice.objects.count() == 1


@override_settings(BILLING_REVIEW=True)
def test_with_review_it_becomes_a_draft(due: None, said: Said) -> None:
    for new in (1, 0):
        books.bill(None, issue=False)
        assert f"{new} drafts are new" in said()
    assert (DraftInvoice.objects.count(), Invoice.objects.count()) == (1, 0)


@override_settings(BILLING_REVIEW=True)
def test_with_review_it_is_issued_when_somebody_says_so(due: None, said: Said) -> None:
    books.bill(None, issue=True)
    assert (DraftInvoice.objects.count(), Invoice.objects.count()) == (0, 1)


@override_settings(BILLING_REVIEW=True)
def test_with_review_no_other_day_is_drafted(due: None) -> None:
    with pytest.raises(click.ClickException, match="--issue"):
        books.bill(today_in(an_account("contoso")), issue=False)
    assert not DraftInvoice.objects.exists()
