"""The least that an account agreed to pay for each of its monthly periods: agree to it, end it.

What is missing is charged when a period is over (due.py). Each verb is one transaction, locks the account's row and is
audited. Days are local days of the account.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.money.amount import to_minor
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.plan import A_DAY
from tollbook.subscriptions.tables import Commitment


def agree(
    account: Account, amount: Decimal, starts_on: date, actor: Actor, ends_on: date | None = None, id: UUID | None = None
) -> Commitment:
    """At least `amount` (the currency's minor unit) for each monthly period from `starts_on`, not past, until `ends_on`.

    A first or last period in part counts by the day. With an `id`, made by the caller before, it is agreed once. Raises
    Invalid with the field, and Conflict when another one is in force in that time.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(id=account.id)
        known = id and Commitment.objects.filter(account_id=account.id, id=id).first()
        if known:
            return known
        check(account, amount, starts_on, ends_on)
        made = Commitment.objects.create(
            account_id=account.id, id=id or new_id(), amount=amount, starts_on=starts_on, ends_on=ends_on,
            created_at=datetime.now(UTC), known_on=today_in(account),
        )  # fmt: skip
        note(account.id, actor, "commitment.agree", f"commitment/{made.id}", after=_shown(made))
        wake.tell(account.id)
    return made


def end(account: Account, id: UUID, ends_on: date, actor: Actor) -> Commitment:
    """Make `ends_on`, yesterday at the earliest, its last day; the day before its start takes it back.

    Raises NotFound, Invalid with the field, and Conflict when it has ended already.
    """
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(id=account.id)
        row = Commitment.objects.filter(account_id=account.id, id=id).first()
        if row is None:
            raise NotFound("There is no such commitment.")
        earliest = max(row.starts_on, today_in(account)) - A_DAY
        if row.ends_on and row.ends_on < earliest:
            raise Conflict(f"It ended on {row.ends_on:%d %b %Y}.")
        if ends_on < earliest:
            raise Invalid(f"Its last day can be {earliest:%d %b %Y} at the earliest.", field="ends_on")
        before = _shown(row)
        row.ends_on = ends_on
        row.save(update_fields=["ends_on"])
        note(account.id, actor, "commitment.end", f"commitment/{row.id}", before=before, after=_shown(row))
        wake.tell(account.id)
    return row


def check(account: Account, amount: Decimal, starts_on: date, ends_on: date | None) -> None:
    """Raise Invalid, with the field, or Conflict for what can't be agreed."""
    if not amount.is_finite() or amount <= 0 or to_minor(amount, account.currency) != amount:
        raise Invalid(f"A commitment is more than zero, and no finer than {account.currency} can be paid.", field="amount")
    if starts_on < today_in(account):
        raise Invalid("It can begin today at the earliest.", field="starts_on")
    if ends_on and ends_on < starts_on:
        raise Invalid("The last day can't be before the first.", field="ends_on")
    others = Commitment.objects.filter(account_id=account.id).filter(Q(ends_on=None) | Q(ends_on__gte=starts_on))
    if others.filter(**({"starts_on__lte": ends_on} if ends_on else {})).exists():
        raise Conflict("Another commitment is in force in that time; end it first.")


def in_force(account: Account, day: date) -> Commitment | None:
    """The commitment of a day, or the next one to come."""
    ahead = Commitment.objects.filter(account_id=account.id).filter(Q(ends_on=None) | Q(ends_on__gte=day))
    return ahead.order_by("starts_on").first()


def _shown(row: Commitment) -> dict[str, str | None]:
    return {
        "amount": str(row.amount),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": row.ends_on and row.ends_on.isoformat(),
    }
