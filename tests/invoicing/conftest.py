"""An account, and the fixed day on which the tests of invoicing take place."""

from datetime import date

import pytest

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account


@pytest.fixture
def account(db: Database) -> Account:
    """Northwind: billed on the 3rd, terms of 14 days and 7 days of grace."""
    new = NewAccount(
        "northwind",
        "Northwind",
        date(2026, 1, 3),
        legal_name="Northwind Traders, Inc.",
        address="1 Pike Street\nSeattle, WA 98101",
        tax_id="91-1234567",
        po_number="PO-7",
        timezone="America/Los_Angeles",
    )
    return open_account(new, SYSTEM)
