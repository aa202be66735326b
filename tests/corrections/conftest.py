"""An account whose buyers pay 19 % of tax, and an invoice of two lines."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.tables import TaxRule
from tollbook.postgres.ids import new_id


@pytest.fixture
def account(db: Database) -> Account:
    """Northwind in Germany."""
    TaxRule.objects.create(
        id=new_id(), country="DE", valid_from=date(2020, 1, 1), tax_rate=Decimal(19), label="VAT", created_by="tests",
        created_at=datetime.now(UTC),
    )  # fmt: skip
    opened = open_account(NewAccount("northwind", "Northwind", date(2026, 1, 3)), SYSTEM)
    opened.country = opened.tax_country = "DE"
    opened.save()
    return opened
