"""The accounts of a simulation, what they use, and what their people do."""

import contextlib
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from tests.refills.shop import LONG_AGO, OWNER, SUPPORT
from tests.simulation.clock import BEGIN, Clock
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.tables import Account
from tollbook.errors import Refused
from tollbook.payments import dunning, method
from tollbook.payments.simulated import CARDS
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.refills import rule as rules
from tollbook.refills import run, stops, switch
from tollbook.refills.rule import Rule
from tollbook.refills.tables import RefillRule
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind
from tollbook.usage.batch import Batch
from tollbook.wallets.credit import adjust
from tollbook.wallets.wallet import open_wallets

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe")
ANCHORS = (1, 15, 31)
EMPTY = b"{}"
OFF_EVERY = 97
"""On each such day the operator switches refills off, and on again the next."""


@dataclass
class Customer:
    """An account, how many seconds it uses every second day, and the rule of its wallet."""

    account: Account
    use: int
    rule: Rule


@dataclass
class World:
    """All accounts, made and moved by the seed."""

    clock: Clock
    seed: int
    size: int
    customers: list[Customer] = field(default_factory=list)

    def open(self) -> None:
        """Open the accounts, each with a card, a rule and credit, every second one with a subscription."""
        set_rate(NewRate("outbound", Decimal(60), LONG_AGO), SUPPORT)
        offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("19.90"), SUPPORT)
        dunning.set_schedule(True, dunning.USUAL_DAYS, "The simulation.", SUPPORT)
        for number in range(self.size):
            self.customers.append(self._customer(number, random.Random(f"{self.seed}/account/{number}")))

    def usage(self, day: int) -> Batch:
        """What every second account has used by now; the same batch for the same day."""
        dice = random.Random(f"{self.seed}/use/{day}")
        some = [customer for place, customer in enumerate(self.customers) if (place + day) % 2 == 0]
        count = len(some)
        return Batch(
            account_ids=[customer.account.id for customer in some],
            accounts=list(range(count)),
            ids=[f"use-{day}-{customer.account.slug}" for customer in some],
            types=["outbound"] * count,
            quantities=[Decimal(int(customer.use * dice.uniform(0.2, 1.8)) + 1) for customer in some],
            occurred=[self.clock.at - timedelta(minutes=dice.randint(1, 600)) for _ in some],
            to=[""] * count,
            sender=[""] * count,
            attributes=[EMPTY] * count,
        )

    def people(self, day: int) -> None:
        """What people do meanwhile: ask for refills, change rules and cards, let wallets go on that a breaker stopped."""
        dice = random.Random(f"{self.seed}/people/{day}")
        if day > 1 and day % OFF_EVERY in (0, 1):
            switch.turn(day % OFF_EVERY == 1, "The simulation.", SUPPORT)
        for customer in dice.sample(self.customers, max(1, self.size // 50)):
            with contextlib.suppress(Refused):
                self._one_does(customer, dice)
        slugs = {customer.account.id: customer.account for customer in self.customers}
        for stopped in RefillRule.objects.filter(tripped_at__isnull=False).order_by("account_id"):
            stops.release(slugs[stopped.account_id], "outbound", SUPPORT)

    def _customer(self, number: int, dice: random.Random) -> Customer:
        new = NewAccount(
            f"customer-{number:04}", f"Customer {number}", date(2026, 12, ANCHORS[number % len(ANCHORS)]),
            timezone=ZONES[number % len(ZONES)],
        )  # fmt: skip
        account = open_account(new, SUPPORT)
        open_wallets(account)
        amount = dice.randint(50, 500)
        adjust(account.id, "outbound", Decimal(amount), "paid", "Opening balance", SUPPORT)
        _card(account)
        rule = Rule(True, Decimal(amount), Decimal(20), Decimal(amount * 3), max_charges_per_day=3)
        rules.change(account, "outbound", rule, OWNER)
        if number % 2 == 0:
            seats = NewSubscription("seat", BEGIN.date() + timedelta(days=1), Decimal(dice.randint(1, 20)))
            start(account, seats, OWNER)
        return Customer(account, amount * 100 * 2 // 40, rule)

    def _one_does(self, customer: Customer, dice: random.Random) -> None:
        match dice.randrange(4):
            case 0:
                run.ask(customer.account, "outbound", Decimal(dice.randint(5, 50)), OWNER)
            case 1:
                amount = Decimal(dice.randint(50, 500))
                changed = Rule(True, amount, Decimal(dice.randint(0, 30)), customer.rule.monthly_cap, 3)
                rules.change(customer.account, "outbound", changed, OWNER)
            case 2:
                default = method.default_of(customer.account.id)
                _card(customer.account, dice.choice(["sim_4242", "sim_4444", "sim_0408"]))
                if default is not None:
                    method.remove(customer.account.id, default.id, OWNER)
            case 3:
                adjust(customer.account.id, "outbound", Decimal(dice.randint(1, 9)), "granted", "A courtesy", SUPPORT)


def _card(account: Account, token: str = "sim_4242") -> None:
    card = CARDS[token]
    added = method.add(account.id, method.NewMethod("simulated", token, card.brand, card.last4, 12, 2040), OWNER)
    method.make_default(account.id, added.id, OWNER)
