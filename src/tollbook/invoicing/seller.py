"""Who issues, and to whom: copies of everything a document prints about both, made when it is issued.

Each account is billed by one seller. A profile kept at the desk says what that seller's documents print and how its series
are called; the seller `operator` is, without a profile, the operator of the settings.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.invoicing.tables import SellerProfile

SELLER_CODE = "operator"
"""The seller of every account that has no other one."""

SERIES = "INV"
"""The series of invoices; numbers look like INV-000132."""

CREDIT_SERIES = "CN"
"""The series of credit notes."""

_PRINTED = ("name", "legal_name", "address", "country", "tax_id", "email", "phone", "payment_instructions")
LARGEST_LOGO = 32_768
"""Characters of a logo's SVG that are copied with every invoice; a larger one gives way to the seller's name."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller as it stands now: `printed` is copied on documents; `notes` are printed below those that have none."""

    code: str
    printed: dict[str, Any]
    series: str = SERIES
    credit_series: str = CREDIT_SERIES
    is_yearly: bool = False
    notes: str = ""

    @property
    def country(self) -> str:
        """Where it is taxed (ISO 3166)."""
        return str(self.printed["country"])

    def series_of(self, day: date) -> str:
        """The series that an invoice of this day is numbered in: `INV`, or `INV-2026`."""
        return f"{self.series}-{day.year}" if self.is_yearly else self.series

    def credit_series_of(self, day: date) -> str:
        """The same for a credit note."""
        return f"{self.credit_series}-{day.year}" if self.is_yearly else self.credit_series


def sellers(codes: Iterable[str]) -> dict[str, Seller]:
    """The sellers of these codes, in one read; `operator` without a profile is the operator of the settings.

    Raises Invalid for any other code without one: numbers are counted for each code, so that a mistyped one would give out
    the operator's numbers a second time.
    """
    wanted = set(codes)
    found = {profile.code: _of_profile(profile) for profile in SellerProfile.objects.filter(code__in=wanted)}
    if SELLER_CODE in wanted:
        found.setdefault(SELLER_CODE, Seller(SELLER_CODE, seller()))
    if missing := sorted(wanted - set(found)):
        raise Invalid(f"There is no seller “{missing[0]}”: choose who bills the account.", field="seller_code")
    return found


def choices() -> list[tuple[str, str]]:
    """Who may bill an account: code and name, the usual one first."""
    named = dict(SellerProfile.objects.order_by("name", "code").values_list("code", "name"))
    usual = named.pop(SELLER_CODE, None) or str(settings.OPERATOR.get("name", SELLER_CODE))
    return [(SELLER_CODE, usual), *named.items()]


def seller() -> dict[str, Any]:
    """The operator as it stands in the settings now: texts, logo, and the accent colour when it is one (`#rrggbb`)."""
    return _printed(settings.OPERATOR)


def buyer(account: Account) -> dict[str, Any]:
    """The account as it stands now; `locale` and `timezone` decide how figures look and which days are meant."""
    return {
        "name": account.name,
        "legal_name": account.legal_name,
        "address": account.address,
        "country": account.country,
        "region": account.region,
        "tax_id": account.tax_id,
        "email": account.billing_email,
        "locale": account.locale,
        "timezone": account.timezone,
    }


def _of_profile(profile: SellerProfile) -> Seller:
    facts = {name: getattr(profile, name) for name in (*_PRINTED, "accent", "logo_svg")}
    return Seller(
        code=profile.code,
        printed=_printed(facts),
        series=profile.series,
        credit_series=profile.credit_series,
        is_yearly=profile.is_yearly,
        notes=profile.notes,
    )


def _printed(facts: dict[str, Any]) -> dict[str, Any]:
    accent, logo = str(facts.get("accent", "")), str(facts.get("logo_svg", ""))
    copied = {name: str(facts.get(name, "")) for name in _PRINTED}
    return copied | {
        "accent": accent if _COLOUR.fullmatch(accent) else "",
        "logo_svg": logo if len(logo) <= LARGEST_LOGO else "",
    }
