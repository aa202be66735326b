"""Included credit: what a subscription grants to a wallet each month, once, whoever asks and however often.

Rules. A month counts from the subscription's anchor, also when it is charged by the quarter or the year. On its first day
(or the day the subscription starts) the wallet is granted the credit that the component included when the subscription was
recorded, for each one of the quantity in force, by the day for what is left of a first month when it is prorated. Nothing
is granted while it is paused, nor for months before it was recorded; missed months are made up for, `CATCH_UP` at most.
Granted credit is promotional: it is spent first, never refunded, and no revenue.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from threading import Event
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.ledger.post import AlreadyPosted
from tollbook.ledger.tables import Transfer
from tollbook.money.period import period_number, period_of
from tollbook.subscriptions import plan as plans
from tollbook.subscriptions.lines import share
from tollbook.subscriptions.plan import Plan
from tollbook.subscriptions.record import including_credit, read
from tollbook.wallets.credit import Credit, credit
from tollbook.wallets.wallet import lock, open_wallets

CATCH_UP = 12
"""How many months back, the running one included, are granted without a person."""

PART = 500


class Included(NamedTuple):
    """What one month includes: once for its `reference`, in the account's currency."""

    type_code: str
    amount: Decimal
    reference: str
    description: str


def give_due(stop: Event | None = None) -> int:
    """Grant what has become due to every account; answers how many grants were made. Own transactions, one for an account;
    locks its wallets. Must not be called inside a transaction.
    """
    given, ids = 0, including_credit()
    for first in range(0, len(ids), PART):
        if stop and stop.is_set():
            break
        accounts = list(Account.objects.filter(id__in=ids[first : first + PART]).order_by("id"))
        books = read(accounts)
        for account in accounts:
            found = books.get(account.id)
            given += _give(account, due(account, found.plans, today_in(account))) if found else 0
    return given


def due(account: Account, recorded: Sequence[Plan], today: date) -> list[Included]:
    """What should have been granted by `today`, whether it was or not; oldest month of each subscription first."""
    return [each for plan in recorded if plan.grant_amount and plan.recurring for each in _of(account, plan, today)]


def _of(account: Account, plan: Plan, today: date) -> Iterator[Included]:
    changes = plans.in_effect(plan.changes)
    running = period_of(plan.anchor_on, today).index
    first = max(period_of(plan.anchor_on, max(plan.starts_on, plan.known_on)).index, running - CATCH_UP + 1)
    for index in range(first, running + 1):
        period = period_number(plan.anchor_on, index)
        day = max(period.start_on, plan.starts_on)
        last = plans.last_day(plan, changes)
        if day > today or (last and day > last) or plans.is_paused(changes, day):
            continue
        whole = plan.grant_amount * plans.agreed_on(plan, changes, day).quantity
        amount = share(whole, period, day if plan.prorated else period.start_on, period.end_on, account.currency)
        if amount > 0:
            reference = f"included:{plan.id}:{period.start_on}"
            yield Included(plan.grant_type_code, amount, reference, f"Included in {plan.name} from {day:%d %b %Y}")


def _give(account: Account, wanted: Sequence[Included]) -> int:
    missing = _not_yet(account.id, wanted)
    if not missing:
        return 0
    try:
        with transaction.atomic():
            open_wallets(account)
            lock(account.id, {each.type_code for each in missing})
            missing = [each for each in _not_yet(account.id, missing) if _credit(account, each)]
            return len(missing)
    except AlreadyPosted:
        return 0


def _credit(account: Account, each: Included) -> bool:
    """Whether it was granted: the credit type may have been switched off before the account had a wallet of it."""
    wallet = lock(account.id, [each.type_code]).get(each.type_code)
    if wallet is None:
        return False
    given = Credit(
        each.type_code, each.amount, "granted", "grant", each.reference, "promotion", each.description, SYSTEM.name
    )
    credit(account.id, wallet, given)
    return True


def _not_yet(account_id: UUID, wanted: Sequence[Included]) -> list[Included]:
    references = [each.reference for each in wanted]
    made = set(
        Transfer.objects.filter(account_id=account_id, kind="grant", reference__in=references).values_list(
            "reference", flat=True
        )
    )
    return [each for each in wanted if each.reference not in made]
