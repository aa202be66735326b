"""Limits that no customer sets: of an account's money a month, and of the whole installation an hour.

The operator's come from the settings, in minor units of each currency (cents; whole yen); an account's own limit, set by
staff with a reason, replaces the usual one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Forbidden, Invalid
from tollbook.money.amount import LARGEST, minor_unit, to_minor
from tollbook.postgres import wake
from tollbook.refills.tables import RefillLimit


@dataclass(frozen=True, slots=True)
class Limits:
    """Money of the account a month; charges, and money in its currency, of all accounts an hour."""

    account_month: Decimal
    charges_an_hour: int
    money_an_hour: Decimal


def limits_of(account: Account) -> Limits:
    """What holds for this account now. Reads one row; as engine or portal."""
    own = RefillLimit.objects.filter(account_id=account.id).first()
    unit, usual = minor_unit(account.currency), settings.REFILL_LIMITS
    return Limits(
        account_month=own.monthly_cap if own else usual["account_month"] * unit,
        charges_an_hour=usual["charges_an_hour"],
        money_an_hour=usual["money_an_hour"] * unit,
    )


def set_account_limit(account: Account, monthly_cap: Decimal | None, reason: str, actor: Actor) -> None:
    """Give an account a limit of its own (0 or more, its currency's minor unit), or with None the usual one again.

    By a person; own transaction or the caller's; audited. Raises Invalid with the field, Forbidden for the system.
    """
    if actor.kind == SYSTEM.kind:
        raise Forbidden("A person sets limits, never the system.")
    if not reason.strip():
        raise Invalid("Say why; the reason stays in the audit trail.", field="reason")
    if monthly_cap is not None and not _can_be(monthly_cap, account.currency):
        raise Invalid("Write an amount of zero or more, no finer than a card can be charged.", field="monthly_cap")
    with transaction.atomic():
        before = limits_of(account).account_month
        _store(account, monthly_cap, actor)
        after = limits_of(account).account_month
        target = f"account/{account.slug}"
        told, now = {"monthly_cap": str(before)}, {"monthly_cap": str(after)}
        note(account.id, actor, "refills.limit", target, before=told, after=now, reason=reason.strip())
        wake.tell(account.id)


def _can_be(cap: Decimal, currency: str) -> bool:
    return cap.is_finite() and 0 <= cap <= LARGEST and to_minor(cap, currency) == cap


def _store(account: Account, monthly_cap: Decimal | None, actor: Actor) -> None:
    mine = RefillLimit.objects.filter(account_id=account.id)
    if monthly_cap is None:
        mine.delete()
        return
    values = {"monthly_cap": monthly_cap, "set_by": actor.name, "set_at": datetime.now(UTC)}
    if not mine.update(**values):
        RefillLimit.objects.create(account_id=account.id, **values)
