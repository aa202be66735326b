"""How far a user's word reaches: the order of levels, who stands above whom, and the lock that decisions are made under."""

from uuid import UUID

from django.db.models import Q

from tollbook.accounts.tables import Level, User
from tollbook.errors import NotFound

RANK = {Level.AGENT: 0, Level.MANAGER: 1, Level.ADMIN: 2, Level.SUPER_ADMIN: 3}
"""Levels of an account's users, lowest first. Staff stand outside: they belong to no account."""

EDITORS = Level.MANAGER
"""The lowest level that sees Users at all. An Agent has no one to look after."""


def at_least(user: User, level: Level) -> bool:
    """Whether an account's user has this level or a higher one. Never true of staff."""
    return user.level in RANK and RANK[Level(user.level)] >= RANK[level]


def levels_below(user: User) -> list[Level]:
    """The levels that a user may give to others, highest first: their own and lower ones; staff, all of an account's."""
    if user.level == Level.STAFF:
        return sorted(RANK, key=RANK.__getitem__, reverse=True)
    if not at_least(user, EDITORS):
        return []
    return sorted((level for level in RANK if at_least(user, level)), key=RANK.__getitem__, reverse=True)


def is_super_admin(user: User) -> bool:
    """Whether the user is a Super-Admin who may act as one: deactivated users may do nothing."""
    return user.level == Level.SUPER_ADMIN and user.is_active


def locked(account_id: UUID | None, *user_ids: UUID) -> dict[UUID, User]:
    """These users and the account's active Super-Admins as they are now, by id, locked until the transaction ends.

    Every decision about rights is made from what this returns, so that two people who demote each other at the same
    moment are decided one after the other. Locks user rows in id order (FOR NO KEY UPDATE: sign-ins that only refer to
    them go on). Without an account: staff only. Raises NotFound when one of `user_ids` is neither in the account nor staff.
    """
    concerned = Q(id__in=user_ids) | Q(account_id=account_id, level=Level.SUPER_ADMIN, is_active=True)
    ours = Q(account_id=account_id) | Q(account_id__isnull=True)
    rows = User.objects.defer("password").filter(concerned, ours).order_by("id").select_for_update(no_key=True)
    people = {user.id: user for user in rows}
    if any(user_id not in people for user_id in user_ids):
        raise NotFound("There is no such user in this account.")
    return people
