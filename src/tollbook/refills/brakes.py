"""What may stop a refill, and why. Each brake looks at the facts and answers a Stop or nothing; the first one wins.

Brakes stop refills, never service. All of them apply to automatic refills. A manual one, which a person asks for, is not
stopped by `tripped`, `too_fast`, `brought_low_by_hand` and `cooling_down`; the caps do apply to it. Caps count automatic
and manual refills together, succeeded and open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.money.amount import minor_unit
from tollbook.money.written import money
from tollbook.payments import gateway
from tollbook.payments import method as methods
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres.named import load
from tollbook.refills.tables import RefillRule

SQL = load(__file__)

MOST_PER_HOUR = 5
"""Automatic refills of one wallet within an hour; as many as this, and a person is asked before the next."""

CHARGES_PER_DAY_WITHOUT_RULE = 10
CAP_WITHOUT_RULE = 500_000  # a month, in minor units: 5,000 dollars, 500,000 yen
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(hours=24)
DAY, MONTH = timedelta(hours=24), timedelta(days=30)
FAILURES_PER_DAY, FAILURES_PER_MONTH = 4, 8
"""Of one card; more would break the card schemes' rules for repeated attempts."""

NOBODY = OPERATOR_ID


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a refill does not happen: a stable code, a sentence, and until when if time alone ends it."""

    code: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """This wallet's refills that succeeded or are open: how many today, what sum this month, how many automatic ones
    within the last hour (since the last release)."""

    today: int
    this_month: Decimal
    automatic_in_hour: int


@dataclass(frozen=True, slots=True)
class CardRecord:
    """How the card did in 30 days, over all wallets: attempts in flight, failures within 24 hours, failures since its
    last success, when the last failure ended, and when the 4th and the 8th newest failures were."""

    in_flight: int
    failed_today: int
    streak: int
    failed_at: datetime | None
    fourth_at: datetime | None
    eighth_at: datetime | None


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
    record: CardRecord

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone, whose days and months count."""
        return ZoneInfo(self.account.timezone)


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
    """Read the facts, without counting the refill `but_not`. Any transaction; as engine or portal; no locks.

    What decides about money holds the rule's row lock meanwhile, so that two decisions about one wallet don't overlap.
    """
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
        record=_record(account.id, card, now, but_not),
    )


def first_stop(facts: Facts) -> Stop | None:
    """The first brake that holds, or None: go."""
    return next((stop for brake in BRAKES if (stop := brake(facts))), None)


def closed(facts: Facts) -> Stop | None:
    """A closed account is not charged."""
    return None if facts.account.is_active else Stop("account_closed", "The account is closed.")


def kill_switch(facts: Facts) -> Stop | None:
    """The operator has stopped all refills (Twilio, 18 Mar 2026: read when money would move, not before)."""
    if facts.switched_off is None:
        return None
    return Stop("switched_off", f"Refills are switched off for everybody: {facts.switched_off}"[:300])


def brought_low_by_hand(facts: Facts) -> Stop | None:
    """An adjustment or a grant never triggers a refill without a person.

    Precisely: when the wallet's newest movement that is not a refill is not usage, an automatic refill waits until
    there is usage after it, or until a person sets the rule after it (having seen what that would charge).
    """
    if not facts.automatic or facts.adjusted_at is None or facts.rule is None or facts.rule.set_at > facts.adjusted_at:
        return None
    return Stop(
        "adjusted", "The balance was adjusted by hand and nothing was used since. Refill by hand, or at the next use."
    )


def tripped(facts: Facts) -> Stop | None:
    """The breaker has tripped and nobody has released it; time does not."""
    if not facts.automatic or facts.rule is None or facts.rule.tripped_at is None:
        return None
    return _unusual()


def too_fast(facts: Facts) -> Stop | None:
    """The velocity breaker ($4,600 of recharges in an hour on a New Year's Day): the caller stores that it tripped."""
    return _unusual() if facts.automatic and facts.charged.automatic_in_hour >= MOST_PER_HOUR else None


def no_card(facts: Facts) -> Stop | None:
    """There must be a card, and its gateway must be offered."""
    if facts.card is None:
        return Stop("no_card", "There is no card to charge.")
    if facts.card.gateway not in gateway.offered():
        return Stop("no_gateway", "The card's payment gateway is not available.")
    return None


def worn_out_card(facts: Facts) -> Stop | None:
    """At most 4 failed attempts of a card in 24 hours and 8 in 30 days (akash console #3756: 486 in 4.5 hours)."""
    record, card = facts.record, facts.card and methods.label(facts.card)
    if record.eighth_at and record.eighth_at > facts.now - MONTH:
        until = record.eighth_at + MONTH
        return Stop("card_failures", f"{card} failed {FAILURES_PER_MONTH} times within 30 days. Use another card.", until)
    if record.fourth_at and record.fourth_at > facts.now - DAY:
        until = record.fourth_at + DAY
        return Stop("card_failures", f"{card} failed {FAILURES_PER_DAY} times within 24 hours.", until)
    if record.failed_today + record.in_flight >= FAILURES_PER_DAY:
        return Stop("card_busy", f"Other charges to {card} are not finished yet.")
    return None


def cooling_down(facts: Facts) -> Stop | None:
    """After a failure the card rests: 15 minutes, doubled with each further failure, up to a day. A failure does not
    end the pause of the one before."""
    record = facts.record
    if not facts.automatic or record.failed_at is None or record.streak == 0:
        return None
    until = record.failed_at + min(FIRST_PAUSE * 2 ** min(record.streak - 1, 10), LONGEST_PAUSE)
    if until <= facts.now:
        return None
    card = facts.card and methods.label(facts.card)
    return Stop("cooling_down", f"{card} failed; it is tried again later. Refill by hand to try at once.", until)


def daily_count(facts: Facts) -> Stop | None:
    """At most so many charges of this wallet on one local day of the account."""
    most = facts.rule.max_charges_per_day if facts.rule else CHARGES_PER_DAY_WITHOUT_RULE
    if facts.charged.today < most:
        return None
    charges = "1 charge" if most == 1 else f"{most} charges"
    return Stop("daily_count", f"{charges} a day are allowed, and made today.", _next_day(facts.now, facts.zone))


def monthly_cap(facts: Facts) -> Stop | None:
    """At most so much money in one local calendar month of the account."""
    currency = facts.account.currency
    most = facts.rule.monthly_cap if facts.rule else CAP_WITHOUT_RULE * minor_unit(currency)
    if facts.charged.this_month + facts.amount <= most:
        return None
    amount, spent, cap = (money(value, currency) for value in (facts.amount, facts.charged.this_month, most))
    reason = f"{amount} more would go over the cap of {cap} a month; {spent} are charged already."
    return Stop("monthly_cap", reason, _next_month(facts.now, facts.zone))


BRAKES: tuple[Callable[[Facts], Stop | None], ...] = (
    closed,
    tripped,
    too_fast,
    kill_switch,
    brought_low_by_hand,
    no_card,
    worn_out_card,
    cooling_down,
    daily_count,
    monthly_cap,
)


def _unusual() -> Stop:
    return Stop(
        "velocity",
        f"{MOST_PER_HOUR} automatic refills within an hour are unusual. Refills wait until a person releases them;"
        " service goes on.",
    )


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
            day=_start_of(now, zone),
            month=_start_of(now, zone, day=1),
            hour=max(hour_ago, released_at) if released_at else hour_ago,
        )
    )


def _record(account_id: UUID, card: PaymentMethod | None, now: datetime, but_not: UUID) -> CardRecord:
    if card is None:
        return CardRecord(0, 0, 0, None, None, None)
    return CardRecord(
        *_read(
            "card_record",
            account_id=account_id,
            gateway=card.gateway,
            token=card.token,
            but_not=but_not,
            day=now - DAY,
            month=now - MONTH,
        )
    )


def _read(name: str, **values: Any) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return cursor.fetchone()


def _start_of(now: datetime, zone: ZoneInfo, day: int | None = None) -> datetime:
    """The instant at which the local day (or the local month: day=1) of `now` began."""
    today = now.astimezone(zone).date()
    return datetime.combine(today.replace(day=day) if day else today, time.min, zone)


def _next_day(now: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time.min, zone)


def _next_month(now: datetime, zone: ZoneInfo) -> datetime:
    later = now.astimezone(zone).date().replace(day=1) + timedelta(days=31)
    return datetime.combine(later.replace(day=1), time.min, zone)
