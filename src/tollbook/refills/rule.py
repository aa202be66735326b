"""Refill rules: change them, say what they mean, and what they would do.

A rule changes only by a named person or key, is written to the audit trail, and nothing turns it on again by itself.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound
from tollbook.money.amount import LARGEST, to_minor, whole_multiples_above
from tollbook.money.written import money
from tollbook.payments import method as methods
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.rating.tables import CreditType
from tollbook.refills.brakes import choose, first_stop
from tollbook.refills.rehearsal import Effect, rehearse
from tollbook.refills.tables import OPEN_STATES, Refill, RefillRule
from tollbook.wallets.tables import Wallet

MOST_CHARGES_PER_DAY = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """What a person sets. Amounts in the account's currency, at its minor unit."""

    automatic: bool
    refill_amount: Decimal
    minimum_before_refill: Decimal
    monthly_cap: Decimal
    max_charges_per_day: int = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule means, in one sentence, what it would do, in one or two more, and the last 30 days replayed against it
    (None when it is not automatic)."""

    sentence: str
    effects: tuple[str, ...]
    month: Effect | None


def change(account: Account, type_code: str, new: Rule, actor: Actor, version: int | None = None) -> RefillRule:
    """Set the rule of one wallet; it gets a new version. In the caller's transaction or its own, as engine or portal.

    Locks the rule's row. `version` is the one that the person saw (0: none yet). Raises Invalid with a sentence for a
    rule that can't work, Forbidden for the system itself, Conflict when the rule changed meanwhile, NotFound.
    """
    _refuse_the_system(actor)
    check(new, account.currency)
    with transaction.atomic():
        wallet = wallet_of(account.id, type_code)
        before = locked(account.id, wallet.id)
        if version is not None and version != (before.version if before else 0):
            raise Conflict("Somebody changed this rule meanwhile; look at it again.", field="version")
        if before is not None and rule_of(before) == new:
            return before
        told = told_of(rule_of(before)) if before else None
        rule = _store(account.id, wallet.id, before, new, actor)
        note(account.id, actor, "refill_rule.change", f"wallet/{type_code}", before=told, after=told_of(new))
        wake.tell(account.id)
    return rule


def check(new: Rule, currency: str) -> None:
    """Raises Invalid, with the field, for a rule that can't work."""
    for field in ("refill_amount", "minimum_before_refill", "monthly_cap"):
        _check_amount(getattr(new, field), field, currency)
    if new.refill_amount <= 0:
        raise Invalid("The refill amount must be more than zero.", field="refill_amount")
    if new.minimum_before_refill < 0:
        raise Invalid("The minimum can't be below zero.", field="minimum_before_refill")
    if not 1 <= new.max_charges_per_day <= MOST_CHARGES_PER_DAY:
        raise Invalid(f"Allow 1 to {MOST_CHARGES_PER_DAY} charges a day.", field="max_charges_per_day")
    _check_cap(new, currency)


def amount_for(rule: Rule | RefillRule, balance: Decimal) -> Decimal:
    """The one charge that closes the gap: the fewest whole refill amounts that lift `balance` above the minimum."""
    return rule.refill_amount * whole_multiples_above(rule.minimum_before_refill - balance, rule.refill_amount)


def sentence(rule: Rule | RefillRule, account: Account, type_code: str, card: PaymentMethod | None) -> str:
    """The rule in plain words: "When Outbound Minutes falls to $50.00 or less, charge $500.00 to Visa •• 4242; at
    most 3 times a day and $5,000.00 a month"."""
    name = CreditType.objects.get(code=type_code).name
    if not rule.automatic:
        return f"{name} is not refilled automatically."
    minimum, amount, cap = (
        money(value, account.currency) for value in (rule.minimum_before_refill, rule.refill_amount, rule.monthly_cap)
    )
    to = methods.label(card) if card else "a card, once there is one"
    times = "once" if rule.max_charges_per_day == 1 else f"{rule.max_charges_per_day} times"
    return f"When {name} falls to {minimum} or less, charge {amount} to {to}; at most {times} a day and {cap} a month."


def preview(account: Account, type_code: str, new: Rule) -> Preview:
    """What `new` would mean and do, before it is saved. Reads only; as engine or portal. Raises as `change`."""
    check(new, account.currency)
    wallet = wallet_of(account.id, type_code)
    card = methods.default_of(account.id)
    says = sentence(new, account, type_code, card)
    if not new.automatic:
        return Preview(says, ("Nothing will be charged automatically.",), None)
    month = rehearse(account, wallet, new)
    effects = (_at_once(account, wallet, new), month.sentence(account.currency))
    return Preview(says, tuple(filter(None, effects)), month)


def wallet_of(account_id: UUID, type_code: str) -> Wallet:
    """The account's wallet for a credit type, unlocked. Raises NotFound."""
    wallet = Wallet.objects.filter(account_id=account_id, type_code=type_code).first()
    if wallet is None:
        raise NotFound("This account has no such wallet.")
    return wallet


def locked(account_id: UUID, wallet_id: UUID) -> RefillRule | None:
    """The wallet's rule under its row lock, which every decision about the wallet's refills takes."""
    rules = RefillRule.objects.select_for_update(no_key=True)
    return rules.filter(account_id=account_id, wallet_id=wallet_id).first()


def of_wallet(account_id: UUID, wallet_id: UUID) -> RefillRule | None:
    """The wallet's rule, if it has one."""
    return RefillRule.objects.filter(account_id=account_id, wallet_id=wallet_id).first()


def rule_of(stored: RefillRule) -> Rule:
    """What a person set."""
    return Rule(**{name: getattr(stored, name) for name in Rule.__slots__})


def told_of(rule: Rule) -> dict[str, object]:
    """The rule as the audit trail and a refill's own record keep it."""
    return {name: value if isinstance(value, bool | int) else str(value) for name, value in asdict(rule).items()}


def _check_amount(value: Decimal, field: str, currency: str) -> None:
    if not value.is_finite() or abs(value) > LARGEST or to_minor(value, currency) != value:
        raise Invalid(
            f"Write an amount that a card can be charged, such as {money(Decimal(500), currency)}.", field=field
        )


def _check_cap(new: Rule, currency: str) -> None:
    """A rule whose cap does not pay for closing its own gap would stop for ever at an empty wallet."""
    cap = money(new.monthly_cap, currency)
    if new.monthly_cap < new.refill_amount:
        raise Invalid(f"A cap of {cap} a month does not allow a single refill.", field="monthly_cap")
    needed = amount_for(new, Decimal(0))
    if new.monthly_cap < needed:
        raise Invalid(
            f"From an empty wallet, {money(needed, currency)} would be charged to get above the minimum; a cap of {cap} a"
            " month does not allow that. Raise the cap or lower the minimum.",
            field="monthly_cap",
        )


def _store(account_id: UUID, wallet_id: UUID, before: RefillRule | None, new: Rule, actor: Actor) -> RefillRule:
    rule = before or RefillRule(account_id=account_id, wallet_id=wallet_id, version=0)
    for name, value in asdict(new).items():
        setattr(rule, name, value)
    rule.version, rule.set_by, rule.set_at = rule.version + 1, actor.name, datetime.now(UTC)
    try:
        with transaction.atomic():
            rule.save(force_insert=before is None, force_update=before is not None)
    except IntegrityError:
        raise Conflict("Somebody set this rule just now; look at it again.", field="version") from None
    return rule


def _refuse_the_system(actor: Actor) -> None:
    if actor.kind == SYSTEM.kind:
        raise Forbidden("A refill rule is changed by a person or a key, never by the system.")


def _at_once(account: Account, wallet: Wallet, new: Rule) -> str:
    """Whether saving the rule charges the card now; empty when the wallet is not due."""
    balance = wallet.paid + wallet.granted
    is_open = Refill.objects.filter(account_id=account.id, wallet_id=wallet.id, state__in=OPEN_STATES).exists()
    if balance > new.minimum_before_refill or is_open:
        return ""
    amount = amount_for(new, balance)
    stored = of_wallet(account.id, wallet.id) or RefillRule(account_id=account.id, wallet_id=wallet.id)
    for name, value in asdict(new).items():
        setattr(stored, name, value)
    stored.set_at = datetime.now(UTC)
    stop = first_stop(choose(account, wallet.id, stored, amount, automatic=True))
    sum_ = money(amount, account.currency)
    if stop:
        return f"The balance is at or below the minimum already, but {sum_} would not be charged now: {stop.reason}"
    return f"The balance is at or below the minimum already: this would charge {sum_} right now."
