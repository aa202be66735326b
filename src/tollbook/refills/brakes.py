"""What may stop a refill, and why. Each brake looks at the facts and answers a Stop or nothing; the first one wins.

Brakes stop refills, never service. All of them apply to automatic refills. A manual one, which a person asks for, is not
stopped by `tripped`, `too_fast`, `brought_low_by_hand`, `cooling_down`, `request_refused` and `gateway_away`; the caps do
apply to it. Caps count automatic and manual refills together, succeeded and open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.tables import Account
from tollbook.money.amount import minor_unit
from tollbook.money.written import money
from tollbook.payments import gateway
from tollbook.payments import method as methods
from tollbook.refills.facts import DAY, MONTH, Facts, gather
from tollbook.refills.health import is_away
from tollbook.refills.tables import RefillRule

MOST_PER_HOUR = 5
"""Automatic refills of one wallet within an hour; as many as this, and a person is asked before the next."""

CHARGES_PER_DAY_WITHOUT_RULE = 10
CAP_WITHOUT_RULE = 500_000  # a month, in minor units: 5,000 dollars, 500,000 yen
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(hours=24)
FAILURES_PER_DAY, FAILURES_PER_MONTH = 4, 8
"""Of one card; more would break the card schemes' rules for repeated attempts."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a refill does not happen: a stable code, a sentence, and until when if time alone ends it."""

    code: str
    reason: str
    until: datetime | None = None


def first_stop(facts: Facts) -> Stop | None:
    """The first brake that holds, or None: go."""
    return first_stop_of_sending(facts) or gateway_away(facts)


def first_stop_of_sending(facts: Facts) -> Stop | None:
    """The same for what is decided already, which waits as it is while the gateway is silent."""
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


def gateway_away(facts: Facts) -> Stop | None:
    """While the gateway does not answer, wallets wait visibly; as soon as it is heard again, they go on."""
    if not facts.automatic or facts.card is None or not is_away(facts.card.gateway):
        return None
    return Stop(
        "gateway_away", "The card gateway does not answer at the moment. The refill is made as soon as it does."
    )


def refused_card(facts: Facts) -> Stop | None:
    """A card that its bank has refused for good (stolen, closed, no such card) is never tried again."""
    if facts.card is None or not facts.record.refused:
        return None
    return Stop("card_refused", f"The bank has refused {methods.label(facts.card)} for good. Use another card.")


def worn_out_card(facts: Facts) -> Stop | None:
    """At most 4 failed attempts of a card in 24 hours and 8 in 30 days (akash console #3756: 486 in 4.5 hours)."""
    record, card = facts.record, facts.card and methods.label(facts.card)
    if record.eighth_at and record.eighth_at > facts.now - MONTH:
        until = record.eighth_at + MONTH
        return Stop(
            "card_failures", f"{card} failed {FAILURES_PER_MONTH} times within 30 days. Use another card.", until
        )
    if record.fourth_at and record.fourth_at > facts.now - DAY:
        until = record.fourth_at + DAY
        return Stop("card_failures", f"{card} failed {FAILURES_PER_DAY} times within 24 hours.", until)
    failed = (record.failed_today, FAILURES_PER_DAY), (record.failed_this_month, FAILURES_PER_MONTH)
    if any(count + record.in_flight >= most for count, most in failed):
        return Stop("card_busy", f"Other charges to {card} are not finished yet.")
    return None


def cooling_down(facts: Facts) -> Stop | None:
    """After a failure the card rests: 15 minutes, doubled with each further failure, up to a day. A failure does not
    end the pause of the one before."""
    record = facts.record
    if not facts.automatic or record.failed_at is None or record.streak == 0:
        return None
    until = record.failed_at + _pause(record.streak)
    if until <= facts.now:
        return None
    card = facts.card and methods.label(facts.card)
    return Stop("cooling_down", f"{card} failed; it is tried again later. Refill by hand to try at once.", until)


def request_refused(facts: Facts) -> Stop | None:
    """The gateway refused the request for a fault of ours: it counts for no limit of the card, whose network never saw it,
    and no other card helps; but nothing is sent on and on. A person is asked."""
    record = facts.record
    if not facts.automatic or record.request_refused_at is None or record.refused_requests == 0:
        return None
    until = record.request_refused_at + _pause(record.refused_requests)
    if until <= facts.now:
        return None
    reason = "The payment provider did not take the request; Support has been told. It is repeated later."
    return Stop("request_refused", reason, until)


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


def account_cap(facts: Facts) -> Stop | None:
    """At most so much money of all wallets of an account in one of its local calendar months."""
    currency, most, spent = facts.account.currency, facts.limits.account_month, facts.charged.account_this_month
    if spent + facts.amount <= most:
        return None
    amount, told, cap = (money(value, currency) for value in (facts.amount, spent, most))
    reason = f"{amount} more would go over this account's limit of {cap} a month for all wallets; {told} are charged."
    return Stop("account_cap", f"{reason} Support can raise it.", _next_month(facts.now, facts.zone))


def operator_limit(facts: Facts) -> Stop | None:
    """At most so many charges, and so much money, of all accounts within an hour: a fault must not empty every card."""
    limits, done = facts.limits, facts.by_all
    if done.count < limits.charges_an_hour and done.money + facts.amount <= limits.money_an_hour:
        return None
    return Stop("operator_limit", "Unusually much was charged in the last hour, so refills go on a little later.")


CARD_STOPS = ("card_refused", "card_failures", "card_busy", "cooling_down")
"""Stops that lie with the card alone, so another card of the account may be charged instead."""

BRAKES: tuple[Callable[[Facts], Stop | None], ...] = (
    closed,
    tripped,
    too_fast,
    kill_switch,
    brought_low_by_hand,
    no_card,
    refused_card,
    worn_out_card,
    cooling_down,
    request_refused,
    daily_count,
    monthly_cap,
    account_cap,
    operator_limit,
)


def choose(account: Account, wallet_id: UUID, rule: RefillRule | None, amount: Decimal, *, automatic: bool) -> Facts:
    """The facts with the card that would be charged: the default, or the backup while only the default's own record
    stands against it. Any transaction; no locks."""
    facts = gather(account, wallet_id, rule, methods.default_of(account.id), amount, automatic=automatic)
    stop = first_stop(facts)
    backup = methods.backup_of(account.id) if stop and stop.code in CARD_STOPS else None
    if backup is None:
        return facts
    other = gather(account, wallet_id, rule, backup, amount, automatic=automatic)
    return facts if first_stop(other) else other


def _pause(streak: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    return min(FIRST_PAUSE * 2 ** min(streak - 1, 10), LONGEST_PAUSE)


def _unusual() -> Stop:
    return Stop(
        "velocity",
        f"{MOST_PER_HOUR} automatic refills within an hour are unusual. Refills wait until a person releases them;"
        " service goes on.",
    )


def _next_day(now: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time.min, zone)


def _next_month(now: datetime, zone: ZoneInfo) -> datetime:
    later = now.astimezone(zone).date().replace(day=1) + timedelta(days=31)
    return datetime.combine(later.replace(day=1), time.min, zone)
