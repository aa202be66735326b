"""What a receipt or a statement has at its head: seller and buyer as they stand on the day it is made."""

from typing import Any

from tollbook.accounts.tables import Account
from tollbook.invoicing.document.paper import PLAIN_ACCENT
from tollbook.invoicing.file import locale_of, party
from tollbook.invoicing.seller import buyer, sellers


def letterhead(account: Account) -> dict[str, Any]:
    """Fields of a `Sheet`: both parties, logo, colour, locale and time zone. Two reads at most."""
    printed, copied = sellers([account.seller_code])[account.seller_code].printed, buyer(account)
    return {
        "seller": party(printed),
        "buyer": party(copied),
        "logo_svg": printed["logo_svg"] or None,
        "accent": printed["accent"] or PLAIN_ACCENT,
        "locale": locale_of(copied),
        "zone": account.timezone,
    }
