"""What brakes look at, read in one moment, and what of it is kept with a refill for whoever asks later why.

Decisions about money hold the wallet's and its rule's locks and have `take_turn`ed, so that no two of them count the same
room under a cap.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.payments import method as methods
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres.named import load
from tollbook.refills.limits import Limits, limits_of
from tollbook.refills.tables import RefillRule

SQL = load(__file__)

DAY, MONTH = timedelta(hours=24), timedelta(days=30)
NOBODY = OPERATOR_ID
MOST_EVENTS = 10
"""How many of the events that crossed the threshold are kept with a refill."""

TURN = 0x7011B00C
"""The advisory lock under which decisions about refills follow each other."""


@dataclass(frozen=True, slots=True)
class Charged:
    """Refills that succeeded or are open: of this wallet how many today, what sum this month, how many automatic ones
    within the last hour (since the last release); of its account what sum this month."""

    today: int
    this_month: Decimal
    automatic_in_hour: int
    account_this_month: Decimal


@dataclass(frozen=True, slots=True)
class ChargedByAll:
    """Refills of all accounts that were sent within the last hour or are about to be: how many, and what sum in the
    account's currency. The portal's role sees only its account's; the engine counts again before it sends."""

    count: int
    money: Decimal


@dataclass(frozen=True, slots=True)
class CardRecord:
    """How the card did in 30 days, over all wallets: attempts in flight, failures within 24 hours, within 30 days, since
    its last success; when the last failure ended, when the 4th and the 8th newest failures were; whether it was ever
    refused for good. And how many requests the gateway refused for a fault of ours since it took one, when the last."""

    in_flight: int
    failed_today: int
    failed_this_month: int
    streak: int
    failed_at: datetime | None
    fourth_at: datetime | None
    eighth_at: datetime | None
    refused: bool
    refused_requests: int = 0
    request_refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything brakes look at, as of `now`. `amount` is what would be charged."""

    now: datetime
    account: Account
    rule: RefillRule | None
    card: PaymentMethod | None
    amount: Decimal
    automatic: bool
    switched_off: str | None
    adjusted_at: datetime | None
    charged: Charged
    by_all: ChargedByAll
    limits: Limits
    record: CardRecord

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone, whose days and months count."""
        return ZoneInfo(self.account.timezone)


def take_turn() -> None:
    """Wait for the turn to decide about money, until the caller's transaction ends. Taken last, after wallet, rule and
    card; who holds it takes no further lock but the refill's row."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["take_turn"], {"key": TURN})


def gather(
    account: Account,
    wallet_id: UUID,
    rule: RefillRule | None,
    card: PaymentMethod | None,
    amount: Decimal,
    *,
    automatic: bool,
    but_not: UUID = NOBODY,
) -> Facts:
    """Read the facts, without counting the refill `but_not`. Any transaction; as engine or portal; no locks."""
    now, is_on, reason, kind, posted_at = _read("standing", account_id=account.id, wallet_id=wallet_id)
    return Facts(
        now=now,
        account=account,
        rule=rule,
        card=card,
        amount=amount,
        automatic=automatic,
        switched_off=reason if is_on is False else None,
        adjusted_at=None if kind in (None, "usage") else posted_at,
        charged=_charged(account, wallet_id, rule, now, but_not),
        by_all=ChargedByAll(*_read("charged_by_all", currency=account.currency, but_not=but_not)),
        limits=limits_of(account),
        record=_record(account.id, card, now, but_not),
    )


def told(facts: Facts) -> dict[str, Any]:
    """The caps and what counted against them at that time, as a refill keeps it. Amounts as text, in its currency."""
    rule, charged, record = facts.rule, facts.charged, facts.record
    return {
        "at": facts.now.isoformat(),
        "card": methods.label(facts.card) if facts.card else "",
        "charges_today": charged.today,
        "max_charges_per_day": rule.max_charges_per_day if rule else None,
        "charged_this_month": str(charged.this_month),
        "monthly_cap": str(rule.monthly_cap) if rule else None,
        "account_charged_this_month": str(charged.account_this_month),
        "account_cap": str(facts.limits.account_month),
        "automatic_in_hour": charged.automatic_in_hour,
        "all_charges_in_hour": facts.by_all.count,
        "all_charges_an_hour": facts.limits.charges_an_hour,
        "all_money_in_hour": str(facts.by_all.money),
        "all_money_an_hour": str(facts.limits.money_an_hour),
        "card_failed_today": record.failed_today,
        "card_failed_this_month": record.failed_this_month,
    }


def crossing(account_id: UUID, wallet_id: UUID, type_code: str, minimum: Decimal) -> dict[str, Any] | None:
    """The debit that took the wallet to `minimum` or below, with its costliest events; None when none of the newest
    movements did, as when the rule was set at a low balance."""
    found = _read("crossing", account_id=account_id, wallet_id=wallet_id, minimum=minimum)
    if found is None:
        return None
    id_, kind, reference, description, at, before, after = found
    events = _events(account_id, id_, type_code) if kind == "usage" else []
    return {
        "transfer": str(id_),
        "kind": kind,
        "reference": reference,
        "description": description,
        "at": at.isoformat(),
        "before": str(before),
        "after": str(after),
        "events": [{"id": event, "at": when.isoformat(), "cost": str(cost)} for event, when, cost, _ in events],
        "events_in_all": events[0][3] if events else 0,
    }


def start_of(now: datetime, zone: ZoneInfo, day: int | None = None) -> datetime:
    """The instant at which the local day (or the local month: day=1) of `now` began."""
    today = now.astimezone(zone).date()
    return datetime.combine(today.replace(day=day) if day else today, time.min, zone)


def _charged(account: Account, wallet_id: UUID, rule: RefillRule | None, now: datetime, but_not: UUID) -> Charged:
    zone = ZoneInfo(account.timezone)
    released_at = rule.released_at if rule else None
    hour_ago = now - timedelta(hours=1)
    return Charged(
        *_read(
            "charged",
            account_id=account.id,
            wallet_id=wallet_id,
            but_not=but_not,
            day=start_of(now, zone),
            month=start_of(now, zone, day=1),
            hour=max(hour_ago, released_at) if released_at else hour_ago,
        )
    )


def _record(account_id: UUID, card: PaymentMethod | None, now: datetime, but_not: UUID) -> CardRecord:
    if card is None:
        return CardRecord(0, 0, 0, 0, None, None, None, False)
    return CardRecord(
        *_read(
            "card_record",
            account_id=account_id,
            gateway=card.gateway,
            tokens=methods.tokens_of(card),
            unrenewed=methods.tokens_of(card, same_expiry=True),
            but_not=but_not,
            day=now - DAY,
            month=now - MONTH,
        )
    )


def _events(account_id: UUID, transfer_id: UUID, type_code: str) -> list[tuple[Any, ...]]:
    values = {"account_id": account_id, "transfer_id": transfer_id, "type_code": type_code, "most": MOST_EVENTS}
    with connection.cursor() as cursor:
        cursor.execute(SQL["events_of"], values)
        return cursor.fetchall()


def _read(name: str, **values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return cursor.fetchone()
