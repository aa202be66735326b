"""Open an account; find one."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
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
    if new.timezone not in available_timezones():
        raise Invalid(f"“{new.timezone}” is not a time zone; write it like America/New_York.", field="timezone")
    if not (len(new.currency) == 3 and new.currency.isalpha() and new.currency.isupper()):
        raise Invalid("The currency is three capital letters, such as USD.", field="currency")
    fields = {name: getattr(new, name) for name in NewAccount.__slots__}
    try:
        with transaction.atomic():
            account = Account.objects.create(id=new_id(), created_at=datetime.now(UTC), **fields)
            note(account.id, actor, "account.open", f"account/{account.slug}", after={"name": account.name})
    except IntegrityError:
        raise Conflict(f"There is an account “{new.slug}” already.", field="slug") from None
    return account


def by_slug(slug: str) -> Account:
    """The account with this short name. Raises NotFound."""
    account = Account.objects.filter(slug=slug).first()
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
