"""Why this charge happened: everything that is known about one refill. Reads only; as engine or portal.

What can't be read later was kept with the refill when it was decided: the debit that crossed the threshold with its
events, the rule with its version and who set it, the caps and what counted against them.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tollbook.invoicing.tables import Invoice
from tollbook.payments.method import label
from tollbook.payments.tables import ChargeTold, PaymentMethod
from tollbook.rating.tables import CreditType
from tollbook.refills.person import find
from tollbook.refills.tables import AttemptState, Refill, RefillAttempt
from tollbook.wallets.tables import Wallet


@dataclass(frozen=True, slots=True)
class Event:
    """One of the events that crossed the threshold. `cost` in the account's currency."""

    id: str
    at: datetime
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Crossing:
    """The debit that took the balance to the minimum or below: balance before and after, its costliest events, and how many
    it had in all."""

    transfer_id: UUID
    kind: str
    at: datetime
    before: Decimal
    after: Decimal
    events: tuple[Event, ...]
    events_in_all: int


@dataclass(frozen=True, slots=True)
class RuleThen:
    """The rule that decided, as it stood. Amounts in the account's currency."""

    version: int
    set_by: str
    set_at: datetime | None
    refill_amount: Decimal
    minimum: Decimal
    monthly_cap: Decimal
    max_charges_per_day: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit at the decision: its name, what counted against it before this charge, what it allowed; money, or a number of
    charges."""

    name: str
    counted: Decimal
    allowed: Decimal
    is_money: bool


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at a card: with which key, when it was sent, how often, what the gateway said and calls it."""

    number: int
    card: str
    gateway: str
    key: str
    first_sent_at: datetime
    sends: int
    state: str
    message: str
    code: str
    reference: str
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message of the gateway about this refill: its own name for it, what it was about, when it came, what came of it."""

    id: str
    kind: str
    received_at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class Why:
    """One refill, whole."""

    refill: Refill
    type_code: str
    name: str
    rule: RuleThen | None
    crossing: Crossing | None
    caps: tuple[Cap, ...]
    tries: tuple[Try, ...]
    webhooks: tuple[Webhook, ...]
    invoice_number: str


def why(account_id: UUID, refill_id: UUID) -> Why:
    """Everything about the refill. Raises NotFound."""
    refill = find(account_id, refill_id)
    type_code = Wallet.objects.values_list("type_code", flat=True).get(account_id=account_id, id=refill.wallet_id)
    kept = refill.why or {}
    return Why(
        refill=refill,
        type_code=type_code,
        name=CreditType.objects.get(code=type_code).name,
        rule=_rule(refill.rule),
        crossing=_crossing(kept.get("crossing")),
        caps=_caps(kept.get("caps") or {}),
        tries=_tries(refill),
        webhooks=_webhooks(refill),
        invoice_number=_number(refill),
    )


def _rule(kept: dict[str, Any] | None) -> RuleThen | None:
    if not kept:
        return None
    return RuleThen(
        version=kept["version"],
        set_by=kept["set_by"],
        set_at=datetime.fromisoformat(kept["set_at"]) if "set_at" in kept else None,
        refill_amount=Decimal(kept["refill_amount"]),
        minimum=Decimal(kept["minimum_before_refill"]),
        monthly_cap=Decimal(kept["monthly_cap"]),
        max_charges_per_day=kept["max_charges_per_day"],
    )


def _crossing(kept: dict[str, Any] | None) -> Crossing | None:
    if not kept:
        return None
    events = tuple(
        Event(event["id"], datetime.fromisoformat(event["at"]), Decimal(event["cost"])) for event in kept["events"]
    )
    return Crossing(
        transfer_id=UUID(kept["transfer"]),
        kind=kept["kind"],
        at=datetime.fromisoformat(kept["at"]),
        before=Decimal(kept["before"]),
        after=Decimal(kept["after"]),
        events=events,
        events_in_all=kept["events_in_all"],
    )


def _caps(kept: dict[str, Any]) -> tuple[Cap, ...]:
    """What is the customer's to know: the operator's own limits of an hour are not."""
    limits = (
        ("Charges of this wallet that day", "charges_today", "max_charges_per_day", False),
        ("Charged to this wallet that month", "charged_this_month", "monthly_cap", True),
        ("Charged for all wallets that month", "account_charged_this_month", "account_cap", True),
    )
    return tuple(
        Cap(name, Decimal(kept[of]), Decimal(kept[most]), is_money)
        for name, of, most, is_money in limits
        if kept.get(most) is not None
    )


def _tries(refill: Refill) -> tuple[Try, ...]:
    attempts = RefillAttempt.objects.filter(account_id=refill.account_id, refill_id=refill.id).order_by("attempt")
    cards = PaymentMethod.objects.filter(account_id=refill.account_id, id__in=attempts.values("method_id"))
    labels = {card.id: label(card) for card in cards}
    return tuple(
        Try(
            number=attempt.attempt,
            card=labels.get(attempt.method_id, ""),
            gateway=attempt.gateway,
            key=attempt.idempotency_key,
            first_sent_at=attempt.first_sent_at,
            sends=attempt.sends,
            state=AttemptState(attempt.state).label,
            message=attempt.message,
            code=attempt.code,
            reference=attempt.reference,
            answered_at=attempt.answered_at,
        )
        for attempt in attempts
    )


def _webhooks(refill: Refill) -> tuple[Webhook, ...]:
    told = ChargeTold.objects.filter(account_id=refill.account_id, our_id=str(refill.id)).order_by("received_at")
    return tuple(Webhook(one.event_id, one.kind, one.received_at, one.outcome) for one in told)


def _number(refill: Refill) -> str:
    if refill.invoice_id is None:
        return ""
    return Invoice.objects.values_list("number", flat=True).get(account_id=refill.account_id, id=refill.invoice_id)
