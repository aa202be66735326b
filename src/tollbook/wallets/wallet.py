"""Open an account's wallets, find and lock them."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute
from tollbook.rating.tables import CreditType
from tollbook.wallets.tables import Wallet

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Locked:
    """A wallet as it stands under its row lock. Amounts in `currency`, 6 places."""

    id: UUID
    type_code: str
    currency: str
    paid: Decimal
    granted: Decimal
    held: Decimal

    @property
    def balance(self) -> Decimal:
        """All its money, held or not."""
        return self.paid + self.granted


def open_wallets(account: Account) -> None:
    """Open a wallet for every active credit type that has none. Any transaction; no locks; safe to repeat."""
    codes = list(CreditType.objects.filter(is_active=True).values_list("code", flat=True))
    ids = [new_id() for _ in codes]
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["open_missing"],
            {"account_id": account.id, "currency": account.currency, "ids": ids, "type_codes": codes},
        )


def lock(account_id: UUID, type_codes: Collection[str]) -> dict[str, Locked]:
    """Lock the account's wallets of these types, in id order, until the transaction ends; those that exist, by type."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["lock"], {"account_id": account_id, "type_codes": sorted(type_codes)})
        rows = cursor.fetchall()
    return {row[1]: Locked(*row) for row in rows}


def lock_all(wanted: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], Locked]:
    """Lock wallets of any accounts, in order of account and id, until the transaction ends; those that exist, by account
    and type."""
    found = execute(SQL["lock_all"], {"wallets": as_json(wanted)}).fetchall()
    return {(row[0], row[2]): Locked(*row[1:]) for row in found}


def of_account(account_id: UUID) -> list[Wallet]:
    """The account's wallets in the order of the credit types."""
    order = dict(CreditType.objects.values_list("code", "position"))
    return sorted(Wallet.objects.filter(account_id=account_id), key=lambda wallet: order[wallet.type_code])


def code_of(type_code: str, purse: str) -> str:
    """The account of the books that stands for a wallet's `paid` or `granted` money."""
    return f"wallet:{type_code}:{purse}"
