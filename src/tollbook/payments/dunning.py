"""When issued invoices are charged by themselves, and which of them a person has to see to.

The operator's schedule says on which days after its issue an invoice is tried, for invoices issued since it was switched on:
what is older is left alone. An account may choose otherwise. After the last try, or when no card can help, a person does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.payments.tables import CollectionChoice, CollectionSchedule
from tollbook.postgres.named import load

SQL = load(__file__)
NAME = "invoices"
USUAL_DAYS = (0, 3, 5, 7)
MOST_TRIES = 8
LAST_DAY = 90


@dataclass(frozen=True, slots=True)
class Due:
    """An invoice that is to be tried now: for the `tries` + 1st time `of` so many, `day` days after its issue."""

    account_id: UUID
    invoice_id: UUID
    balance: Decimal
    tries: int
    of: int
    day: int
    request_key: str


@dataclass(frozen=True, slots=True)
class Planned:
    """An open invoice that would be charged by itself: `balance` of it on `on`, one of the account's days, or soon after."""

    number: str
    currency: str
    balance: Decimal
    on: date


@dataclass(frozen=True, slots=True)
class Chased:
    """An open invoice as the people who see to payments look at it. `why` it waits for a person; empty while it is tried.

    `next_on` is the day of the next try, in the account's days.
    """

    account_id: UUID
    slug: str
    name: str
    currency: str
    number: str
    balance: Decimal
    due_on: date
    tries: int
    of: int
    next_on: date | None
    last_at: datetime | None
    last_outcome: str
    why: str


def schedule() -> CollectionSchedule | None:
    """The operator's schedule; None when none was ever set, which is as good as off."""
    return CollectionSchedule.objects.filter(name=NAME).first()


def set_schedule(is_on: bool, days: Sequence[int], reason: str, actor: Actor) -> None:
    """Set when invoices are tried. Own transaction; audited. Raises Invalid as `check` does.

    Switched on, it holds for invoices issued from then on; a change of days keeps since when it holds.
    """
    check(days, reason)
    now = datetime.now(UTC)
    with transaction.atomic():
        before = CollectionSchedule.objects.select_for_update().filter(name=NAME).first()
        since = before.since_at if before and before.is_on and is_on else now
        values = {"is_on": is_on, "days": list(days), "since_at": since, "reason": reason.strip()}
        CollectionSchedule.objects.update_or_create(name=NAME, defaults=values | {"set_by": actor.name, "set_at": now})
        note(
            OPERATOR_ID,
            actor,
            "collection.set",
            "collection/invoices",
            before=_told(before),
            after={"on": is_on, "days": list(days)},
            reason=reason.strip(),
        )


def check(days: Sequence[int], reason: str) -> None:
    """Raise Invalid, with the field, for a schedule that can't be kept."""
    if not 1 <= len(days) <= MOST_TRIES:
        raise Invalid(f"Between one try and {MOST_TRIES}: card schemes allow no more within 30 days.", field="days")
    if list(days) != sorted(set(days)) or not 0 <= days[0] <= days[-1] <= LAST_DAY:
        raise Invalid(f"Days after the invoice's issue, each later than the one before, up to {LAST_DAY}.", field="days")
    if not reason.strip():
        raise Invalid("Say why: it is part of the trail.", field="reason")


def collects(account_id: UUID) -> bool:
    """Whether this account's invoices are charged by themselves now."""
    found = schedule()
    return found is not None and found.is_on and chosen(account_id) is not False


def chosen(account_id: UUID) -> bool | None:
    """What the account chose; None when it did not, and the operator's schedule holds."""
    found = CollectionChoice.objects.filter(account_id=account_id, name=NAME).first()
    return found.collects if found else None


def choose(account: Account, is_on: bool, actor: Actor) -> None:
    """Let the account's invoices be charged by themselves, or not. Own transaction; as engine; audited."""
    with transaction.atomic():
        before = chosen(account.id)
        if before == is_on:
            return
        values = {"collects": is_on, "set_by": actor.name, "set_at": datetime.now(UTC)}
        CollectionChoice.objects.update_or_create(account_id=account.id, name=NAME, defaults=values)
        told = {"collects": before}
        note(account.id, actor, "collection.choose", "collection/invoices", before=told, after={"collects": is_on})


def planned(account_id: UUID) -> list[Planned]:
    """What of the invoices that are open now would be charged by itself, and when, if the account collects: the next tries.

    As engine or portal; reads only.
    """
    return [Planned(*row) for row in _rows("planned", account_id=account_id)]


def due(limit: int) -> list[Due]:
    """The invoices that are to be tried now. A plain read, without locks: `intent.ask` looks again under the lock."""
    return [Due(*row) for row in _rows("due", limit=limit)]


def chased(limit: int) -> list[Chased]:
    """Invoices that are tried, and those that need a person, these first, of all accounts. Reads only."""
    return [Chased(*row) for row in _rows("chased", limit=limit)]


def _rows(name: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return list(cursor.fetchall())


def _told(found: CollectionSchedule | None) -> dict[str, Any] | None:
    return {"on": found.is_on, "days": found.days} if found else None
