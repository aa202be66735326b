"""An account of its own and two components."""

from datetime import date
from decimal import Decimal

import pytest

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.tables import FeeKind


@pytest.fixture
def account(db: Database) -> Account:
    """Northwind, billed on the 31st; seats at 24.995 a month, onboarding at 300 once."""
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal("24.995"), SYSTEM)
    offer("onboarding", "Onboarding", FeeKind.SETUP, Decimal(300), SYSTEM)
    return open_account(NewAccount("northwind", "Northwind", date(2026, 1, 31)), SYSTEM)
