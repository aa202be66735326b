"""The audit finds what only a hand in the tables could have done to invoices."""

from datetime import date

import pytest

from tests.databases import Database
from tests.invoicing.papers import issued, line
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit


@pytest.fixture
def account(db: Database) -> Account:
    """An account with three invoices."""
    opened = open_account(NewAccount("northwind", "Northwind", date(2026, 1, 3)), SYSTEM)
    for amount in ("10.00", "0.00", "30.00"):
        issued(opened, line(amount))
    return opened


def test_issued_invoices_are_proven(account: Account) -> None:
    assert audit([account]) == []


@pytest.mark.parametrize(
    ("forgery", "rule"),
    [
        (
            "UPDATE open_balance SET due_on = due_on + 1, grace_until_on = grace_until_on + 1",
            "open_balances_copy_their_invoices",
        ),
        ("UPDATE open_balance SET number = 'INV-9'", "open_balances_copy_their_invoices"),
        ("UPDATE open_balance SET balance = 0", "open_balances_equal_settlements"),
        ("UPDATE invoice_line SET amount = amount + 0.01", "invoice_lines_equal_their_total"),
        ("UPDATE entry SET amount = 2 * amount", "receivable_equals_open_balances"),
        ("UPDATE number_series SET last_number = 4", "numbers_are_dense"),
    ],
)
def test_a_forged_row_is_named_by_its_rule(account: Account, db: Database, forgery: str, rule: str) -> None:
    with db.connect("owner") as connection:
        connection.execute(forgery)
    assert rule in [finding.rule for finding in audit(None)]
