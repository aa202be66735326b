"""Users: add, invite, rename, change level, deactivate, and who may do that to whom.

A user may edit others of their own account and of their own level or lower, from Manager up; nobody edits themselves, so
that no slip of the mouse takes away one's own rights. Staff may edit the users of every account, and other staff. The last
active Super-Admin of an account can be neither demoted nor deactivated, by anybody.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from tollbook.accounts import access
from tollbook.accounts.audit import OPERATOR_ID, Actor, actor_of, note
from tollbook.accounts.level import EDITORS, RANK, at_least, is_super_admin, levels_below, locked
from tollbook.accounts.tables import Account, Level, User
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound
from tollbook.postgres.ids import new_id

LAST = "This is the account's last active Super-Admin. Make somebody else a Super-Admin first."


def add(account: Account | None, email: str, name: str, level: str, password: str | None, actor: Actor) -> User:
    """Add a user, in a transaction of its own or the caller's; no locks. Does not ask who the actor is: `invite` does.

    Without a password the user can't sign in until they set one by a link. Raises Invalid for a bad email or level and for
    staff with an account or others without one; Conflict when somebody has the email, in any account.
    """
    if (account is None) != (level == Level.STAFF):
        raise Invalid("Staff have no account; everybody else has one.", field="level")
    user = User(
        id=new_id(),
        account=account,
        email=_valid_email(email),
        name=name.strip(),
        level=_valid_level(level),
        password=make_password(password),
        created_at=datetime.now(UTC),
    )
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            _note(user, actor, "user.add", after={"name": user.name, "level": user.get_level_display()})
    except IntegrityError:
        raise Conflict("This email address belongs to a user already.", field="email") from None
    return user


def invite(actor_user: User, email: str, name: str, level: str) -> User:
    """Add a user without a password to the actor's own account, as `add` does; locks as `level.locked` says.

    Raises Forbidden when the level is above the actor's own.
    """
    with transaction.atomic():
        actor = locked(actor_user.account_id, actor_user.id)[actor_user.id]
        _may_give(actor, level)
        return add(actor.account, email, name, level, None, actor_of(actor))


def may_edit(actor_user: User, user: User) -> bool:
    """Whether the one may change the other: somebody else, of the same account, of the same level or lower."""
    if not actor_user.is_active or actor_user.id == user.id:
        return False
    if actor_user.level == Level.STAFF:
        return True
    if user.level == Level.STAFF:
        return False
    same = actor_user.account_id == user.account_id
    return same and at_least(actor_user, EDITORS) and at_least(actor_user, Level(user.level))


def may_send_link(actor_user: User, user: User) -> bool:
    """Whether the one may be given a link that sets the other's password, which is as good as signing in as them.

    Only with every right that the user has, and about somebody lower, or of the same level (staff: other staff) who never
    signed in.
    """
    if not may_edit(actor_user, user) or not user.is_active:
        return False
    if actor_user.level == Level.STAFF:
        return user.level != Level.STAFF or user.last_login is None
    lower = RANK[Level(user.level)] < RANK[Level(actor_user.level)]
    return (lower or user.last_login is None) and access.covers(access.rights(actor_user), access.rights(user))


def find(account_id: UUID, user_id: UUID) -> User:
    """The account's user with this id, without the password. Raises NotFound, also for users of other accounts."""
    user = User.objects.defer("password").filter(account_id=account_id, id=user_id).first()
    if user is None:
        raise NotFound("There is no such user in this account.")
    return user


def anybody(user_id: UUID) -> User:
    """The user with this id, of any account or staff, without the password: for staff. Raises NotFound."""
    user = User.objects.defer("password").select_related("account").filter(id=user_id).first()
    if user is None:
        raise NotFound("There is no such user.")
    return user


def of_account(account_id: UUID) -> list[User]:
    """The account's users, active ones first, the highest level first, then by email."""
    users = User.objects.defer("password").filter(account_id=account_id)
    return sorted(users, key=lambda user: (not user.is_active, -RANK[Level(user.level)], user.email.lower()))


def rename(actor_user: User, user: User, name: str) -> User:
    """Change the user's name; transaction, locks and refusals as `change_level`."""

    def change(actor: User, user: User, people: dict[UUID, User]) -> None:
        before, user.name = user.name, name.strip()
        _save(actor, user, "user.rename", "name", before, user.name)

    return _edit(actor_user, user, change)


def change_level(actor_user: User, user: User, level: str) -> User:
    """Give the user another level, in a transaction of its own or the caller's; locks as `level.locked` says.

    Rights granted in the list stay as they are. Raises Forbidden when the actor may not edit the user or the level is above
    the actor's own, and Conflict for the last active Super-Admin and for staff, who have no other level.
    """

    def change(actor: User, user: User, people: dict[UUID, User]) -> None:
        if user.level == Level.STAFF:
            raise Conflict("Staff belong to no account and have no other level.", field="level")
        _may_give(actor, level)
        before, user.level = user.get_level_display(), _valid_level(level)
        _save(actor, user, "user.change_level", "level", before, user.get_level_display())

    return _edit(actor_user, user, change, demotes=level != Level.SUPER_ADMIN)


def set_active(actor_user: User, user: User, active: bool) -> User:
    """Deactivate the user (whose sessions end with their next request) or let them in again; locks as `level.locked` says.

    Raises as `change_level` does, and Forbidden when an actor would give back rights in Billing that they lack.
    """

    def change(actor: User, user: User, people: dict[UUID, User]) -> None:
        if active and actor.level != Level.STAFF and not access.covers(access.rights(actor), access.granted(user)):
            raise Forbidden("This user has rights in Billing that you lack; a Super-Admin can reactivate them.")
        before, user.is_active = user.is_active, active
        if before != active:
            user.save(update_fields=["is_active"])
            verb = "reactivate" if active else "deactivate"
            words = {False: {"status": "Deactivated"}, True: {"status": "Active"}}
            _note(user, actor_of(actor), f"user.{verb}", before=words[before], after=words[active])

    return _edit(actor_user, user, change, demotes=not active)


def forget_password(actor_user: User, user: User) -> User:
    """Make the user's password and sessions invalid, before they get a link to set a new one. Returns them with what the
    link is made from. Not for the portal's role, which can't touch passwords; locks as `level.locked` says.

    Raises Forbidden unless `may_send_link`.
    """

    def change(actor: User, user: User, people: dict[UUID, User]) -> None:
        if not may_send_link(actor, user):
            raise Forbidden("You can't give out a new password for this user. A Super-Admin can.")
        user.password = make_password(None)
        User.objects.filter(id=user.id).update(password=user.password)
        _note(user, actor_of(actor), "user.new_link")

    return _edit(actor_user, user, change)


Change = Callable[[User, User, dict[UUID, User]], None]
Words = dict[str, str]


def _edit(actor_user: User, user: User, change: Change, demotes: bool = False) -> User:
    """Run `change` on both users as they are now, locked, when the one may edit the other."""
    stranger = user.account_id not in (actor_user.account_id or user.account_id,)
    if stranger or (user.account_id is None and actor_user.level != Level.STAFF):
        raise NotFound("There is no such user in this account.")
    with transaction.atomic():
        people = locked(user.account_id, actor_user.id, user.id)
        actor, user = people[actor_user.id], people[user.id]
        allowed = may_edit(actor, user)
        if demotes and (allowed or actor.id == user.id) and is_super_admin(user) and not _others(user, people):
            raise Conflict(LAST)
        if not allowed:
            raise Forbidden(_why_not(actor, user))
        change(actor, user, people)
        return user


def _others(user: User, people: dict[UUID, User]) -> list[User]:
    """The account's other active Super-Admins."""
    return [other for other in people.values() if is_super_admin(other) and other.id != user.id]


def _why_not(actor: User, user: User) -> str:
    if actor.id == user.id:
        return "You can't change yourself here; somebody of your level or higher can."
    if not at_least(actor, EDITORS):
        return f"Users are changed by {EDITORS.label}s and higher levels."
    return f"{user.email} has a higher level than yours. Users of that level can do this."


def _may_give(actor: User, level: str) -> None:
    if _valid_level(level) not in levels_below(actor) or not actor.is_active:
        raise Forbidden("You can give others your own level or a lower one.", field="level")


def _valid_level(level: str) -> Level:
    if level not in Level.values:
        raise Invalid("Choose one of the levels.", field="level")
    return Level(level)


def _valid_email(email: str) -> str:
    try:
        validate_email(email.strip())
    except ValidationError:
        raise Invalid("This is not an email address.", field="email") from None
    return email.strip()


def _save(actor: User, user: User, action: str, field: str, before: str, after: str) -> None:
    """Write the one changed field and its line in the trail; nothing when it is as it was."""
    if before == after:
        return
    user.save(update_fields=[field])
    _note(user, actor_of(actor), action, before={field: before}, after={field: after})


def _note(user: User, actor: Actor, action: str, before: Words | None = None, after: Words | None = None) -> None:
    note(user.account_id or OPERATOR_ID, actor, action, f"user/{user.email}", before=before, after=after)
