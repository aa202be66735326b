"""Open an account, change its facts, find one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, reduce
from operator import or_
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.text import slugify

from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account, AuditEntry, ZeroRule
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.postgres.ids import new_id


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What is needed to open an account; `anchor_on` is the day whose day-of-month is the billing day."""

    slug: str
    name: str
    anchor_on: date
    currency: str = "USD"
    timezone: str = "UTC"
    country: str = "US"
    legal_name: str = ""
    address: str = ""
    tax_id: str = ""
    po_number: str = ""
    billing_email: str = ""


def open_account(new: NewAccount, actor: Actor) -> Account:
    """Open an account, in one transaction, without locks.

    Raises Invalid for a bad slug, time zone or currency, and Conflict when the slug is taken.
    """
    if slugify(new.slug) != new.slug or not new.slug:
        raise Invalid("The short name may have small letters, digits and hyphens only.", field="slug")
    _check_timezone(new.timezone)
    if not (len(new.currency) == 3 and new.currency.isalpha() and new.currency.isupper()):
        raise Invalid("The currency is three capital letters, such as USD.", field="currency")
    fields = {name: getattr(new, name) for name in NewAccount.__slots__}
    try:
        with transaction.atomic():
            fields |= {"tax_country": new.country, "checked_tax_id": new.tax_id}
            account = Account.objects.create(id=new_id(), created_at=datetime.now(UTC), **fields)
            note(account.id, actor, "account.open", f"account/{account.slug}", after={"name": account.name})
    except IntegrityError:
        raise Conflict(f"There is an account “{new.slug}” already.", field="slug") from None
    return account


CHANGEABLE = (
    "name", "legal_name", "address", "country", "tax_id", "po_number", "billing_email", "timezone", "terms_days",
    "grace_days", "zero_rule", "overdraft_limit", "region", "recipients", "tax_exemption", "seller_code",
)  # fmt: skip
"""What of an account may change. Its short name, currency and billing day are fixed: what was billed rests on them."""

DETAILS = ("legal_name", "address", "country", "region", "tax_id", "po_number", "billing_email", "recipients")
"""What the account's own people may change of it: what its future documents say, and who gets them."""

TAX_FACTS = {"country": "tax_country", "region": "tax_region", "tax_id": "checked_tax_id"}
"""What the account says of itself, and the field that counts for tax: the same once staff have confirmed it."""

CONFIRMS = ("staff", "system")
"""Kinds of actors whose word on these counts at once."""

MOST_RECIPIENTS = 10


def change(account_id: UUID, changes: Mapping[str, Any], actor: Actor) -> Account:
    """Give fields of `CHANGEABLE` other values; issued invoices keep the copies they print. Answers the account after it.

    Own transaction or the caller's; locks the account's row. `overdraft_limit` is in the account's currency, and counts only
    under the zero rule `overdraft`, so that this rule without a limit is refused. Place and tax id that staff change are
    confirmed for tax; those that the account's own people change wait for `confirm_tax`. Audited, unless nothing changed.
    Raises NotFound, and Invalid with the field for what can't be.
    """
    fixed = sorted(set(changes) - set(CHANGEABLE))
    if fixed:
        raise Invalid(f"An account's {fixed[0].replace('_', ' ')} can't be changed.", field=fixed[0])
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise NotFound("There is no such account.")
        before = {name: getattr(account, name) for name in changes}
        for name, value in changes.items():
            setattr(account, name, value)
        _check(account)
        changed = [name for name in changes if before[name] != getattr(account, name)]
        if changed:
            confirmed = _confirmed(account) if actor.kind in CONFIRMS and set(changed) & set(TAX_FACTS) else []
            account.save(update_fields=[*changed, *confirmed])
            after = {name: _told(getattr(account, name)) for name in changed}
            told = {name: _told(before[name]) for name in changed}
            note(account.id, actor, "account.change", f"account/{account.slug}", before=told, after=after)
    return account


def waits_for_tax(account: Account) -> bool:
    """Whether its own people say of place or tax id what staff have not confirmed, so that it doesn't count for tax yet."""
    return any(getattr(account, told) != getattr(account, counts) for told, counts in TAX_FACTS.items())


def waiting_for_tax() -> QuerySet[Account]:
    """The active accounts of which that is so, by name."""
    differs = [~Q(**{told: F(counts)}) for told, counts in TAX_FACTS.items()]
    return Account.objects.filter(reduce(or_, differs), is_active=True).order_by("name", "slug")


def told_tax_at(account_ids: Sequence[UUID]) -> dict[UUID, AuditEntry]:
    """When its own people last changed an account's place or tax id, and who: the line of the trail, by account."""
    told = AuditEntry.objects.filter(
        account_id__in=account_ids, action="account.change", after__has_any_keys=list(TAX_FACTS)
    )
    newest = told.order_by("account_id", "-at", "-id").distinct("account_id")
    return {entry.account_id: entry for entry in newest}


def confirm_tax(account_id: UUID, seen: Mapping[str, str], actor: Actor) -> Account:
    """Let tax be decided by the country, region and tax id that the account has, which are those that staff have `seen`.

    Own transaction; locks the account's row; audited. For documents from now on. Raises NotFound, and Conflict when its
    people have changed them since.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).filter(id=account_id).first()
        if account is None:
            raise NotFound("There is no such account.")
        if any(getattr(account, name) != seen.get(name, "") for name in TAX_FACTS):
            raise Conflict("The account has changed them since. Look at them again.")
        before = {name: getattr(account, name) for name in TAX_FACTS.values()}
        account.save(update_fields=_confirmed(account))
        after = {name: getattr(account, name) for name in TAX_FACTS.values()}
        if before != after:
            note(account.id, actor, "account.confirm_tax", f"account/{account.slug}", before=before, after=after)
    return account


def _confirmed(account: Account) -> list[str]:
    """What the account says of itself counts for tax; answers the fields to be saved."""
    for told, counts in TAX_FACTS.items():
        setattr(account, counts, getattr(account, told))
    return list(TAX_FACTS.values())


def _check(account: Account) -> None:
    _check_timezone(account.timezone)
    try:
        account.clean_fields(exclude=["id", "slug", "created_at", "recipients"])
    except ValidationError as wrong:
        field, messages = next(iter(wrong.message_dict.items()))
        raise Invalid(messages[0], field=field) from None
    if not (len(account.country) == 2 and account.country.isascii() and account.country.isupper()):
        raise Invalid("A country is two capital letters, such as US.", field="country")
    _check_recipients(account.recipients)
    if account.overdraft_limit < 0:
        raise Invalid("The limit is zero or more.", field="overdraft_limit")
    if account.zero_rule == ZeroRule.OVERDRAFT and account.overdraft_limit == 0:
        raise Invalid("Say how far below zero the balance may go.", field="overdraft_limit")


def _check_recipients(addresses: list[str]) -> None:
    if len(addresses) > MOST_RECIPIENTS:
        raise Invalid(f"At most {MOST_RECIPIENTS} more addresses get documents.", field="recipients")
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise Invalid(f"“{address}” is not an email address.", field="recipients") from None


def _told(value: object) -> str:
    """A value as the trail tells it."""
    return ", ".join(value) if isinstance(value, list) else str(value)


def _check_timezone(name: str) -> None:
    if name not in _zones():
        raise Invalid(f"“{name}” is not a time zone; write it like America/New_York.", field="timezone")


@cache
def _zones() -> frozenset[str]:
    """The names of all time zones; to gather them reads hundreds of files."""
    return frozenset(available_timezones())


def by_slug(slug: str) -> Account:
    """The account with this short name. Raises NotFound."""
    account = Account.objects.filter(slug=slug).first() if slug.isprintable() else None
    if account is None:
        raise NotFound(f"There is no account “{slug}”.")
    return account


def by_id(account_id: UUID) -> Account:
    """The account with this id. Raises NotFound."""
    account = Account.objects.filter(id=account_id).first()
    if account is None:
        raise NotFound("There is no such account.")
    return account


def today_in(account: Account) -> date:
    """The day it is now in the account's time zone: what due dates and billing days are compared with."""
    return datetime.now(ZoneInfo(account.timezone)).date()
