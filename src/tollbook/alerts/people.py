"""Who gets which mail: the account's users by what they may read, and additional addresses.

Without a choice of their own, users get what belongs to the areas that they may change, the account's billing address gets
invoices and failed payments, and the further addresses of its billing details get its invoices. A choice adds and removes
kinds, but never gives a user what they may not read: rights are looked at whenever something is told.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from tollbook.accounts import access
from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.accounts.tables import Account, User
from tollbook.alerts import kinds
from tollbook.alerts.tables import Recipient
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.postgres.ids import new_id

MOST_ADDRESSES = 20
BILLING_ADDRESS_GETS = (
    "payment.failed", "payment.action_required", "payment.received", "invoice.issued", "invoice.reminder",
)  # fmt: skip

RECIPIENTS_GET = ("invoice.issued",)
"""What the further addresses of the billing details get: the documents."""


@dataclass(frozen=True, slots=True)
class Told:
    """One address and what it gets. `usual`: nobody chose. `id` is the choice's, `user` whose address it is; the addresses
    of the billing details and the operator's own have neither until somebody chooses for them. `may_get`: what may be
    chosen."""

    address: str
    kinds: tuple[str, ...]
    usual: bool
    may_get: tuple[str, ...]
    id: UUID | None = None
    user: User | None = None


def of_account(account: Account) -> list[Told]:
    """Everybody who gets, or could get, mail about the account: its active users by address, then other addresses."""
    rows = list(Recipient.objects.filter(account_id=account.id))
    by_user = {row.user_id: row for row in rows if row.user_id}
    users = User.objects.defer("password").filter(account_id=account.id, is_active=True).order_by("email")
    told = [_user(user, by_user.get(user.id)) for user in users]
    others = [_address(row) for row in rows if row.user_id is None]
    everything = tuple(kinds.OF_ACCOUNTS)
    of_billing = [Told(account.billing_email, BILLING_ADDRESS_GETS, True, everything)]
    further = [one for one in account.recipients if one.lower() != account.billing_email.lower()]
    of_billing += [Told(address, RECIPIENTS_GET, True, everything) for address in further]
    return told + _with_usual(others, of_billing, _taken(account.id))


def of_operator() -> list[Told]:
    """The addresses that get mail about the operator's matters; its own address without anybody's choice."""
    rows = [_address(row) for row in Recipient.objects.filter(account_id=OPERATOR_ID)]
    everything = tuple(kinds.OF_OPERATOR)
    return _with_usual(rows, [Told(settings.OPERATOR["email"], everything, True, everything)], _taken(OPERATOR_ID))


def addresses(account: Account | None, kind: str) -> list[str]:
    """Who gets mail about this kind now, each address once; of the operator without an account."""
    told = of_account(account) if account else of_operator()
    return list({one.address.lower(): one.address for one in told if kind in one.kinds}.values())


def still_gets(account: Account | None, kind: str, address: str) -> bool:
    """Whether this address gets mail about this kind now: asked once more when mail is sent, which may be days after it was
    addressed."""
    return address.lower() in {one.lower() for one in addresses(account, kind)}


def choose(
    account: Account, user_id: UUID, wanted: Collection[str], actor: Actor, offered: Collection[str] | None = None
) -> None:
    """Let a user of the account get mail about these kinds and no others; kinds that are not among `offered`, those the
    actor may choose, stay as they are. Own transaction or the caller's; audited.

    Kinds that the user may not read are left out. Raises NotFound.
    """
    user = User.objects.defer("password").filter(account_id=account.id, id=user_id).first()
    if user is None:
        raise NotFound("There is no such user in this account.")
    row = Recipient.objects.filter(account_id=account.id, user_id=user_id).first()
    wanted = kinds.merged(account.id, row.kinds if row else usual(user), wanted, offered)
    _store(account.id, user.email, _readable(user, wanted), actor, user_id)


def choose_address(
    account_id: UUID, address: str, wanted: Collection[str], actor: Actor, offered: Collection[str] | None = None
) -> None:
    """Let an additional address get mail about these kinds; those not among `offered` stay as they are. Own transaction or
    the caller's; audited. Raises Invalid, and Conflict when the address is a user's, whose own choice counts, or was one's
    who was removed."""
    address = address.strip()
    try:
        validate_email(address)
    except ValidationError:
        raise Invalid("Write an email address, such as billing@example.com.", field="address") from None
    if (is_active := _taken(account_id).get(address.lower())) is not None:
        said = "; choose what they get in their own row." if is_active else " who was removed, and gets nothing more."
        raise Conflict(f"This is a user{said}", field="address")
    others = Recipient.objects.filter(account_id=account_id, user_id__isnull=True).exclude(kinds=[])
    others = others.exclude(address__iexact=address)
    if others.count() >= MOST_ADDRESSES:
        raise Conflict(f"There are {MOST_ADDRESSES} additional addresses already.", field="address")
    row = Recipient.objects.filter(account_id=account_id, user_id__isnull=True, address__iexact=address).first()
    _store(account_id, address, kinds.merged(account_id, row.kinds if row else (), wanted, offered), actor, None)


def told_of(account: Account, user_id: UUID) -> Told:
    """What one user gets, active or not. Raises NotFound."""
    user = User.objects.defer("password").filter(account_id=account.id, id=user_id).first()
    if user is None:
        raise NotFound("There is no such user in this account.")
    return _user(user, Recipient.objects.filter(account_id=account.id, user_id=user_id).first())


def find(account_id: UUID, id: UUID) -> Recipient:
    """The choice for an additional address. Raises NotFound."""
    row = Recipient.objects.filter(account_id=account_id, id=id, user_id__isnull=True).first()
    if row is None:
        raise NotFound("There is no such address.")
    return row


def remove(account_id: UUID, id: UUID, actor: Actor) -> None:
    """Send nothing more to an additional address; repeating it does nothing. Own transaction or the caller's; audited.
    Raises NotFound."""
    row = find(account_id, id)
    with transaction.atomic():
        mine = Recipient.objects.filter(account_id=account_id, id=id).exclude(kinds=[])
        if mine.update(kinds=[], set_by=actor.name, set_at=datetime.now(UTC)):
            note(account_id, actor, "alert.remove_address", f"alerts/{row.address}", before={"kinds": row.kinds})


def usual(user: User) -> tuple[str, ...]:
    """What a user gets who chose nothing: what belongs to the areas they may change."""
    held = access.rights(user)
    return tuple(kind.code for kind in kinds.OF_ACCOUNTS.values() if held[kind.area].write)


def _readable(user: User, wanted: object) -> list[str]:
    held = access.rights(user)
    return [code for code in kinds.listed(user.account_id, wanted) if held[kinds.OF_ACCOUNTS[code].area].read]


def _user(user: User, row: Recipient | None) -> Told:
    may_get = tuple(_readable(user, list(kinds.OF_ACCOUNTS)))
    gets = usual(user) if row is None else tuple(_readable(user, row.kinds))
    return Told(user.email, gets, row is None, may_get, row.id if row else None, user)


def _address(row: Recipient) -> Told:
    may_get = tuple(kinds.of(row.account_id))
    return Told(row.address, tuple(kinds.listed(row.account_id, row.kinds)), False, may_get, row.id)


def _taken(account_id: UUID) -> dict[str, bool]:
    """Addresses, in small letters, that no choice for an additional address counts for, and whether their user is active:
    the users' own, and those of removed ones, who must not go on reading by mail. But the account's billing address is what
    the account says it is, whoever had it. Staff have no row of their own, so only those removed are taken."""
    staff = account_id == OPERATOR_ID
    users = User.objects.filter(account_id=None if staff else account_id)
    taken = {email.lower(): active for email, active in users.values_list("email", "is_active") if not (staff and active)}
    billing = Account.objects.filter(id=account_id).values_list("billing_email", flat=True).first() or ""
    if taken.get(billing.lower()) is False:
        del taken[billing.lower()]
    return taken


def _with_usual(chosen: list[Told], usual: list[Told], taken: Collection[str]) -> list[Told]:
    """The chosen addresses that get anything, and before them those that are told without a choice."""
    free = [one for one in chosen if one.address.lower() not in taken]
    known = {*taken, *(one.address.lower() for one in free)}
    told = sorted((one for one in free if one.kinds), key=lambda one: one.address)
    return [*(one for one in usual if one.address and one.address.lower() not in known), *told]


def _store(account_id: UUID, address: str, wanted: list[str], actor: Actor, user_id: UUID | None) -> None:
    values = {"kinds": wanted, "set_by": actor.name, "set_at": datetime.now(UTC)}
    mine = Recipient.objects.filter(account_id=account_id)
    mine = mine.filter(user_id=user_id) if user_id else mine.filter(user_id__isnull=True, address__iexact=address)
    try:
        with transaction.atomic():
            before = mine.first()
            if before is None:
                Recipient.objects.create(
                    account_id=account_id, id=new_id(), user_id=user_id, address=address.lower(), **values
                )
            else:
                mine.update(**values)
            told = {"kinds": before.kinds} if before else None
            note(account_id, actor, "alert.choose", f"alerts/{address}", before=told, after={"kinds": wanted})
    except IntegrityError:
        raise Conflict("Somebody changed this just now; look at it again.", field="address") from None
