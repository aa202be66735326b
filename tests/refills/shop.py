"""An account with one wallet under test, and the verbs tests speak of it: use, credit, let time pass."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.test.utils import override_settings

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.payments import method
from tollbook.payments.simulated import CARDS
from tollbook.payments.tables import PaymentMethod, SimulatedCharge
from tollbook.postgres.ids import new_id
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.refills import run
from tollbook.refills.rule import Rule, change
from tollbook.refills.tables import Refill, RefillRule, RefillStop
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.tables import UsageEvent
from tollbook.wallets.credit import adjust
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import open_wallets

OWNER = Actor("user", "1", "owner@northwind.example")
SUPPORT = Actor("staff", "2", "support@tollbook.example")
USUAL = Rule(
    automatic=True,
    refill_amount=Decimal("500.00"),
    minimum_before_refill=Decimal("50.00"),
    monthly_cap=Decimal("5000.00"),
    max_charges_per_day=3,
)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def gateway_is(path: str = "tollbook.payments.simulated.Simulated") -> override_settings:
    """Let the gateway "simulated" be the real one, or one of `tests.payments.gateways` in its place."""
    path = path if "." in path else f"tests.payments.gateways.{path}"
    return override_settings(GATEWAYS={"simulated": path})


WHEN = {
    "refill": (
        "decided_at",
        "charging_at",
        "asked_at",
        "finished_at",
        "next_ask_at",
        "needs_person_at",
        "confirm_by",
        "given_up_at",
    ),
    "card_attempt": ("began_at", "failed_at"),
    "refill_attempt": ("first_sent_at", "sent_at", "answered_at"),
    "refill_rule": ("set_at", "tripped_at", "released_at"),
    "refill_stop": ("since_at", "until_at"),
    "transfer": ("posted_at",),
}
"""What tells when something about refills was, by table."""


def let_pass(db: Database, account_ids: list[UUID], step: timedelta) -> None:
    """Time goes by for these accounts: everything about their refills lies that much further back."""
    with db.connect("owner") as owner:
        for table, names in WHEN.items():
            moved = ", ".join(f"{name} = {name} - %(step)s" for name in names)
            owner.execute(
                f"UPDATE {table} SET {moved} WHERE account_id = ANY(%(ids)s)", {"step": step, "ids": account_ids}
            )


class Shop:
    """One account; usage costs a cent a second, so every sum can be met exactly."""

    def __init__(self, db: Database, slug: str = "northwind", timezone: str = "UTC") -> None:
        self.db = db
        new = NewAccount(slug, slug.title(), anchor_on=date(2026, 1, 1), timezone=timezone)
        self.account: Account = open_account(new, SUPPORT)
        open_wallets(self.account)
        for type_code in ("outbound", "inbound"):
            set_rate(NewRate(type_code, Decimal(60), LONG_AGO), SUPPORT, self.account.id)

    @property
    def id(self) -> UUID:
        return self.account.id

    def wallet(self, type_code: str = "outbound") -> Wallet:
        return Wallet.objects.get(account_id=self.id, type_code=type_code)

    def balance(self, type_code: str = "outbound") -> Decimal:
        wallet = self.wallet(type_code)
        return wallet.paid + wallet.granted

    def card(self, token: str = "sim_4242", fingerprint: str = "", expires_year: int = 2040) -> PaymentMethod:
        card = CARDS[token]
        new = method.NewMethod("simulated", token, card.brand, card.last4, 12, expires_year, fingerprint)
        added = method.add(self.id, new, OWNER)
        method.make_default(self.id, added.id, OWNER)
        return added

    def backup(self, token: str = "sim_4444") -> PaymentMethod:
        """A card that is tried when the default declines; the default stays what it is."""
        default, added = method.default_of(self.id), self.card(token)
        if default is not None:
            method.make_default(self.id, default.id, OWNER)
        method.make_backup(self.id, added.id, OWNER)
        return added

    def credit(self, amount: str, type_code: str = "outbound") -> None:
        adjust(self.id, type_code, Decimal(amount), "paid", "Opening balance", SUPPORT)

    def rule(self, rule: Rule = USUAL, type_code: str = "outbound") -> RefillRule:
        return change(self.account, type_code, rule, OWNER)

    def use(self, amount: str | Decimal, type_code: str = "outbound") -> None:
        event = Event(str(new_id()), type_code, Decimal(amount) * 100, datetime.now(UTC))
        recorded = record(self.id, [event])
        assert recorded.cost == Decimal(amount), recorded

    def ready(self, balance: str = "50.00", token: str = "sim_4242", rule: Rule = USUAL) -> "Shop":
        """A wallet that use has brought to `balance`, with a card and a rule."""
        self.credit(str(Decimal(balance) + 1))
        self.use("1.00")
        self.card(token)
        self.rule(rule)
        return self

    def refills(self) -> list[Refill]:
        return list(Refill.objects.filter(account_id=self.id).order_by("id"))

    def refill(self) -> Refill:
        [refill] = self.refills()
        return refill

    def states(self) -> Counter[str]:
        return Counter(refill.state for refill in self.refills())

    def events(self) -> list[UsageEvent]:
        return list(UsageEvent.objects.filter(account_id=self.id).order_by("transfer_id"))

    def stop(self, type_code: str = "outbound") -> RefillStop | None:
        return RefillStop.objects.filter(account_id=self.id, wallet_id=self.wallet(type_code).id).first()

    def charges(self) -> list[SimulatedCharge]:
        return list(SimulatedCharge.objects.filter(account_id=self.id).order_by("created_at"))

    def charged(self) -> Decimal:
        return sum((charge.amount for charge in self.charges() if charge.outcome == "succeeded"), Decimal(0))

    def credited(self) -> Decimal:
        """What refills put into wallets, as the books have it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(balance_after - balance_before), 0) FROM transfer"
                " WHERE account_id = %s AND kind = 'refill'",
                [self.id],
            )
            return cursor.fetchone()[0]

    def later(self, **duration: float) -> None:
        """Let time pass: everything about refills lies that much further back."""
        let_pass(self.db, [self.id], timedelta(**duration))

    def run(self, rounds: int = 1) -> int:
        return sum(run.run_due() for _ in range(rounds))

    def finish(self) -> None:
        """Let whatever is unfinished come to its end."""
        for _ in range(6):
            self.later(minutes=20)
            if self.run() == 0 and not {"decided", "charging", "unknown"} & set(self.states()):
                return

    def assert_sound(self) -> None:
        """Charged is credited, and the books hold. (Times were moved, so the chain's digests are not looked at.)"""
        assert self.charged() == self.credited()
        findings = [finding for finding in audit([self.account]) if finding.rule != "chain_is_intact"]
        assert findings == []


def other(rule: Rule = USUAL, **changed: Any) -> Rule:
    """The usual rule with some parts changed; amounts may be text."""
    values = {name: getattr(rule, name) for name in Rule.__slots__}
    texts = {name: Decimal(value) if isinstance(value, str) else value for name, value in changed.items()}
    return Rule(**(values | texts))
