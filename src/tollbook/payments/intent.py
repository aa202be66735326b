"""A wish to have an invoice paid by card: committed before any gateway hears of it, checked again when money would move.

Two clicks, two tabs or two devices ask for one charge: a request is answered once, an invoice has at most one open wish,
and whoever asks says what they saw as owed, so that a second payment of what was just paid is refused.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import Invoice, InvoiceKind, OpenBalance, Settlement
from tollbook.money.amount import to_minor
from tollbook.money.written import money
from tollbook.payments import attempts, dunning, gateway, questions
from tollbook.payments import method as methods
from tollbook.payments.asking import LEASE
from tollbook.payments.gateway import ChargeRequest
from tollbook.payments.tables import (
    OPEN_INTENTS,
    Disputed,
    DisputeState,
    IntentState,
    PaymentIntent,
    PaymentMethod,
)
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
PURPOSE = "invoice"
MARGIN = timedelta(hours=1)
"""A key is not sent again this shortly before the gateway forgets it, nor is "no such charge" final any sooner."""


class PaymentUnderWay(Conflict):
    """The invoice has an open payment; nothing further was charged. `details["payment"]` is its id."""

    code = "payment_under_way"


class BalanceMoved(Conflict):
    """Another sum is owed than whoever asks has seen; nothing was charged."""

    code = "balance_moved"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `seen` is what was owed on the page that asks; no `method_id`: on the gateway's own page."""

    invoice_id: UUID
    amount: Decimal
    method_id: UUID | None
    seen: Decimal
    reason: str
    automatic: bool = False
    request_key: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be sent to which gateway, for which intent."""

    gateway: str
    request: ChargeRequest


def key_of(intent: PaymentIntent) -> str:
    """The idempotency key of an intent's attempt."""
    return gateway.key_of(PURPOSE, intent.id, intent.attempt)


def resend_within(name: str) -> timedelta:
    """How long after it was first sent a key may be sent to this gateway again."""
    return gateway.remembers(name) - MARGIN


def ask(account: Account, wish: Wish, actor: Actor) -> PaymentIntent:
    """Commit the intent to have `wish.amount` charged; `collect.step` or `collect.open_page` does it.

    Own transaction; as engine. Locks the account's row, so that what is owed stands still. The same `request_key` again
    answers the same intent, with other values it raises Conflict. Raises Invalid (amount), NotFound, BalanceMoved,
    PaymentUnderWay, Conflict (a card that must not be tried).
    """
    id = new_id()
    return in_transaction(lambda: _ask(account, wish, actor, id))


def check(account: Account, number: str, amount: Decimal, method_id: UUID | None) -> None:
    """Raise what `ask` would raise now, for the page before it. Reads only."""
    open_ = _open_balance(account.id, invoice_of(account.id, number).id)
    check_amount(amount, open_.balance, number, account.currency)
    _refuse_while_open(account.id, open_.invoice_id)
    _card(account.id, method_id)


def check_amount(amount: Decimal, balance: Decimal, number: str, currency: str) -> None:
    """Raise Invalid, with the field, for a sum that a card can't be charged for an invoice on which `balance` is open."""
    if balance == 0:
        raise Conflict(f"{number} is paid; nothing is open on it.")
    if not amount.is_finite() or amount <= 0 or to_minor(amount, currency) != amount:
        raise Invalid("The amount is more than zero and no finer than the currency can be paid.", field="amount")
    if amount > balance:
        raise Invalid(f"{money(balance, currency)} is open on {number}; pay no more than that.", field="amount")


def invoice_of(account_id: UUID, number: str) -> Invoice:
    """The account's invoice of this number. Raises NotFound."""
    found = Invoice.objects.filter(account_id=account_id, number=number).first()
    if found is None:
        raise NotFound(f"There is no invoice {number}.")
    return found


def owed_on(account_id: UUID, invoice_id: UUID) -> Decimal:
    """What is open on an invoice. Reads only. Raises NotFound."""
    return _open_balance(account_id, invoice_id).balance


def find(account_id: UUID, intent_id: UUID) -> PaymentIntent:
    """The intent as it stands. Raises NotFound."""
    found = PaymentIntent.objects.filter(account_id=account_id, id=intent_id).first()
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def open_of(account_id: UUID, invoice_id: UUID) -> PaymentIntent | None:
    """The invoice's open payment, if there is one."""
    mine = PaymentIntent.objects.filter(account_id=account_id, invoice_id=invoice_id)
    return mine.filter(state__in=OPEN_INTENTS).first()


def of_invoice(account_id: UUID, invoice_id: UUID) -> list[PaymentIntent]:
    """Every payment of the invoice that was asked for, the newest first."""
    mine = PaymentIntent.objects.filter(account_id=account_id, invoice_id=invoice_id)
    return list(mine.order_by("-decided_at", "-id"))


def card_of(intent: PaymentIntent) -> PaymentMethod | None:
    """The card that is charged, even when it was removed since; None for a payment on the gateway's page."""
    if intent.method_id is None:
        return None
    return PaymentMethod.objects.get(account_id=intent.account_id, id=intent.method_id)


def begin(account_id: UUID, intent_id: UUID, again: bool = False) -> Charge | None:
    """Commit `charging` and answer what to send; None when it was withdrawn, or somebody else began it.

    `again`: the gateway has no record of the charge that was sent; the same key is sent again, if it still holds.
    Own transaction. Locks the account's row, then the card, then the intent by the guarded update.
    """
    return in_transaction(lambda: _begin(account_id, intent_id, again))


def withdraw(intent: PaymentIntent, reason: str) -> None:
    """The end of an intent that was never charged. The caller's transaction or its own; a guarded update."""
    if _run("withdraw", intent, outcome=reason[:200], states=[str(intent.state)]):
        attempts.excused(intent.account_id, key_of(intent))


def give_up(account_id: UUID, intent_id: UUID, actor: Actor) -> None:
    """Write down that a person does not want it: one that waits for its payer, or was just asked for by somebody.

    In the caller's transaction or its own; audited. `collect.give_up` also ends it. Raises NotFound, Conflict.
    """
    with transaction.atomic():
        intent = find(account_id, intent_id)
        mine = PaymentIntent.objects.filter(account_id=account_id, id=intent_id, given_up_at__isnull=True)
        may = mine.filter(Q(state=IntentState.ACTION_REQUIRED) | Q(state=IntentState.DECIDED, automatic=False))
        if not may.update(given_up_at=datetime.now(UTC), given_up_by=actor.name):
            raise Conflict("This payment can't be given up any more.")
        note(account_id, actor, "payment.give_up", f"payment/{intent_id}", before={"state": str(intent.state)})
        wake.tell(account_id)


def postpone(intent: PaymentIntent, pause: timedelta) -> None:
    """Ask about it again after `pause` from now on. In the caller's transaction or its own."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["postpone"], {"account_id": intent.account_id, "id": intent.id, "pause": pause})


def was_told(intent: PaymentIntent) -> bool:
    """Whether the gateway has spoken of the attempt's charge, so that it did receive it."""
    return bool(intent.charge_reference) or intent.state == IntentState.ACTION_REQUIRED


def never_arrived(intent: PaymentIntent) -> bool:
    """Whether a gateway's "no such charge" is final by now: even what was sent last would have arrived."""
    return intent.sent_at is None or datetime.now(UTC) - intent.sent_at > MARGIN


def _ask(account: Account, wish: Wish, actor: Actor, id: UUID) -> PaymentIntent:
    lock_settlements(account.id)
    known = _answered(account.id, wish)
    if known is not None:
        return known
    open_ = _open_balance(account.id, wish.invoice_id)
    _refuse_while_open(account.id, wish.invoice_id)
    if open_.balance != wish.seen:
        raise BalanceMoved(
            f"{money(open_.balance, account.currency)} is owed on {open_.number} now. Nothing was charged; look again.",
            owed=str(open_.balance),
        )
    check_amount(wish.amount, open_.balance, open_.number, account.currency)
    card = _card(account.id, wish.method_id)
    intent = PaymentIntent.objects.create(
        account_id=account.id,
        id=id,
        invoice_id=wish.invoice_id,
        amount=wish.amount,
        currency=account.currency,
        automatic=wish.automatic,
        gateway=card.gateway if card else page_gateway(),
        method_id=wish.method_id,
        on_page=card is None,
        reason=wish.reason[:300],
        requested_by=actor.name,
        request_key=wish.request_key,
        decided_at=datetime.now(UTC),
    )
    after = {"payment": str(id), "amount": str(wish.amount), "with": methods.label(card) if card else "payment page"}
    note(account.id, actor, "payment.ask", f"invoice/{open_.number}", after=after, reason=wish.reason[:300])
    wake.tell(account.id)
    return intent


def page_gateway() -> str:
    """The gateway whose own page is offered. Raises Conflict when there is none."""
    names = [name for name in gateway.offered() if name != "manual"]
    if not names:
        raise Conflict("No payment page is offered here. Ask Support how to pay.")
    return names[0]


def _answered(account_id: UUID, wish: Wish) -> PaymentIntent | None:
    if wish.request_key is None:
        return None
    known = PaymentIntent.objects.filter(account_id=account_id, request_key=wish.request_key).first()
    if known is None:
        return None
    same = (known.invoice_id, known.amount, known.on_page) == (wish.invoice_id, wish.amount, wish.method_id is None)
    if not same or (known.attempt == 1 and known.method_id != wish.method_id):
        raise Conflict("This request was made before, with other values. Begin again for another one.")
    return known


def _open_balance(account_id: UUID, invoice_id: UUID) -> OpenBalance:
    found = OpenBalance.objects.filter(account_id=account_id, invoice_id=invoice_id).first()
    if found is None:
        raise NotFound("There is no such invoice.")
    return found


def _refuse_while_open(account_id: UUID, invoice_id: UUID) -> None:
    open_ = open_of(account_id, invoice_id)
    if open_ is not None:
        sum_ = money(open_.amount, open_.currency)
        raise PaymentUnderWay(f"A payment of {sum_} is under way; nothing further was charged.", payment=str(open_.id))


def _card(account_id: UUID, method_id: UUID | None) -> PaymentMethod | None:
    if method_id is None:
        page_gateway()
        return None
    card = methods.find(account_id, method_id)
    refusal = attempts.record(card).refusal()
    if refusal:
        raise Conflict(refusal)
    return card


def _begin(account_id: UUID, intent_id: UUID, again: bool) -> Charge | None:
    lock_settlements(account_id)
    intent = find(account_id, intent_id)
    states = (IntentState.CHARGING, IntentState.UNKNOWN) if again else (IntentState.DECIDED,)
    if intent.state not in states or was_told(intent) or questions.waits_unbooked(intent):
        return None
    card = card_of(intent)
    problem = _problem(intent, card, again)
    if problem:
        if not again or never_arrived(intent):
            withdraw(intent, problem)
        return None
    if _run("charging", intent, states=list(states), lease=LEASE) != 1:
        return None
    if card is not None:
        attempts.begin(card, key_of(intent))
    number = Invoice.objects.values_list("number", flat=True).get(account_id=account_id, id=intent.invoice_id)
    return Charge(intent.gateway, _request(intent, card, number))


def _request(intent: PaymentIntent, card: PaymentMethod | None, number: str) -> ChargeRequest:
    return ChargeRequest(
        account_id=intent.account_id,
        idempotency_key=key_of(intent),
        token=card.token if card else "",
        amount=intent.amount,
        currency=intent.currency,
        description=f"Invoice {number}",
        purpose=PURPOSE,
        our_id=str(intent.id),
        attempt=intent.attempt,
    )


def _problem(intent: PaymentIntent, card: PaymentMethod | None, again: bool) -> str | None:
    """Why it must not be sent now: it does not hold any more. The answer is read by customers."""
    if intent.given_up_at is not None:
        return f"{intent.given_up_by} gave it up."
    owed = _open_balance(intent.account_id, intent.invoice_id)
    if owed.balance < intent.amount:
        return f"Less is owed on {owed.number} now than would have been charged."
    if card is not None:
        _lock_card(card)
        if card.removed_at is not None:
            return "The card was removed before it was charged."
        refusal = None if again else attempts.record(card).refusal()
        if refusal:
            return refusal
    return _why_not_by_itself(intent) if intent.automatic else None


def _why_not_by_itself(intent: PaymentIntent) -> str | None:
    account = by_id(intent.account_id)
    if not account.is_active:
        return "The account is closed."
    if not dunning.collects(account.id):
        return "Collection by itself was switched off before the card was charged."
    if Disputed.objects.filter(account_id=account.id, state=DisputeState.OPEN).exists():
        return "A payment of this account is disputed; a person has to look first."
    mine = {"account_id": account.id, "invoice_id": intent.invoice_id}
    if Settlement.objects.filter(**mine, amount__lt=0).exists():
        return "What was paid on this invoice was given back or charged back; a person has to look first."
    if Invoice.objects.filter(account_id=account.id, id=intent.invoice_id, kind=InvoiceKind.REFILL).exists():
        return "This invoice sold credit; what paid for it is gone, and a person has to look first."
    return None


def _lock_card(card: PaymentMethod) -> None:
    """Charges of one card begin one after another, so that its attempts are counted exactly."""
    cards = PaymentMethod.objects.select_for_update(no_key=True)
    same = {"account_id": card.account_id, "gateway": card.gateway, "token__in": methods.tokens_of(card)}
    list(cards.filter(**same).order_by("id"))


def _run(name: str, intent: PaymentIntent, **values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], {"account_id": intent.account_id, "id": intent.id, **values})
        count = cursor.rowcount
    wake.tell(intent.account_id)
    return count
