"""What can be subscribed to: offer it, give it another price from a day on, withdraw it.

What an account has subscribed to keeps its own name and price, unless it follows the component's price: then each of its
periods costs what is valid on its first day.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Invalid, NotFound
from tollbook.postgres.ids import new_id
from tollbook.rating.tables import CreditType
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.price import Model, Price
from tollbook.subscriptions.tables import Component, ComponentPrice, FeeKind, Interval


@dataclass(frozen=True, slots=True)
class Terms:
    """What a component is beside its price: months of a period, tax category (empty: the operator's standard one), and the
    credit of one type that one of it includes each month, in the account's currency (empty and zero: none).
    """

    months: int = 1
    tax_code: str = ""
    grant_type_code: str = ""
    grant_amount: Decimal = Decimal(0)


def offer(
    code: str, name: str, kind: FeeKind, price: Decimal | Price, actor: Actor, terms: Terms | None = None
) -> Component:
    """Offer a component at `price` (a plain amount is for one), or give a known one other facts for new subscriptions.

    Another price is valid from today on (UTC), also for those who follow it. Own transaction; locks the component. Raises
    Invalid for a bad price or empty name, or when kind or interval of a known component would change, because that would
    change what its subscriptions mean.
    """
    priced = price if isinstance(price, Price) else Price(Model.PER_UNIT, price)
    prices.check(priced)
    if not name.strip() or not code.strip():
        raise Invalid("A component needs a short code and a name.", field="name")
    with transaction.atomic():
        known = Component.objects.select_for_update().filter(code=code).first()
        before = known and _shown(known)
        wanted = terms or (_terms_of(known) if known else Terms())
        check(known, kind, wanted)
        values = {"name": name.strip(), "kind": kind, "is_active": True, **_priced(priced), **_facts(wanted)}
        component, _ = Component.objects.update_or_create(code=code, defaults=values)
        if before is None or before["price"] != _shown(component)["price"]:
            _add(code, priced, today())
        note(OPERATOR_ID, actor, "component.offer", f"component/{code}", before=before, after=_shown(component))
    return component


def set_price(code: str, price: Price, valid_from: date, actor: Actor) -> None:
    """Another price from the day `valid_from` on, which lies ahead: for new subscriptions, and for periods of those who
    follow the component that begin on that day or later. Own transaction; locks the component. Raises NotFound and Invalid.
    """
    prices.check(price)
    if valid_from <= today():
        raise Invalid("A price is scheduled for a day to come; what has begun is billed already.", field="valid_from")
    with transaction.atomic():
        component = _locked(code)
        before = {"price": prices.told(price_on(component, valid_from))}
        _add(code, price, valid_from)
        after = {"price": prices.told(price), "valid_from": valid_from.isoformat()}
        note(OPERATOR_ID, actor, "component.set_price", f"component/{code}", before=before, after=after)


def today() -> date:
    """The day on which prices begin: that of UTC, since components belong to no account."""
    return datetime.now(UTC).date()


def price_on(component: Component, day: date) -> Price:
    """What a new subscription costs that begins on `day`."""
    versions = ComponentPrice.objects.filter(component_code=component.code, valid_from__lte=day)
    latest = versions.order_by("-valid_from", "-recorded_at", "-id").first()
    chosen = latest or component
    return prices.of(chosen.model, chosen.price, chosen.scheme)


def coming(code: str, day: date) -> list[ComponentPrice]:
    """Prices that begin after `day`, the next one first."""
    return list(ComponentPrice.objects.filter(component_code=code, valid_from__gt=day).order_by("valid_from", "recorded_at"))


def withdraw(code: str, actor: Actor) -> Component:
    """Stop offering a component; running subscriptions go on. Own transaction; locks the component. Raises NotFound."""
    with transaction.atomic():
        component = _locked(code)
        component.is_active = False
        component.save(update_fields=["is_active"])
        note(OPERATOR_ID, actor, "component.withdraw", f"component/{code}", after={"is_active": False})
    return component


def _locked(code: str) -> Component:
    component = Component.objects.select_for_update().filter(code=code).first()
    if component is None:
        raise NotFound(f"There is no component “{code}”.")
    return component


def _add(code: str, price: Price, valid_from: date) -> None:
    ComponentPrice.objects.create(
        id=new_id(), component_code=code, valid_from=valid_from, recorded_at=datetime.now(UTC), **_priced(price)
    )


def _priced(price: Price) -> dict[str, Any]:
    return {"model": price.model, "price": price.amount, "scheme": prices.scheme_of(price)}


def _facts(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in Terms.__slots__}


def _terms_of(component: Component) -> Terms:
    return Terms(component.months, component.tax_code, component.grant_type_code, component.grant_amount)


def check(known: Component | None, kind: str, terms: Terms) -> None:
    """Raise Invalid, with the field, for what can't be offered, or would change what subscriptions mean."""
    if known and known.kind != kind:
        raise Invalid(f"“{known.name}” is a {known.get_kind_display().lower()} and stays one.", field="kind")
    if known and known.months != terms.months:
        raise Invalid(f"“{known.name}” is charged {Interval(known.months).label.lower()}, and stays so.", field="months")
    if terms.months not in Interval.values:
        raise Invalid("A period has one month, three, or twelve.", field="months")
    prices.check_amount(terms.grant_amount, "grant_amount")
    if bool(terms.grant_type_code) != bool(terms.grant_amount):
        raise Invalid("Included credit needs both, a credit type and an amount.", field="grant_amount")
    if terms.grant_type_code and not CreditType.objects.filter(code=terms.grant_type_code).exists():
        raise Invalid("There is no such credit type.", field="grant_type_code")
    if terms.grant_type_code and kind != FeeKind.RECURRING:
        raise Invalid("Only a recurring fee includes credit each month.", field="grant_type_code")


def _shown(component: Component) -> dict[str, str]:
    price = prices.of(component.model, component.price, component.scheme)
    return {"name": component.name, "kind": component.kind, "price": prices.told(price)}
