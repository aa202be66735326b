"""Accounts that refill by card at the gateway for tests, and a clock that both obey."""

import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

from django.db import connections

from tests.databases import Database
from tests.gateway import Gateway
from tests.gateway.truth import Movement
from tests.payments.at_stripe import at_stripe, save_card
from tests.refills.shop import Shop, let_pass
from tollbook.audit.books import audit
from tollbook.payments import method
from tollbook.payments.stripe import client
from tollbook.refills import decide, health, run
from tollbook.refills.rule import Rule
from tollbook.refills.tables import OPEN_STATES, Refill

SCHEDULE = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), *[timedelta(hours=1)] * 48)
"""When an answer that did not come is asked for; all together longer than the gateway remembers a key."""

UNLIMITED = {"account_month": 10**9, "charges_an_hour": 10**9, "money_an_hour": 10**9}
PATIENCE_SECONDS = 1.0
"""How long the adapter waits for an answer here; a machine that is busy must not look like a gateway that is slow."""

SLOW_SECONDS = 1.3
"""What slow and stalled answers take."""


@contextmanager
def at_the_gateway(gateway: Gateway) -> Iterator[None]:
    """Tollbook's adapter for Stripe speaks to this gateway, and is impatient; the log, where each fault is a page of
    traceback that costs more than the refill, is shut."""
    client._client.cache_clear()
    patience = mock.patch.object(client, "READ_SECONDS", PATIENCE_SECONDS)
    silence = mock.patch.object(logging.getLogger("tollbook.payments.gateway"), "disabled", True)
    with patience, silence, at_stripe(gateway, REFILLS_AT_ONCE=1, REFILL_LIMITS=UNLIMITED):
        yield
    client._client.cache_clear()


@dataclass
class World:
    """Some accounts with a saved card each; every one has a refill amount of its own."""

    db: Database
    gateway: Gateway
    seed: int
    shops: list[Shop] = field(default_factory=list)
    slow: int = 0

    def __post_init__(self) -> None:
        """Commits here need not wait for the disk: processes and connections die, but never the server."""
        with self.db.connect("owner") as owner:
            owner.execute(f'ALTER DATABASE "{self.db.name}" SET synchronous_commit = off')
        connections.close_all()
        connections["default"].close_pool()

    def open(self, accounts: int, first_amount: int = 100) -> None:
        """Open accounts, save a card for each on the hosted page, and let each refill automatically below 50.00."""
        for number in range(len(self.shops), len(self.shops) + accounts):
            shop = Shop(self.db, f"shop-{number}")
            save_card(self.gateway, shop.id)
            shop.credit("60")
            shop.rule(Rule(True, Decimal(first_amount + number), Decimal(50), Decimal(1_000_000), 100))
            self.shops.append(shop)

    def card_behaves(self, shop: Shop, card: str) -> None:
        """From now on the account's card behaves as this test card."""
        saved = method.default_of(shop.id)
        assert saved is not None
        self.gateway.control(f"cards/{saved.token.split(':')[1]}", {"card": card})

    def round(self) -> None:
        """Every wallet is brought low and refilled; then time goes by, as the schedule says, until nothing is open."""
        chance = random.Random(f"{self.seed}/{len(self.refills())}")
        poor = [shop for shop in self.shops if chance.random() < 0.08]
        for shop in poor:
            self.card_behaves(shop, "pm_card_visa_chargeDeclinedInsufficientFunds")
        for shop in self.shops:
            self.charge(shop)
        self.finish()
        for shop in poor:
            self.card_behaves(shop, "pm_card_visa")
        self.later(timedelta(hours=26), self.shops)

    def charge(self, shop: Shop) -> None:
        """The wallet is used below its minimum, and refilled."""
        shop.use(max(shop.balance() - Decimal(49), Decimal(1)))
        refill = decide.decide(shop.id, "outbound")
        if refill is not None:
            self.step(shop.id, refill)

    def finish(self) -> None:
        """Ask about what is open, as the schedule says, until nothing is."""
        for pause in SCHEDULE:
            if not self.ask_again(pause):
                break

    def ask_again(self, pause: timedelta) -> bool:
        """Let time go by, and ask about everything that is open; whether there was anything."""
        waiting = self.open_refills()
        self.later(pause, [shop for shop in self.shops if shop.id in {refill.account_id for refill in waiting}])
        self.let_slow_answers_pass()
        for refill in waiting:
            self.step(refill.account_id, refill.id)
        return bool(waiting)

    def let_slow_answers_pass(self) -> None:
        """Wait for what the gateway does after nobody waits any more, so that its order is the same in every run."""
        injected = self.gateway.injected()
        if (slow := injected.get("slow", 0) + injected.get("stalled", 0)) > self.slow:
            time.sleep(SLOW_SECONDS - PATIENCE_SECONDS + 0.2)
        self.slow = slow

    def step(self, account_id: UUID, refill_id: UUID) -> None:
        """One step by a process that has just begun, and so knows of no gateway that was silent."""
        health.forget()
        run.step(account_id, refill_id)

    def later(self, pause: timedelta, shops: list[Shop]) -> None:
        """Time goes by for these accounts, and at the gateway."""
        let_pass(self.db, [shop.id for shop in shops], pause)
        self.gateway.advance(pause.total_seconds())

    def refills(self) -> list[Refill]:
        """Every refill, in the order of their accounts."""
        return [refill for shop in self.shops for refill in shop.refills()]

    def open_refills(self) -> list[Refill]:
        """Those that are not at their end, in the order of their accounts."""
        places = {shop.id: place for place, shop in enumerate(self.shops)}
        found = Refill.objects.filter(account_id__in=list(places), state__in=OPEN_STATES)
        return sorted(found, key=lambda refill: places[refill.account_id])

    def charges(self) -> list[Movement]:
        """Every charge of these accounts that the truth file has."""
        ours = {str(shop.id) for shop in self.shops}
        return [
            movement for movement in self.gateway.moved()
            if movement.what == "charge" and movement.metadata["tollbook_account"] in ours
        ]

    def assert_sound(self) -> None:
        """0 charged twice, 0 charged and not credited, 0 credited and not charged, 0 unresolved; and the books hold."""
        charged = Counter(movement.metadata["tollbook_id"] for movement in self.charges())
        succeeded = Counter(str(refill.id) for refill in self.refills() if refill.state == "succeeded")
        told = f"seed {self.seed}: TOLLBOOK_FAULT_SEED={self.seed} repeats it"
        assert [key for key, times in charged.items() if times > 1] == [], f"charged twice; {told}"
        assert charged - succeeded == Counter(), f"charged and not credited; {told}"
        assert succeeded - charged == Counter(), f"credited and not charged; {told}"
        assert [refill.id for refill in self.open_refills()] == [], f"unresolved; {told}"
        taken: dict[str, int] = defaultdict(int)
        for movement in self.charges():
            taken[movement.metadata["tollbook_account"]] += movement.amount
        for shop in self.shops:
            assert Decimal(taken[str(shop.id)]) / 100 == shop.credited(), told
        findings = [each for each in audit([shop.account for shop in self.shops]) if each.rule != "chain_is_intact"]
        assert findings == [], told

    def fingerprint(self) -> dict[str, Any]:
        """What happened, without ids and instants: the same for the same seed."""
        told = self.gateway.control()
        return {
            "refills": [[(refill.amount, refill.state) for refill in shop.refills()] for shop in self.shops],
            "charged": sorted(movement.amount for movement in self.charges()),
            "injected": told["plan"]["injected"], "requests": told["plan"]["requests"],
        }
