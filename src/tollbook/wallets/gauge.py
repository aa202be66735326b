"""The numbers of an account's wallets as pages and machines show them: read only, of this second."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.accounts.tables import ZeroRule
from tollbook.money.amount import ZERO
from tollbook.postgres.named import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Gauge:
    """One wallet, amounts in `currency`, 6 places. `wallet_id` is None where the account has no wallet of the type yet.

    `used` is what was debited since the last funding at `since`, `funded` the balance right after it; both are about
    nothing when `since` is None. `overdraft` is how far below zero the account's zero rule lets it go.
    """

    type_code: str
    name: str
    unit: str
    currency: str
    wallet_id: UUID | None
    paid: Decimal
    granted: Decimal
    held: Decimal
    overdraft: Decimal
    used: Decimal
    funded: Decimal
    since: datetime | None

    @property
    def balance(self) -> Decimal:
        """All its money, held or not."""
        return self.paid + self.granted

    @property
    def prepaid(self) -> Decimal:
        """What is paid for or granted and not held: the balance less what is held. No overdraft, which is not prepaid."""
        return self.balance - self.held

    @property
    def available(self) -> Decimal:
        """What a new hold may take: balance - held + overdraft."""
        return self.prepaid + self.overdraft


def gauges(account_id: UUID) -> list[Gauge]:
    """A gauge per credit type in the types' order: the active ones, and retired ones that still hold money. One query."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["gauges"], {"account_id": account_id, "overdraft": ZeroRule.OVERDRAFT})
        return [Gauge(*row) for row in cursor.fetchall()]


def prepaid_credit(account_id: UUID) -> Decimal:
    """What all wallets of the account have together that is prepaid and not held, in its currency, 6 places. One query."""
    return sum((gauge.prepaid for gauge in gauges(account_id)), ZERO)
