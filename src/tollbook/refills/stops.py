"""The visible state of a wallet that is due and stopped: one row with the reason, gone when the reason is gone."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Forbidden
from tollbook.postgres import wake
from tollbook.postgres.named import load
from tollbook.refills.brakes import Stop
from tollbook.refills.rule import locked, wallet_of
from tollbook.refills.tables import RefillRule, RefillStop

SQL = load(__file__)


def show(account_id: UUID, wallet_id: UUID, stop: Stop) -> None:
    """Make the stop visible, in the caller's transaction; says so to pages only when something changed."""
    values = {"account_id": account_id, "wallet_id": wallet_id, "code": stop.code, "reason": stop.reason}
    with connection.cursor() as cursor:
        cursor.execute(SQL["show"], values | {"until_at": stop.until, "since_at": datetime.now(UTC)})
        if cursor.rowcount:
            wake.tell(account_id)


def trip(rule: RefillRule, type_code: str, stop: Stop) -> None:
    """Remember that the velocity breaker tripped, in the caller's transaction, which holds the rule's row."""
    if rule.tripped_at is None:
        RefillRule.objects.filter(account_id=rule.account_id, wallet_id=rule.wallet_id).update(
            tripped_at=datetime.now(UTC)
        )
        note(rule.account_id, SYSTEM, "refills.trip", f"wallet/{type_code}", reason=stop.reason)


def release(account: Account, type_code: str, actor: Actor) -> None:
    """Let a wallet refill again after the velocity breaker; by a person. As engine or portal, in the caller's
    transaction or its own; audited. Raises NotFound, Forbidden for the system, Conflict when nothing is stopped."""
    if actor.kind == SYSTEM.kind:
        raise Forbidden("A person releases refills, never the system.")
    with transaction.atomic():
        wallet = wallet_of(account.id, type_code)
        rule = locked(account.id, wallet.id)
        if rule is None or rule.tripped_at is None:
            raise Conflict("Refills of this wallet are not waiting for a release.")
        mine = RefillRule.objects.filter(account_id=account.id, wallet_id=wallet.id)
        mine.update(tripped_at=None, released_at=datetime.now(UTC))
        note(account.id, actor, "refills.release", f"wallet/{type_code}")
        wake.tell(account.id)


def clear(account_id: UUID, wallet_id: UUID) -> None:
    """The reason is gone, in the caller's transaction."""
    if RefillStop.objects.filter(account_id=account_id, wallet_id=wallet_id).delete()[0]:
        wake.tell(account_id)


def clear_all_gone() -> int:
    """Remove the stops of wallets that are not due any more (funded, rule off, refilled by hand); answers how many.

    One statement of its own; a stop that is still due is written again by the next decision, so a race does no harm.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SQL["clear_gone"])
        accounts = [row[0] for row in cursor.fetchall()]
        for account_id in sorted(set(accounts)):
            wake.tell(account_id)
    return len(accounts)
