"""An account's cards: add, choose the default and the backup, remove. Numbers never come here, only a gateway's tokens."""

import logging
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.payments import gateway
from tollbook.payments.gateway import NewMethod
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id

log = logging.getLogger(__name__)

WARNED_DAYS = 30
FORGET_AT_ONCE = 50
Expiry = Literal["good", "soon", "expired"]


def add(account_id: UUID, new: NewMethod, actor: Actor) -> PaymentMethod:
    """Add a card; the first one becomes the default, the next the backup. Own transaction; locks the account's row.

    Raises Invalid for a card that can't be one or has expired, Conflict when the account has it already.
    """
    _check(new)
    with transaction.atomic():
        _lock(account_id)
        _refuse_double(account_id, new)
        is_default = default_of(account_id) is None
        method = PaymentMethod.objects.create(
            account_id=account_id,
            id=new_id(),
            is_default=is_default,
            is_backup=not is_default and backup_of(account_id) is None,
            created_at=datetime.now(UTC),
            **{name: getattr(new, name) for name in NewMethod.__slots__},
        )
        after = {"card": label(method), "default": method.is_default, "backup": method.is_backup}
        note(account_id, actor, "payment_method.add", f"payment_method/{method.id}", after=after)
        wake.tell(account_id)
    return method


def make_default(account_id: UUID, method_id: UUID, actor: Actor) -> None:
    """Let this card be the one that is charged; if it was the backup, the two change places.

    Own transaction; locks the account's row. Raises NotFound.
    """
    with transaction.atomic():
        _lock(account_id)
        before, method = default_of(account_id), find(account_id, method_id)
        if before == method:
            return
        _present(account_id).filter(is_default=True).update(is_default=False)
        _present(account_id).filter(id=method_id).update(is_backup=False, is_default=True)
        if before and method.is_backup:
            _present(account_id).filter(id=before.id).update(is_backup=True)
        told = {"card": label(before)} if before else None
        after = {"card": label(method)}
        note(account_id, actor, "payment_method.default", f"payment_method/{method_id}", before=told, after=after)
        wake.tell(account_id)


def make_backup(account_id: UUID, method_id: UUID | None, actor: Actor) -> None:
    """Let this card, or none, be tried once when the default declines for a reason that another card can cure.

    Own transaction; locks the account's row. Raises NotFound, and Conflict for the default itself.
    """
    with transaction.atomic():
        _lock(account_id)
        before, method = backup_of(account_id), find(account_id, method_id) if method_id else None
        if before == method:
            return
        if method and method.is_default:
            raise Conflict("The default card can't be its own backup.")
        _present(account_id).filter(is_backup=True).update(is_backup=False)
        _present(account_id).filter(id=method_id).update(is_backup=True)
        told, after = ({"card": label(one)} if one else None for one in (before, method))
        target = f"payment_method/{(method or before).id}"  # type: ignore[union-attr]
        note(account_id, actor, "payment_method.backup", target, before=told, after=after)
        wake.tell(account_id)


def remove(
    account_id: UUID, method_id: UUID, actor: Actor, check: Callable[[PaymentMethod], None] | None = None
) -> PaymentMethod:
    """Never charge this card again. In the caller's transaction or its own; locks the account's row. Raises NotFound.

    When it was the default, none takes its place: which card is charged is a person's choice. `check` raises what stands
    against it, under the lock; see `refills.card`, which knows what depends on a card.
    """
    with transaction.atomic():
        _lock(account_id)
        method = find(account_id, method_id)
        if check is not None:
            check(method)
        removed = {"is_default": False, "is_backup": False, "removed_at": datetime.now(UTC)}
        _present(account_id).filter(id=method_id).update(**removed)
        before = {"card": label(method), "default": method.is_default, "backup": method.is_backup}
        note(account_id, actor, "payment_method.remove", f"payment_method/{method_id}", before=before)
        wake.tell(account_id)
    return method


def refresh(account_id: UUID, now: NewMethod) -> bool:
    """Take over what the bank changed about a card (a new expiry, new last digits), as its gateway has it now.

    Own transaction; locks the account's row. Whether anything changed.
    """
    fields = ("last4", "expires_month", "expires_year")
    with transaction.atomic():
        _lock(account_id)
        method = _present(account_id).filter(gateway=now.gateway, token=now.token).first()
        if method is None or all(getattr(method, name) == getattr(now, name) for name in fields):
            return False
        before, after = ({name: getattr(one, name) for name in fields} for one in (method, now))
        _present(account_id).filter(id=method.id).update(**after, renewed_at=datetime.now(UTC))
        note(account_id, SYSTEM, "payment_method.refresh", f"payment_method/{method.id}", before=before, after=after)
        wake.tell(account_id)
    return True


def forget_removed(stop: Event | None = None) -> int:
    """Have gateways drop the cards that were removed, which they may have to be asked several times; answers how many did.

    Must not be called inside a transaction. A card that was never heard of there counts as dropped.
    """
    done = 0
    for card in PaymentMethod.objects.filter(removed_at__isnull=False, forgotten_at__isnull=True)[:FORGET_AT_ONCE]:
        if stop is not None and stop.is_set():
            break
        try:
            gateway.forget(card.gateway, card.account_id, card.token)
        except (LookupError, gateway.Unreachable) as error:
            log.warning("card %s is not forgotten yet: %s", card.id, type(error).__name__)
            continue
        mine = PaymentMethod.objects.filter(account_id=card.account_id, id=card.id)
        done += mine.update(forgotten_at=datetime.now(UTC))
    return done


def default_of(account_id: UUID) -> PaymentMethod | None:
    """The card that is charged, if there is one."""
    return _present(account_id).filter(is_default=True).first()


def backup_of(account_id: UUID) -> PaymentMethod | None:
    """The card that is tried once when the default declines for a reason that another card can cure, if there is one."""
    return _present(account_id).filter(is_backup=True).first()


def of_account(account_id: UUID) -> list[PaymentMethod]:
    """The account's cards: the default, the backup, then the others, oldest first."""
    return list(_present(account_id).order_by("-is_default", "-is_backup", "id"))


def find(account_id: UUID, method_id: UUID) -> PaymentMethod:
    """A card that is not removed. Raises NotFound."""
    method = _present(account_id).filter(id=method_id).first()
    if method is None:
        raise NotFound("There is no such card.")
    return method


def expires_on(method: PaymentMethod) -> date:
    """The last day on which the card is good."""
    return date(method.expires_year, method.expires_month, monthrange(method.expires_year, method.expires_month)[1])


def expiry(method: PaymentMethod, today: date) -> Expiry:
    """Whether it is good for a while, for `WARNED_DAYS` at most, or not any more."""
    left = (expires_on(method) - today).days
    return "expired" if left < 0 else "soon" if left <= WARNED_DAYS else "good"


def expiring(today: date, days: int = WARNED_DAYS) -> list[PaymentMethod]:
    """Default and backup cards of all accounts that expire within so many days, or did: for alerts, as engine."""
    soon = today + timedelta(days=days)
    within = Q(expires_year__lt=soon.year) | Q(expires_year=soon.year, expires_month__lte=soon.month)
    found = PaymentMethod.objects.filter(within, Q(is_default=True) | Q(is_backup=True), removed_at__isnull=True)
    return [method for method in found.order_by("account_id", "id") if expires_on(method) <= soon]


def tokens_of(card: PaymentMethod, *, same_expiry: bool = False) -> list[str]:
    """Every token under which this card's gateway knows the same number for the account, those of removed cards too.

    With `same_expiry`, without the cards that it replaced. As engine or portal; reads only.
    """
    if not card.fingerprint:
        return [card.token]
    same = PaymentMethod.objects.filter(account_id=card.account_id, gateway=card.gateway, fingerprint=card.fingerprint)
    if same_expiry:
        same = same.filter(expires_month=card.expires_month, expires_year=card.expires_year)
    return [card.token, *same.exclude(token=card.token).values_list("token", flat=True)]


def label(method: PaymentMethod) -> str:
    """`Visa •• 4242`."""
    return f"{method.brand} •• {method.last4}"


def printed(method: PaymentMethod) -> str:
    """`Visa ending 4242`, as documents have it."""
    return f"{method.brand} ending {method.last4}"


def _present(account_id: UUID) -> QuerySet[PaymentMethod]:
    return PaymentMethod.objects.filter(account_id=account_id, removed_at__isnull=True)


def _refuse_double(account_id: UUID, new: NewMethod) -> None:
    same = Q(gateway=new.gateway, token=new.token)
    if new.fingerprint:  # the same number, typed again; with another expiry it is the card that replaces it
        expiry = {"expires_month": new.expires_month, "expires_year": new.expires_year}
        same |= Q(gateway=new.gateway, fingerprint=new.fingerprint, **expiry)
    if _present(account_id).filter(same).exists():
        raise Conflict("This card is there already.")


def _lock(account_id: UUID) -> None:
    """Changes of one account's cards follow each other."""
    by_id(account_id)
    Account.objects.select_for_update(no_key=True).get(id=account_id)


def _check(new: NewMethod) -> None:
    if new.gateway not in gateway.taking_cards():
        raise Invalid(f"There is no gateway “{new.gateway}”.", field="gateway")
    if not (new.token and new.brand and len(new.last4) == 4 and new.last4.isascii() and new.last4.isdigit()):
        raise Invalid("A card has a token, a brand and the last four digits of its number.", field="last4")
    if not 1 <= new.expires_month <= 12:
        raise Invalid("The month is between 1 and 12.", field="expires_month")
    today = datetime.now(UTC).date()
    if (new.expires_year, new.expires_month) < (today.year, today.month):
        raise Invalid("This card has expired.", field="expires_year")
