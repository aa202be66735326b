"""The append-only trail of who changed what, when, before and after."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from tollbook import logs
from tollbook.accounts.tables import OPERATOR_ID_TEXT, AuditEntry, User
from tollbook.postgres.ids import new_id

OPERATOR_ID = UUID(OPERATOR_ID_TEXT)
"""Stands in `account_id` where something belongs to the operator and so to all accounts."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user, an API key, or the system by itself. `name` is what the trail shows."""

    kind: str
    id: str
    name: str


SYSTEM = Actor("system", "", "Tollbook")


def actor_of(user: User) -> Actor:
    """The actor a signed-in user is."""
    return Actor("staff" if user.level == "staff" else "user", str(user.id), user.email)


def note(
    account_id: UUID,
    actor: Actor,
    action: str,
    target: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write one line of the trail, in the transaction of the change itself (so both happen or neither).

    `action` is `noun.verb` (`refill_rule.change`), `target` names the thing (`wallet/outbound`); before and after are
    JSON-able and hold only what changed. Never secrets.
    """
    return AuditEntry.objects.create(
        account_id=account_id,
        id=new_id(),
        at=datetime.now(UTC),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        action=action,
        target=target,
        before=before,
        after=after,
        reason=reason,
        request_id=logs.request_id.get(),
    )


def trail(account_id: UUID) -> QuerySet[AuditEntry]:
    """The account's lines, newest first."""
    return AuditEntry.objects.filter(account_id=account_id).order_by("-at", "-id")
