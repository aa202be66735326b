"""Give a new rate from an instant on; the one before it ends there. Rates are never edited: events point at them."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Conflict, Invalid
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.rating.destination import DIGITS, is_prefix
from tollbook.rating.tables import CreditType, Rate

SQL = load(__file__)
LARGEST_PRICE = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate to be given: cents per unit (up to 6 places), fees in the currency, steps in seconds."""

    type_code: str
    rate_cents: Decimal
    valid_from: datetime
    prefix: str = ""
    description: str = ""
    connect_fee: Decimal = Decimal(0)
    initial_seconds: int = 1
    increment_seconds: int = 1
    minimum_charge: Decimal = Decimal(0)


def set_rate(new: NewRate, actor: Actor, account_id: UUID = OPERATOR_ID) -> Rate:
    """Give `new` from its `valid_from` on, to one account or (the default) to all; the rate before it ends there.

    One transaction. Locks the account's rate version row, so that two changes of one deck follow each other. The very rate
    that begins at that instant already is answered as it is. Raises Invalid for impossible values, Conflict when another
    rate for the same prefix begins at that instant or later.
    """
    check(new)
    with transaction.atomic():
        bump(account_id)
        same = Rate.objects.filter(account_id=account_id, type_code=new.type_code, prefix=new.prefix)
        given = same.filter(valid_from=new.valid_from, valid_until__isnull=True).first()
        if given and all(getattr(given, name) == getattr(new, name) for name in NewRate.__slots__):
            return given
        if same.filter(valid_from__gte=new.valid_from).exists():
            raise Conflict(
                "A rate for this prefix begins at that time or later; choose a later start.", field="valid_from"
            )
        before = same.filter(valid_until__isnull=True).first()
        same.filter(valid_until__isnull=True).update(valid_until=new.valid_from)
        rate = _insert(new, actor, account_id)
        note(
            account_id, actor, "rate.set", f"rate/{new.type_code}/{new.prefix}", before=_told(before), after=_told(rate)
        )
    return rate


def check(new: NewRate) -> None:
    """Raise Invalid, with the field, for values that no rate can have."""
    if not CreditType.objects.filter(code=new.type_code, is_active=True).exists():
        raise Invalid(f"There is no credit type “{new.type_code}”.", field="type_code")
    if not is_prefix(new.prefix):
        says = f"A prefix is digits only, such as 1212, at most {DIGITS}; leave it empty for all destinations."
        raise Invalid(says, field="prefix")
    for field in ("rate_cents", "connect_fee", "minimum_charge"):
        if getattr(new, field) < 0:
            raise Invalid("A price can't be negative.", field=field)
        if getattr(new, field) > LARGEST_PRICE:
            raise Invalid(f"A price is {LARGEST_PRICE:,} at most; is this one right?", field=field)
    if new.initial_seconds < 1 or new.increment_seconds < 1:
        raise Invalid("Billing steps are one second or more.", field="increment_seconds")


def bump(account_id: UUID) -> None:
    """Say that the account's rates change in this transaction, and lock them until its end. Versions are microseconds of
    the clock, so that none comes again: not after a transaction that was rolled back, nor in a restored database.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL["bump"], {"account_id": account_id, "now_us": time.time_ns() // 1000})


def _insert(new: NewRate, actor: Actor, account_id: UUID) -> Rate:
    fields = {name: getattr(new, name) for name in NewRate.__slots__}
    return Rate.objects.create(
        account_id=account_id, id=new_id(), created_by=actor.name, created_at=datetime.now(UTC), **fields
    )


def _told(rate: Rate | None) -> dict[str, str] | None:
    return rate and {
        "rate_cents": str(rate.rate_cents),
        "connect_fee": str(rate.connect_fee),
        "minimum_charge": str(rate.minimum_charge),
        "steps": f"{rate.initial_seconds}/{rate.increment_seconds}",
        "valid_from": rate.valid_from.isoformat(),
    }
