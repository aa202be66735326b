"""Keep the sellers: what their documents print from now on, and how their series of numbers are called."""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Invalid
from tollbook.invoicing.seller import LARGEST_LOGO
from tollbook.invoicing.tables import SellerProfile

_SERIES = re.compile(r"[A-Z][A-Z0-9]{0,11}")
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
NEVER_CHANGED = ("series", "credit_series", "is_yearly")
"""A series that was begun goes on: another name for it would leave its numbers to another seller's."""


def listed() -> list[SellerProfile]:
    """All profiles, by code. Reads only."""
    return list(SellerProfile.objects.order_by("code"))


def find(code: str) -> SellerProfile | None:
    """The profile of this code."""
    return SellerProfile.objects.filter(code=code).first()


def keep(code: str, facts: Mapping[str, Any], actor: Actor) -> SellerProfile:
    """Make or change a seller's profile, for documents from now on; issued ones keep their copies.

    Own transaction; locks the profile. Audited. Raises Invalid with the field: its series never change, and no two sellers
    share one, so that a number names one document.
    """
    if not _CODE.fullmatch(code):
        raise Invalid("A code has small letters, digits and hyphens.", field="code")
    with transaction.atomic():
        known = SellerProfile.objects.select_for_update().filter(code=code).first()
        before = {name: str(getattr(known, name)) for name in facts} if known else {}
        profile = known or SellerProfile(code=code)
        for name, value in facts.items():
            if known and name in NEVER_CHANGED and getattr(known, name) != value:
                raise Invalid("The series of a seller never change.", field=name)
            setattr(profile, name, value)
        _check(profile)
        profile.save(force_insert=known is None)
        after = {name: str(value)[:200] for name, value in facts.items() if before.get(name) != str(value)}
        told = {name: before[name][:200] for name in after} if known else None
        note(OPERATOR_ID, actor, "seller.keep", f"seller/{code}", before=told, after=after)
    return profile


def _check(profile: SellerProfile) -> None:
    try:
        profile.clean_fields()
    except ValidationError as wrong:
        field, messages = next(iter(wrong.message_dict.items()))
        raise Invalid(messages[0], field=field) from None
    for name in ("series", "credit_series"):
        if not _SERIES.fullmatch(getattr(profile, name)):
            raise Invalid("A series has capital letters and digits, such as INV.", field=name)
    if len(profile.logo_svg) > LARGEST_LOGO:
        raise Invalid(f"A logo has at most {LARGEST_LOGO:,} characters.", field="logo_svg")
    others = SellerProfile.objects.exclude(code=profile.code)
    taken = {name for row in others.values_list("series", "credit_series") for name in row}
    if profile.code != "operator" and not others.filter(code="operator").exists():
        taken |= {"INV", "CN"}
    for name in ("series", "credit_series"):
        if getattr(profile, name) in taken:
            raise Invalid("Another seller has a series of this name.", field=name)
    if profile.series == profile.credit_series:
        raise Invalid("Invoices and credit notes have a series each.", field="credit_series")
