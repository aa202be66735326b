"""Who issues, and to whom: copies of everything an invoice prints about both, made when it is issued."""

import re
from typing import Any

from django.conf import settings

from tollbook.accounts.tables import Account

SELLER_CODE = "operator"
"""Names the one seller there is in the number series and on invoices."""

SERIES = "INV"
"""The series of invoices; numbers look like INV-000132."""

_PRINTED = ("name", "legal_name", "address", "country", "tax_id", "email", "phone", "payment_instructions")
LARGEST_LOGO = 32_768
"""Characters of a logo's SVG that are copied with every invoice; a larger one gives way to the seller's name."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def seller() -> dict[str, Any]:
    """The operator as it stands in the settings now: texts, logo, and the accent colour when it is one (`#rrggbb`)."""
    operator = settings.OPERATOR
    accent, logo = str(operator.get("accent", "")), str(operator.get("logo_svg", ""))
    copied = {name: str(operator.get(name, "")) for name in _PRINTED}
    return copied | {
        "accent": accent if _COLOUR.fullmatch(accent) else "",
        "logo_svg": logo if len(logo) <= LARGEST_LOGO else "",
    }


def buyer(account: Account) -> dict[str, Any]:
    """The account as it stands now; `locale` and `timezone` decide how figures look and which days are meant."""
    return {
        "name": account.name,
        "legal_name": account.legal_name,
        "address": account.address,
        "country": account.country,
        "tax_id": account.tax_id,
        "email": account.billing_email,
        "locale": account.locale,
        "timezone": account.timezone,
    }
