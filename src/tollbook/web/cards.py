"""An account's cards as rows of a table, for its own people and for staff."""

from dataclasses import dataclass

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.payments import method
from tollbook.payments.method import Expiry
from tollbook.payments.tables import PaymentMethod
from tollbook.web import formats


@dataclass(frozen=True, slots=True)
class Row:
    """A card: its name, `12/2040`, the last day on which it is good, and whether that is near."""

    card: PaymentMethod
    label: str
    expires: str
    last_day: str
    expiry: Expiry

    @property
    def use(self) -> str:
        """What it is used for, if anything."""
        return "default" if self.card.is_default else "backup" if self.card.is_backup else ""

    @property
    def is_warned_of(self) -> bool:
        """Whether it is in use, and not for long."""
        return bool(self.use) and self.expiry != "good"


def rows(account: Account) -> list[Row]:
    """The default, the backup, then the others."""
    today = today_in(account)
    return [_row(card, method.expiry(card, today)) for card in method.of_account(account.id)]


def _row(card: PaymentMethod, expiry: Expiry) -> Row:
    expires = f"{card.expires_month:02d}/{card.expires_year}"
    return Row(card, method.label(card), expires, formats.day(method.expires_on(card)), expiry)
