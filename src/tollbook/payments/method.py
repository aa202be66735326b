"""An account's cards: add, choose the default, remove. Card numbers never come here: a gateway's token stands for them."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.payments import gateway
from tollbook.payments.gateway import NewMethod
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id


def add(account_id: UUID, new: NewMethod, actor: Actor) -> PaymentMethod:
    """Add a card; the account's first one becomes its default. Own transaction; locks the account's row.

    Raises Invalid for a card that can't be one or has expired, Conflict when the account has it already.
    """
    _check(new)
    with transaction.atomic():
        _lock(account_id)
        if _present(account_id).filter(gateway=new.gateway, token=new.token).exists():
            raise Conflict("This card is there already.")
        method = PaymentMethod.objects.create(
            account_id=account_id,
            id=new_id(),
            is_default=default_of(account_id) is None,
            created_at=datetime.now(UTC),
            **{name: getattr(new, name) for name in NewMethod.__slots__},
        )
        after = {"card": label(method), "default": method.is_default}
        note(account_id, actor, "payment_method.add", f"payment_method/{method.id}", after=after)
        wake.tell(account_id)
    return method


def make_default(account_id: UUID, method_id: UUID, actor: Actor) -> None:
    """Let this card be the one that is charged. Own transaction; locks the account's row. Raises NotFound."""
    with transaction.atomic():
        _lock(account_id)
        before, method = default_of(account_id), find(account_id, method_id)
        if before == method:
            return
        _present(account_id).filter(is_default=True).update(is_default=False)
        _present(account_id).filter(id=method_id).update(is_default=True)
        told = {"card": label(before)} if before else None
        after = {"card": label(method)}
        note(account_id, actor, "payment_method.default", f"payment_method/{method_id}", before=told, after=after)
        wake.tell(account_id)


def remove(account_id: UUID, method_id: UUID, actor: Actor) -> None:
    """Never charge this card again. Own transaction; locks the account's row. Raises NotFound.

    When it was the default, none takes its place: which card is charged is a person's choice.
    """
    with transaction.atomic():
        _lock(account_id)
        method = find(account_id, method_id)
        _present(account_id).filter(id=method_id).update(is_default=False, removed_at=datetime.now(UTC))
        before = {"card": label(method), "default": method.is_default}
        note(account_id, actor, "payment_method.remove", f"payment_method/{method_id}", before=before)
        wake.tell(account_id)


def default_of(account_id: UUID) -> PaymentMethod | None:
    """The card that is charged, if there is one."""
    return _present(account_id).filter(is_default=True).first()


def of_account(account_id: UUID) -> list[PaymentMethod]:
    """The account's cards, oldest first."""
    return list(_present(account_id).order_by("id"))


def find(account_id: UUID, method_id: UUID) -> PaymentMethod:
    """A card that is not removed. Raises NotFound."""
    method = _present(account_id).filter(id=method_id).first()
    if method is None:
        raise NotFound("There is no such card.")
    return method


def label(method: PaymentMethod) -> str:
    """`Visa •• 4242`."""
    return f"{method.brand} •• {method.last4}"


def printed(method: PaymentMethod) -> str:
    """`Visa ending 4242`, as documents have it."""
    return f"{method.brand} ending {method.last4}"


def _present(account_id: UUID) -> QuerySet[PaymentMethod]:
    return PaymentMethod.objects.filter(account_id=account_id, removed_at__isnull=True)


def _lock(account_id: UUID) -> None:
    """Changes of one account's cards follow each other."""
    by_id(account_id)
    Account.objects.select_for_update(no_key=True).get(id=account_id)


def _check(new: NewMethod) -> None:
    if new.gateway not in gateway.offered():
        raise Invalid(f"There is no gateway “{new.gateway}”.", field="gateway")
    if not (new.token and new.brand and len(new.last4) == 4 and new.last4.isascii() and new.last4.isdigit()):
        raise Invalid("A card has a token, a brand and the last four digits of its number.", field="last4")
    if not 1 <= new.expires_month <= 12:
        raise Invalid("The month is between 1 and 12.", field="expires_month")
    today = datetime.now(UTC).date()
    if (new.expires_year, new.expires_month) < (today.year, today.month):
        raise Invalid("This card has expired.", field="expires_year")
