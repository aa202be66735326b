"""The usual cast of a test: accounts with wallets, rates, and money in them."""

from datetime import UTC, date, datetime
from decimal import Decimal

from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.wallets.credit import adjust
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import open_wallets

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def an_account(slug: str = "northwind", **fields: object) -> Account:
    """An open account with a wallet of each kind."""
    account = open_account(NewAccount(slug=slug, name=slug.title(), anchor_on=date(2026, 1, 31), **fields), SYSTEM)
    open_wallets(account)
    return account


def a_rate(type_code: str = "outbound", cents: str = "1.20", initial: int = 6, step: int = 6, **fields: object) -> None:
    """A default rate that has been valid for long."""
    values = {"valid_from": LONG_AGO, "initial_seconds": initial, "increment_seconds": step} | fields
    set_rate(NewRate(type_code=type_code, rate_cents=Decimal(cents), **values), SYSTEM)


def funded(account: Account, type_code: str = "outbound", amount: str = "100", purse: str = "paid") -> None:
    """Money in a wallet, put there by a person."""
    adjust(account.id, type_code, Decimal(amount), purse, "for a test", SYSTEM)


def wallet(account: Account, type_code: str = "outbound") -> Wallet:
    """The wallet as it stands now."""
    return Wallet.objects.get(account_id=account.id, type_code=type_code)
