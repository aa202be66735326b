"""What can be subscribed to: offer it, withdraw it. What an account has subscribed to keeps its own name and price."""

from decimal import Decimal

from django.db import transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Invalid, NotFound
from tollbook.money.amount import LARGEST, MICRO
from tollbook.subscriptions.tables import Component, FeeKind


def offer(code: str, name: str, kind: FeeKind, price: Decimal, actor: Actor) -> Component:
    """Offer a component at `price` (6 places at most), or give a known one another name or price for new subscriptions.

    Own transaction; locks the component. Raises Invalid for a bad price or empty name, or when the kind of a known
    component would change, because that would change what its subscriptions mean.
    """
    check_price(price)
    if not name.strip() or not code.strip():
        raise Invalid("A component needs a short code and a name.", field="name")
    with transaction.atomic():
        known = Component.objects.select_for_update().filter(code=code).first()
        if known and known.kind != kind:
            raise Invalid(f"“{known.name}” is a {known.get_kind_display().lower()} and stays one.", field="kind")
        values = {"name": name.strip(), "kind": kind, "price": price, "is_active": True}
        component, _ = Component.objects.update_or_create(code=code, defaults=values)
        note(OPERATOR_ID, actor, "component.offer", f"component/{code}", before=_shown(known), after=_shown(component))
    return component


def withdraw(code: str, actor: Actor) -> Component:
    """Stop offering a component; running subscriptions go on. Own transaction; locks the component. Raises NotFound."""
    with transaction.atomic():
        component = Component.objects.select_for_update().filter(code=code).first()
        if component is None:
            raise NotFound(f"There is no component “{code}”.")
        component.is_active = False
        component.save(update_fields=["is_active"])
        note(OPERATOR_ID, actor, "component.withdraw", f"component/{code}", after={"is_active": False})
    return component


def check_price(price: Decimal) -> None:
    """Raise Invalid unless `price` can be the price of one: not negative, at most 6 places."""
    if not price.is_finite() or not 0 <= price <= LARGEST or price.quantize(MICRO) != price:
        raise Invalid("A price is zero or more and has at most 6 decimal places.", field="price")


def _shown(component: Component | None) -> dict[str, str] | None:
    return component and {"name": component.name, "kind": component.kind, "price": str(component.price)}
