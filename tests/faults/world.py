"""The world that these tests shake: accounts with credit, rates, events of every kind, and the oracle of what is left."""

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db import connections
from django.db.models import Sum

from tests.cast import a_rate, an_account, funded
from tests.model import books
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import create
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.usage.tables import UsageEvent, UsageSum
from tollbook.wallets.tables import Wallet

RATES = {  # type: cents, initial seconds, step seconds
    "email": ("0.08", 1, 1),
    "ringless_voicemail": ("1.5", 6, 6),
    "speech_to_text": ("1.2", 15, 15),
    "conversational_ai": ("7.5", 30, 6),
    "sms": ("0.75", 1, 1),
    "inbound": ("0.6", 60, 60),
    "outbound": ("1.4", 30, 6),
}
PIECES = ("email", "sms")
SLUGS = ("northwind", "contoso")
FUNDED = 1_000
MONTH_SECONDS = 2_592_000

Told = dict[str, Any]
Batch = list[Told]


@dataclass(frozen=True)
class World:
    """The accounts by short name, and the text of a key for all of them."""

    accounts: dict[str, Account]
    secret: str


def made() -> World:
    """Two accounts with credit of every type, the rates, and a key. Django's connections are closed after it, or they
    would be among those that a kill breaks."""
    for kind, (cents, initial, step) in RATES.items():
        a_rate(kind, cents, initial, step)
    accounts = {slug: an_account(slug) for slug in SLUGS}
    for account in accounts.values():
        for kind in RATES:
            funded(account, kind, str(FUNDED))
    secret = create(OPERATOR_ID, "switch", ["usage", "holds", "read"], SYSTEM)[1]
    connections.close_all()
    return World(accounts, secret)


class Telling:
    """Makes events of all accounts and types within the last month, and remembers what it made. For many threads."""

    def __init__(self, seed: int) -> None:
        self.told: Batch = []
        self._seed = seed
        self._dice = random.Random(seed)
        self._now = datetime.now(UTC)
        self._lock = threading.Lock()

    def some(self, new: int, again: int = 0) -> Batch:
        """`new` events, and `again` of those that were made before, in any order."""
        with self._lock:
            batch = self._dice.sample(self.told, min(again, len(self.told)))
            for _ in range(new):
                self.told.append(self._one(len(self.told)))
            batch += self.told[len(self.told) - new :]
            self._dice.shuffle(batch)
            return batch

    def one(self) -> Batch:
        """A single event, one in five told before."""
        with self._lock:
            new = self._dice.random() < 0.8
        return self.some(1) if new else self.some(0, 1)

    def upto(self, largest: int) -> Batch:
        """A batch of 1 to `largest` events, up to a third of which were told before."""
        with self._lock:
            new = self._dice.randint(1, largest)
            again = self._dice.randint(0, new // 2)
        return self.some(new, again)

    def _one(self, number: int) -> Told:
        dice = self._dice
        hundredths = dice.choice([0, dice.randint(1, 90), dice.randint(1, 30_000)])
        return {
            "id": f"event-{self._seed}-{number}",
            "account": dice.choice(SLUGS),
            "type": dice.choice([*RATES]),
            "quantity": str(Decimal(hundredths) / 100),
            "occurred_at": (self._now - timedelta(seconds=dice.randint(0, MONTH_SECONDS))).isoformat(),
            "to": dice.choice(["", "+15551234"]),
            "attributes": {"agent": dice.choice(["a", "b"])},
        }


def oracle(told: Iterable[Told]) -> dict[str, books.Account]:
    """What plain Python makes of the events."""
    rules = {
        kind: books.Rule(Fraction(cents), initial=initial, step=step, timed=kind not in PIECES)
        for kind, (cents, initial, step) in RATES.items()
    }
    accounts = {
        slug: books.Account(rules, {kind: books.Wallet(paid=Fraction(FUNDED)) for kind in RATES}) for slug in SLUGS
    }
    for event in told:
        assert accounts[event["account"]].use(event["id"], event["type"], Fraction(event["quantity"])) == "accepted"
    return accounts


def stored_ids() -> set[str]:
    """The ids of all events in the books, of all accounts."""
    return set(UsageEvent.objects.values_list("event_id", flat=True))


def prove(world: World, told: Iterable[Told]) -> None:
    """The books hold every event that was told, once, to the cent of the oracle; and they prove themselves."""
    for slug, expected in oracle(told).items():
        account_id = world.accounts[slug].id
        stored = UsageEvent.objects.filter(account_id=account_id)
        assert set(stored.values_list("event_id", flat=True)) == set(expected.seen)
        for wallet in Wallet.objects.filter(account_id=account_id):
            model = expected.wallets[wallet.type_code]
            assert Fraction(wallet.paid + wallet.granted) == model.balance, (slug, wallet.type_code)
            assert Fraction(wallet.spent_since_funding) == FUNDED - model.balance
            cost = stored.filter(type_code=wallet.type_code).aggregate(all=Sum("cost"))["all"]
            summed = UsageSum.objects.filter(account_id=account_id, type_code=wallet.type_code)
            assert Fraction(cost or 0) == Fraction(summed.aggregate(all=Sum("cost"))["all"] or 0) == FUNDED - model.balance
    assert audit() == []
