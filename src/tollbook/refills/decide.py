"""An intent: one open refill per wallet, committed before any gateway hears of it."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.money.amount import LARGEST, to_minor
from tollbook.money.written import money
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.refills import stops
from tollbook.refills.brakes import Stop, choose, first_stop
from tollbook.refills.facts import Facts, crossing, take_turn, told
from tollbook.refills.rule import amount_for, locked, of_wallet, rule_of, told_of, wallet_of
from tollbook.refills.tables import OPEN_STATES, Refill, RefillRule
from tollbook.wallets.wallet import Locked, lock

SQL = load(__file__)


class RefillStopped(Conflict):
    """A brake does not allow this refill; nothing was charged. `details["stop"]` is the brake's code."""

    code = "refill_stopped"


class RefillUnderWay(Conflict):
    """The wallet has an open refill; nothing further was charged. `details["refill"]` is its id."""

    code = "refill_under_way"


@dataclass(frozen=True, slots=True)
class Intent:
    """A refill about to be decided."""

    id: UUID
    wallet_id: UUID
    automatic: bool
    amount: Decimal
    reason: str
    trigger_balance: Decimal
    requested_by: str
    why: dict[str, Any]
    rule: RefillRule | None = None
    request_key: str | None = None
    method_id: UUID | None = None


def decide(account_id: UUID, type_code: str) -> UUID | None:
    """Decide an automatic refill if the wallet is due and no brake holds; answers its id, or None.

    Own transaction. Locks the wallet, then its rule, and takes the turn to decide, so the balance, the caps and the open
    refill are those of one moment; a refill that is being settled is waited for. A brake that holds is made visible as
    the wallet's stop.
    """
    account, refill_id = by_id(account_id), new_id()
    return in_transaction(lambda: _decide(account, type_code, refill_id))


def ask(account: Account, type_code: str, amount: Decimal, actor: Actor, request_key: str | None = None) -> Refill:
    """A manual refill: commit the intent that `actor` asks for; the worker, or `run.step`, charges it.

    In the caller's transaction or its own, as engine or portal. Locks the rule's row. The same `request_key` again
    answers the same refill (lago-api #5870), with another wallet or amount it raises Conflict. `amount` > 0, at the
    currency's minor unit. Works with automatic refill off. Brakes as `brakes` says: the caps apply, the pause after a
    failure does not. Raises Invalid, NotFound, RefillStopped, RefillUnderWay.
    """
    try:
        return _ask(account, type_code, amount, actor, request_key)
    except (RefillStopped, RefillUnderWay):
        # Perhaps by this very request, sent twice at once and committed by the other a moment ago.
        known = _answered(account.id, request_key)
        if known is None:
            raise
        return _same(known, wallet_of(account.id, type_code).id, amount)


def _ask(account: Account, type_code: str, amount: Decimal, actor: Actor, request_key: str | None) -> Refill:
    _check_amount(amount, account.currency)
    with transaction.atomic():
        wallet = wallet_of(account.id, type_code)
        rule = locked(account.id, wallet.id)
        known = _answered(account.id, request_key)
        if known:
            return _same(known, wallet.id, amount)
        _refuse_while_open(account.id, wallet.id)
        take_turn()
        facts = choose(account, wallet.id, rule, amount, automatic=False)
        _refuse_stopped(facts)
        intent = Intent(
            id=new_id(),
            wallet_id=wallet.id,
            automatic=False,
            amount=amount,
            reason=f"{actor.name} asked for it.",
            trigger_balance=wallet.paid + wallet.granted,
            requested_by=actor.name,
            why={"crossing": None, "caps": told(facts)},
            request_key=request_key,
            method_id=facts.card.id if facts.card else None,
        )
        return _asked(account, type_code, intent, actor)


def check_ask(account: Account, type_code: str, amount: Decimal) -> None:
    """Whether `ask` would be refused now, for the page before it: reads only, and raises what `ask` would raise."""
    _check_amount(amount, account.currency)
    wallet = wallet_of(account.id, type_code)
    _refuse_while_open(account.id, wallet.id)
    _refuse_stopped(choose(account, wallet.id, of_wallet(account.id, wallet.id), amount, automatic=False))


def _decide(account: Account, type_code: str, refill_id: UUID) -> UUID | None:
    wallet = lock(account.id, [type_code])[type_code]
    rule = locked(account.id, wallet.id)
    if rule is None or not is_due(wallet, rule) or open_refill(account.id, wallet.id):
        stops.clear(account.id, wallet.id)
        return None
    take_turn()
    facts = choose(account, wallet.id, rule, amount_for(rule, wallet.balance), automatic=True)
    stop = first_stop(facts)
    if stop:
        _stop(rule, wallet, stop)
        return None
    stops.clear(account.id, wallet.id)
    return refill_id if _insert(account, _intent(refill_id, wallet, rule, facts)) else None


def _intent(refill_id: UUID, wallet: Locked, rule: RefillRule, facts: Facts) -> Intent:
    crossed = crossing(rule.account_id, wallet.id, wallet.type_code, rule.minimum_before_refill)
    return Intent(
        id=refill_id,
        wallet_id=wallet.id,
        automatic=True,
        amount=facts.amount,
        reason=_reason(rule, wallet),
        trigger_balance=wallet.balance,
        requested_by=SYSTEM.name,
        why={"crossing": crossed, "caps": told(facts)},
        rule=rule,
        method_id=facts.card.id if facts.card else None,
    )


def _refuse_stopped(facts: Facts) -> None:
    stop = first_stop(facts)
    if stop:
        raise RefillStopped(stop.reason, stop=stop.code)


def is_due(wallet: Locked, rule: RefillRule) -> bool:
    """Whether an automatic rule wants a refill at this balance (open refills are counted by the caller)."""
    return rule.automatic and wallet.balance <= rule.minimum_before_refill


def open_refill(account_id: UUID, wallet_id: UUID) -> Refill | None:
    """The wallet's open refill, if there is one."""
    return Refill.objects.filter(account_id=account_id, wallet_id=wallet_id, state__in=OPEN_STATES).first()


def _stop(rule: RefillRule, wallet: Locked, stop: Stop) -> None:
    if stop.code == "velocity":
        stops.trip(rule, wallet.type_code, stop)
    stops.show(rule.account_id, wallet.id, stop)


def _reason(rule: RefillRule, wallet: Locked) -> str:
    balance, minimum = money(wallet.balance, wallet.currency), money(rule.minimum_before_refill, wallet.currency)
    return f"The balance of {balance} was at or below the minimum of {minimum}."


def _insert(account: Account, intent: Intent) -> bool:
    """Insert the intent unless the wallet has an open one (or its request is known); whether it is there now."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["insert"], _row(account, intent))
        inserted = cursor.rowcount == 1
    if inserted:
        wake.tell(account.id)
    return inserted


def _row(account: Account, intent: Intent) -> dict[str, Any]:
    rule = intent.rule
    kept = rule and {
        **told_of(rule_of(rule)),
        "version": rule.version,
        "set_by": rule.set_by,
        "set_at": rule.set_at.isoformat(),
    }
    return {
        "account_id": account.id,
        "id": intent.id,
        "wallet_id": intent.wallet_id,
        "automatic": intent.automatic,
        "amount": intent.amount,
        "currency": account.currency,
        "reason": intent.reason[:300],
        "trigger_balance": intent.trigger_balance,
        "rule": json.dumps(kept) if kept else None,
        "requested_by": intent.requested_by,
        "request_key": intent.request_key,
        "why": json.dumps(intent.why),
        "method_id": intent.method_id,
    }


def _asked(account: Account, type_code: str, intent: Intent, actor: Actor) -> Refill:
    if not _insert(account, intent):
        known = _answered(account.id, intent.request_key)
        if known:
            return _same(known, intent.wallet_id, intent.amount)
        _refuse_while_open(account.id, intent.wallet_id)
        raise RefillUnderWay("A refill of this wallet was under way a moment ago; look again.")
    after = {"refill": str(intent.id), "amount": str(intent.amount)}
    note(account.id, actor, "refill.ask", f"wallet/{type_code}", after=after)
    return Refill.objects.get(account_id=account.id, id=intent.id)


def _answered(account_id: UUID, request_key: str | None) -> Refill | None:
    if request_key is None:
        return None
    return Refill.objects.filter(account_id=account_id, request_key=request_key).first()


def _same(known: Refill, wallet_id: UUID, amount: Decimal) -> Refill:
    if (known.wallet_id, known.amount) != (wallet_id, amount):
        raise Conflict("This request was made before, with another wallet or amount.", refill=str(known.id))
    return known


def _refuse_while_open(account_id: UUID, wallet_id: UUID) -> None:
    refill = open_refill(account_id, wallet_id)
    if refill:
        sum_ = money(refill.amount, refill.currency)
        raise RefillUnderWay(f"A refill of {sum_} is under way; nothing further was charged.", refill=str(refill.id))


def _check_amount(amount: Decimal, currency: str) -> None:
    if not amount.is_finite() or not 0 < amount <= LARGEST or to_minor(amount, currency) != amount:
        example = money(Decimal(500), currency)
        raise Invalid(f"Write an amount that a card can be charged, such as {example}.", field="amount")
