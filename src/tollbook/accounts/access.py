"""The Access Control List: what a user may do in Billing, who may grant it, and asking for it.

A Super-Admin has every area, Read and Write, without a row. Everybody else of the account has what a row grants. Staff
have nothing here: they work through the desk. Only Super-Admins of the account grant, never to themselves, and nobody
grants what they lack.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from tollbook.accounts.audit import actor_of, note
from tollbook.accounts.level import is_super_admin, locked
from tollbook.accounts.tables import AccessGrant, AccessRequest, Area, Level, RequestState, User
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound
from tollbook.postgres.ids import new_id


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be done in one area."""

    read: bool = False
    write: bool = False

    def __str__(self) -> str:
        return "Read and Write" if self.write else "Read" if self.read else "No access"


NONE, READ, ALL = Rights(), Rights(read=True), Rights(read=True, write=True)
EVERYTHING = dict.fromkeys(Area, ALL)
Grants = Mapping[Area, Rights]


@dataclass(frozen=True, slots=True)
class Asked:
    """An open request and the user whose it is."""

    id: UUID
    user: User
    requested_at: datetime


def rights(user: User) -> dict[Area, Rights]:
    """What the user may do in each area, by level or by grant; nothing for staff and for deactivated users. One query."""
    if is_super_admin(user):
        return dict(EVERYTHING)
    if not user.is_active or user.level == Level.STAFF:
        return dict.fromkeys(Area, NONE)
    return granted(user)


def granted(user: User) -> dict[Area, Rights]:
    """The rows of the user's own list, whatever their level and even while they are deactivated. One query."""
    rows = AccessGrant.objects.filter(account_id=user.account_id, user_id=user.id)
    held = {row.area: Rights(row.can_read, row.can_write) for row in rows}
    return {area: held.get(area, NONE) for area in Area}


def may(user: User, area: Area, write: bool = False) -> bool:
    """Whether the user may read (or, with `write`, change) this area. One query."""
    held = rights(user)[area]
    return held.write if write else held.read


def readers(users: Iterable[User], area: Area) -> set[UUID]:
    """Those of these users, of any accounts, who may read this area. One query, as the engine."""
    people = [user for user in users if user.is_active and user.level != Level.STAFF]
    rows = AccessGrant.objects.filter(user_id__in=[user.id for user in people], area=area, can_read=True)
    held = set(rows.values_list("account_id", "user_id"))
    return {user.id for user in people if is_super_admin(user) or (user.account_id, user.id) in held}


def covers(held: Grants, wanted: Grants) -> bool:
    """Whether `held` has every right of `wanted`: nobody grants what they lack."""
    return all(
        held.get(area, NONE).read >= right.read and held.get(area, NONE).write >= right.write
        for area, right in wanted.items()
    )


def who_can_grant(account_id: UUID) -> list[User]:
    """The account's active Super-Admins, by email."""
    super_admins = User.objects.defer("password").filter(account_id=account_id, level=Level.SUPER_ADMIN)
    return list(super_admins.filter(is_active=True).order_by("email"))


def set_grants(actor_user: User, user: User, wanted: Grants) -> dict[Area, Rights]:
    """Replace the user's rights in the areas named in `wanted`; others stay. Returns all rights after it.

    Runs in a transaction of its own or the caller's; locks as `level.locked` says. Settles an open request of the user as
    granted when something may be read now. Raises Forbidden unless the actor is an active Super-Admin of the account who
    has what is granted, and about someone else; Conflict for a Super-Admin, who has everything anyway; Invalid for Write
    without Read.
    """
    if any(right.write and not right.read for right in wanted.values()):
        raise Invalid("Write without Read makes no sense: grant Read too.", field="write")
    with transaction.atomic():
        actor, user = _granter(actor_user, user)
        if not covers(rights(actor), wanted):
            raise Forbidden("You can't grant what you don't have yourself.")
        after = _write(actor, user, wanted)
        request = _open_request(user)
        if request is not None and any(right.read for right in after.values()):
            _settle(request, actor, RequestState.GRANTED)
        return after


def ask(user: User) -> AccessRequest:
    """Ask the Super-Admins for access to Billing; the open request when there is one already.

    Runs in a transaction of its own or the caller's; no locks. Raises Conflict for someone who can read everything.
    """
    if all(right.read for right in rights(user).values()) or user.level == Level.STAFF:
        raise Conflict("You have access to Billing already.")
    request = _open_request(user)
    if request is not None:
        return request
    try:
        with transaction.atomic():
            return _asked_now(user)
    except IntegrityError:  # a second click at the same moment
        request = _open_request(user)
        if request is None:
            raise
        return request


def decide(actor_user: User, request_id: UUID, grant: bool) -> AccessRequest:
    """Grant an open request (Read in every area; Write is left to the list itself), or decline it.

    Runs in a transaction of its own or the caller's; locks as `level.locked` says, then the request. Raises NotFound,
    Conflict when somebody decided meanwhile, and Forbidden as `set_grants` does.
    """
    with transaction.atomic():
        asked = find_request(actor_user.account_id, request_id)
        actor, user = _granter(actor_user, User(id=asked.user_id, account_id=asked.account_id))
        request = AccessRequest.objects.select_for_update().get(account_id=asked.account_id, id=asked.id)
        if request.state != RequestState.OPEN:
            raise Conflict(f"This request was decided already: {request.get_state_display().lower()}.")
        if grant:
            held = granted(user)
            _write(actor, user, {area: READ for area in Area if not held[area].read})
        return _settle(request, actor, RequestState.GRANTED if grant else RequestState.DECLINED)


def find_request(account_id: UUID | None, request_id: UUID) -> AccessRequest:
    """The account's request with this id. Raises NotFound, also for requests of other accounts."""
    request = AccessRequest.objects.filter(account_id=account_id, id=request_id).first()
    if request is None:
        raise NotFound("There is no such request.")
    return request


def open_requests(account_id: UUID) -> list[Asked]:
    """The account's open requests that still need a decision, oldest first: of active users who have not become
    Super-Admins meanwhile. Two queries."""
    requests = list(
        AccessRequest.objects.filter(account_id=account_id, state=RequestState.OPEN).order_by("requested_at")
    )
    users = User.objects.defer("password").filter(account_id=account_id, is_active=True)
    users = users.exclude(level=Level.SUPER_ADMIN)
    by_id = {user.id: user for user in users.filter(id__in=[request.user_id for request in requests])}
    return [
        Asked(request.id, by_id[request.user_id], request.requested_at)
        for request in requests
        if request.user_id in by_id
    ]


def last_request(user: User) -> AccessRequest | None:
    """The user's newest request, whatever became of it."""
    requests = AccessRequest.objects.filter(account_id=user.account_id, user_id=user.id)
    return requests.order_by("-requested_at").first()


def _granter(actor_user: User, user: User) -> tuple[User, User]:
    """Both as they are now, locked; refused unless the one may grant to the other."""
    if user.account_id is None or user.account_id != actor_user.account_id:
        raise Forbidden("Access is granted by a Super-Admin of the user's own account.")
    people = locked(user.account_id, actor_user.id, user.id)
    actor, user = people[actor_user.id], people[user.id]
    if not is_super_admin(actor):
        raise Forbidden("Only a Super-Admin can grant access to Billing.")
    if actor.id == user.id or user.level == Level.SUPER_ADMIN:
        raise Conflict("A Super-Admin has every right already; there is nothing to grant.")
    return actor, user


def _write(actor: User, user: User, wanted: Grants) -> dict[Area, Rights]:
    before = granted(user)
    changed = {Area(area): right for area, right in wanted.items() if right != before[Area(area)]}
    if not changed:
        return before
    AccessGrant.objects.filter(account_id=user.account_id, user_id=user.id, area__in=changed).delete()
    AccessGrant.objects.bulk_create(_row(actor, user, area, right) for area, right in changed.items() if right.read)
    note(
        user.account_id,
        actor_of(actor),
        "access.change",
        f"user/{user.email}",
        before={area.label: str(before[area]) for area in changed},
        after={area.label: str(right) for area, right in changed.items()},
    )
    return before | changed


def _row(actor: User, user: User, area: Area, right: Rights) -> AccessGrant:
    return AccessGrant(
        account_id=user.account_id,
        user_id=user.id,
        area=area,
        can_read=right.read,
        can_write=right.write,
        granted_by=actor.id,
        granted_at=datetime.now(UTC),
    )


def _open_request(user: User) -> AccessRequest | None:
    return AccessRequest.objects.filter(account_id=user.account_id, user_id=user.id, state=RequestState.OPEN).first()


def _asked_now(user: User) -> AccessRequest:
    request = AccessRequest.objects.create(
        account_id=user.account_id, id=new_id(), user_id=user.id, requested_at=datetime.now(UTC)
    )
    note(user.account_id, actor_of(user), "access_request.open", f"user/{user.email}", after={"Billing": "Requested"})
    return request


def _settle(request: AccessRequest, actor: User, state: RequestState) -> AccessRequest:
    request.state, request.decided_by, request.decided_at = state, actor.id, datetime.now(UTC)
    AccessRequest.objects.filter(account_id=request.account_id, id=request.id).update(
        state=state, decided_by=actor.id, decided_at=request.decided_at
    )
    email = User.objects.values_list("email", flat=True).get(id=request.user_id)
    verb = "grant" if state == RequestState.GRANTED else "decline"
    note(
        request.account_id,
        actor_of(actor),
        f"access_request.{verb}",
        f"user/{email}",
        before={"Billing": RequestState.OPEN.label},
        after={"Billing": state.label},
    )
    return request
