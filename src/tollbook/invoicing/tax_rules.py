"""Keep the rules of tax: add one, from a day on; a rule that was used is ended by a newer one, never changed."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing.tables import TaxRule
from tollbook.invoicing.tax import STANDARD, ZERO_RATED
from tollbook.postgres.ids import new_id


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule as staff write it; see `TaxRule`. `tax_rate` in percent."""

    country: str
    tax_rate: Decimal
    label: str
    valid_from: date
    region: str = ""
    tax_code: str = ""
    note: str = ""
    is_inclusive: bool = False
    is_reverse_charge: bool = False


def listed() -> list[TaxRule]:
    """All rules, by place and category, the newest first. Reads only."""
    return list(TaxRule.objects.order_by("country", "region", "tax_code", "-valid_from"))


def add(new: NewRule, actor: Actor) -> TaxRule:
    """Add a rule, for documents from its day on. Own transaction; audited. Raises Invalid, Conflict when there is one."""
    _check(new)
    category = STANDARD if new.tax_rate else ZERO_RATED
    try:
        with transaction.atomic():
            facts = {name: getattr(new, name) for name in NewRule.__slots__}
            made = TaxRule.objects.create(
                id=new_id(), category=category, created_by=actor.name, created_at=datetime.now(UTC), **facts
            )
            after = {name: str(value) for name, value in facts.items() if value}
            note(OPERATOR_ID, actor, "tax.add", f"tax/{name_of(made)}", after=after)
    except IntegrityError:
        raise Conflict("There is a rule for this place and category from this day on already.", field="valid_from") from None
    return made


def withdraw(id: UUID, actor: Actor) -> None:
    """Remove a rule; documents keep what they were taxed with. Own transaction; audited. Raises NotFound."""
    with transaction.atomic():
        rule = TaxRule.objects.filter(id=id).first()
        if rule is None:
            raise NotFound("There is no such rule.")
        rule.delete()
        before = {"label": rule.label, "tax_rate": str(rule.tax_rate), "valid_from": str(rule.valid_from)}
        note(OPERATOR_ID, actor, "tax.withdraw", f"tax/{name_of(rule)}", before=before)


def name_of(rule: TaxRule) -> str:
    """The place and category that a rule is for: `US NY`, `DE books`, `everywhere else`."""
    return " ".join(part for part in (rule.country or "everywhere else", rule.region, rule.tax_code) if part)


def _check(new: NewRule) -> None:
    if new.country and not re.fullmatch(r"[A-Z]{2}", new.country):
        raise Invalid("A country is two capital letters, such as US.", field="country")
    if new.region and not new.country:
        raise Invalid("A region lies in a country.", field="country")
    if not new.tax_rate.is_finite() or not 0 <= new.tax_rate <= 100 or new.tax_rate != round(new.tax_rate, 6):
        raise Invalid("A rate lies between 0 and 100 percent, with up to 6 places.", field="tax_rate")
    if not new.label.strip():
        raise Invalid("Say what is printed, such as VAT.", field="label")
