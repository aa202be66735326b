"""Refills over days and under many hands: caps, cards that decline, charges that nobody tells of, threads.

The sizes are small here; `TOLLBOOK_REFILL_RULES=10000`, `TOLLBOOK_UNKNOWN_CHARGES=1000` and `TOLLBOOK_MIXED_WORK=200000`
make them as large as what is claimed.
"""

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from math import ceil
from typing import ClassVar
from unittest import mock
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError, connections
from django.test.utils import override_settings

from tests.databases import Database
from tests.payments.gateways import Deaf
from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, let_pass
from tests.together import together
from tollbook.errors import Refused
from tollbook.ledger.tables import Transfer
from tollbook.payments import method
from tollbook.payments.gateway import ChargeAnswer, ChargeRequest, Unknown
from tollbook.payments.simulated import Simulated
from tollbook.payments.tables import SimulatedCharge
from tollbook.postgres.ids import new_id
from tollbook.refills import brakes, health, limits, run, stops
from tollbook.refills.rule import MOST_CHARGES_PER_DAY, Rule
from tollbook.refills.tables import OPEN_STATES, Refill
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.credit import adjust

RULES_EACH = 10
"""Rules that an account gets one after another, each in a month of its own."""

RULES = int(os.environ.get("TOLLBOOK_REFILL_RULES", "25"))
UNKNOWN_CHARGES = int(os.environ.get("TOLLBOOK_UNKNOWN_CHARGES", "12"))
MIXED_WORK = int(os.environ.get("TOLLBOOK_MIXED_WORK", "640"))
BATCH = 1 if MIXED_WORK < 10_000 else 100
THREADS = 64


@pytest.mark.parametrize("backup", [False, True])
def test_a_declining_card_is_tried_4_times_in_any_day_and_8_times_in_any_30_akash_3756(
    shop: Shop, backup: bool
) -> None:
    """486 failed charges in 4.5 hours there. Here: 30 days, two wallets, people who ask by hand and add the card anew."""
    dice, clock, tried = random.Random(3756), timedelta(), {}
    shop.ready("10.00", token="sim_0002")
    if backup:
        shop.backup("sim_9995")
    while clock < timedelta(days=30):
        before = len(shop.charges())
        shop.run()
        act(shop, dice)
        for charge in shop.charges()[before:]:
            tried.setdefault(charge.token, []).append(clock)
        step = timedelta(minutes=dice.choice([5, 95, 700, 1400]))
        shop.later(seconds=step.total_seconds())
        clock += step
    assert len(tried) == 1 + backup
    for times in tried.values():
        assert 3 <= most_within(times, timedelta(hours=24)) <= 4
        assert 6 <= len(times) <= 8
    shop.assert_sound()


def act(shop: Shop, dice: random.Random) -> None:
    """What people do meanwhile."""
    with contextlib.suppress(Refused):
        match dice.randrange(6):
            case 0:
                refill = run.ask(
                    shop.account, dice.choice(["inbound", "outbound"]), Decimal(dice.randint(1, 99)), OWNER
                )
                run.step(shop.id, refill.id)
            case 1:
                shop.use("1.00")
            case 2:
                default = method.default_of(shop.id)
                if default is not None:
                    method.remove(shop.id, default.id, OWNER)
                shop.card("sim_0002")


def most_within(times: list[timedelta], window: timedelta) -> int:
    return max(sum(begin <= other < begin + window for other in times) for begin in times)


def test_no_rule_whatever_is_used_charges_more_than_a_cap(db: Database) -> None:
    for seed in range(0, RULES, RULES_EACH):
        db.empty()
        dice = random.Random(seed)
        shop = Shop(db, f"shop-{seed}", timezone=dice.choice(["UTC", "Asia/Kathmandu", "America/New_York"]))
        shop.ready("100.00", dice.choice(["sim_4242", "sim_4242", "sim_0408"]))
        for _ in range(min(RULES_EACH, RULES - seed)):
            one_rule(shop, dice)
            shop.later(days=32)


def one_rule(shop: Shop, dice: random.Random) -> None:
    """A random rule under random use, asked for by hand in between; every cap is looked at after every step."""
    amount, minimum = Decimal(dice.randint(1, 300)), Decimal(dice.randint(0, 400))
    cap = amount * (minimum // amount + 1) + dice.randint(0, 3000)
    rule = Rule(True, amount, minimum, cap, max_charges_per_day=dice.randint(1, 9))
    of_account = Decimal(dice.randint(100, 4000))
    limits.set_account_limit(shop.account, of_account, "Drawn", SUPPORT)
    shop.rule(rule)
    with contextlib.suppress(Refused):
        stops.release(shop.account, "outbound", SUPPORT)
    if shop.balance() > 100:
        shop.use(shop.balance() - 100)
    an_hour = {"charges_an_hour": dice.randint(1, 12), "money_an_hour": dice.randint(10_000, 500_000)}
    with override_settings(REFILL_LIMITS={"account_month": 0} | an_hour):
        for _ in range(dice.randint(4, 9)):
            with contextlib.suppress(Refused):
                random_step(shop, dice)
            assert_within_caps(shop, rule, of_account, an_hour)


def random_step(shop: Shop, dice: random.Random) -> None:
    shop.use(Decimal(dice.randint(1, 60_000)) / 100)
    if dice.random() < 0.3:
        run.ask(shop.account, dice.choice(["inbound", "outbound"]), Decimal(dice.randint(1, 300)), OWNER)
    together(2, shop.run) if dice.random() < 0.3 else shop.run(2)
    shop.later(minutes=dice.choice([0, 1, 20, 70, 900]))
    shop.run()


def assert_within_caps(shop: Shop, rule: Rule, of_account: Decimal, an_hour: dict[str, int]) -> None:
    """By what was charged, as the refills have it, which the gateway's own memory agrees with."""
    now = datetime.now(UTC)
    zone = ZoneInfo(shop.account.timezone)
    today = now.astimezone(zone).date()
    day = datetime.combine(today, time.min, zone)
    month = day.replace(day=1)
    charged = [refill for refill in shop.refills() if refill.charging_at and refill.state != "withdrawn"]
    outbound = shop.wallet().id
    mine = [refill for refill in charged if refill.wallet_id == outbound]
    assert sum(refill.charging_at >= day for refill in mine) <= rule.max_charges_per_day
    assert sum(refill.amount for refill in mine if refill.charging_at >= month) <= rule.monthly_cap
    assert sum(refill.amount for refill in charged if refill.charging_at >= month) <= of_account
    lately = list(Refill.objects.filter(charging_at__gte=now - timedelta(minutes=59)))
    assert len(lately) <= an_hour["charges_an_hour"]
    assert sum(refill.amount for refill in lately) * 100 <= an_hour["money_an_hour"]
    for wallet_id in {refill.wallet_id for refill in charged}:
        assert Refill.objects.filter(account_id=shop.id, wallet_id=wallet_id, state__in=OPEN_STATES).count() <= 1
    assert shop.charged() == sum(refill.amount for refill in charged)


class OfADay(Simulated):
    """Answers, and remembers keys for a day."""

    REMEMBERS = timedelta(hours=24)


class Amnesiac(Simulated):
    """Charges, and nobody gets the answer. After a day it has forgotten keys: the same one again would charge again."""

    REMEMBERS = timedelta(hours=24)
    is_dark: ClassVar[bool] = True
    has_forgotten: ClassVar[bool] = False

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        if self.has_forgotten:
            SimulatedCharge.objects.create(
                account_id=request.account_id, idempotency_key=f"{request.idempotency_key} again", token=request.token,
                reference=f"again_{new_id().hex}", amount=request.amount, currency=request.currency, outcome="succeeded",
                created_at=datetime.now(UTC),
            )  # fmt: skip
        super().charge(request)
        return Unknown("No answer.")

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return Unknown("No answer.") if self.is_dark else super().look_up(account_id, idempotency_key)


@pytest.fixture
def amnesiac() -> Iterator[type[Amnesiac]]:
    Amnesiac.is_dark, Amnesiac.has_forgotten = True, False
    with gateway_is("tests.refills.test_long_run.Amnesiac"):
        yield Amnesiac


def test_unknown_charges_are_resolved_after_25_hours_without_charging_again(
    db: Database, amnesiac: type[Amnesiac]
) -> None:
    shops = [Shop(db, f"shop-{number}").ready("50.00") for number in range(UNKNOWN_CHARGES)]
    all_sent(shops)
    assert SimulatedCharge.objects.count() == UNKNOWN_CHARGES
    for hours in (1, 23):
        later(shops, hours)
        health.forget()
        run.run_due()
    amnesiac.has_forgotten = True
    later(shops, 1)
    amnesiac.is_dark = False
    settled(shops)
    assert {refill.state for shop in shops for refill in shop.refills()} == {"succeeded"}
    assert SimulatedCharge.objects.count() == UNKNOWN_CHARGES, "nothing was charged again"
    assert all(shop.balance() == Decimal(550) for shop in shops)
    shops[0].assert_sound()


def test_charges_that_never_arrived_in_25_hours_end_and_are_made_anew_once(db: Database) -> None:
    shops = [Shop(db, f"shop-{number}").ready("50.00") for number in range(UNKNOWN_CHARGES)]
    with gateway_is("Forgetful"):
        Deaf.heard.clear()
        all_sent(shops)
        later(shops, 25)
    with gateway_is("tests.refills.test_long_run.OfADay"):
        settled(shops)
        settled(shops)
    assert SimulatedCharge.objects.count() == UNKNOWN_CHARGES
    assert all(shop.states() == {"withdrawn": 1, "succeeded": 1} for shop in shops)
    shops[0].assert_sound()


def all_sent(shops: list[Shop]) -> None:
    while any(not shop.refills() for shop in shops):
        health.forget()
        run.run_due()


def later(shops: list[Shop], hours: int) -> None:
    let_pass(shops[0].db, [shop.id for shop in shops], timedelta(hours=hours))


def settled(shops: list[Shop]) -> None:
    for _ in range(4 + len(shops) // 100):
        health.forget()
        run.run_due()


def test_64_threads_of_debits_refills_and_credits_equal_a_serial_oracle(db: Database) -> None:
    """Never two open refills (lago #1962), no lost update (blnk #182): to the last decimal what one after another gives."""
    shop = Shop(db)
    shop.ready("500.00", rule=Rule(True, Decimal(20), Decimal(480), Decimal(10**9), MOST_CHARGES_PER_DAY))
    begin, done, lock = shop.balance(), Done(), threading.Lock()
    usual = {"account_month": 10**12, "charges_an_hour": 10**9, "money_an_hour": 10**12}

    def work() -> None:
        dice, pieces = random.Random(threading.get_ident()), 0
        while pieces < MIXED_WORK / THREADS:
            one = one_of_many(shop, dice)
            pieces += one.pieces
            with lock:
                done.add(one)

    brakes_on = tuple(brake for brake in brakes.BRAKES if brake not in (brakes.too_fast, brakes.daily_count))
    with override_settings(REFILL_LIMITS=usual), mock.patch.object(brakes, "BRAKES", brakes_on):
        in_threads(THREADS, work)
    shop.finish()
    made = [refill for refill in shop.refills() if refill.state == "succeeded"]
    refilled = sum((refill.amount for refill in made), Decimal(0))
    print(f"{done.pieces} pieces of work of {THREADS} threads, {len(made)} refills")
    assert shop.balance() == begin - done.used + done.credited + refilled
    assert refilled == shop.charged() > 0
    assert_one_at_a_time(shop)
    assert_chained(shop)
    shop.assert_sound()


@dataclass
class Done:
    """Pieces of work, and what they used and credited, once it is sure."""

    pieces: int = 0
    used: Decimal = Decimal(0)
    credited: Decimal = Decimal(0)

    def add(self, other: "Done") -> None:
        self.pieces += other.pieces
        self.used += other.used
        self.credited += other.credited


def one_of_many(shop: Shop, dice: random.Random) -> Done:
    """One call: what is due, a refill by hand, a credit; or, mostly, debits: one, or a batch of a few."""
    match dice.randrange(8):
        case 0:
            certainly(run.run_due)
            return Done(1)
        case 1:
            with contextlib.suppress(Refused):
                certainly(lambda: run.ask(shop.account, "outbound", Decimal(dice.randint(1, 9)), OWNER))
            return Done(1)
        case 2:
            amount, made = Decimal(dice.randint(-300, 300) or 1) / 100, new_id()
            certainly(lambda: adjust(shop.id, "outbound", amount, "paid", "A correction", SUPPORT, made))
            return Done(1, credited=amount)
        case _:
            quantities = [Decimal(dice.randint(1, 300)) / 4 for _ in range(dice.choice([1, 1, 2, BATCH]))]
            now = datetime.now(UTC)
            events = [Event(str(new_id()), "outbound", seconds, now) for seconds in quantities]
            certainly(lambda: record(shop.id, events))
            return Done(len(events), used=sum(map(cost, quantities)))


def cost(seconds: Decimal) -> Decimal:
    return Decimal(ceil(seconds)) / 100


def certainly(work: Callable[[], object]) -> None:
    """Until it is done; whoever finds no free connection tries again, with the same ids."""
    while True:
        try:
            work()
            return
        except OperationalError:
            continue
        finally:
            connections.close_all()


def in_threads(count: int, work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def one() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def assert_one_at_a_time(shop: Shop) -> None:
    """No refill was decided before the one before it had ended."""
    refills = sorted(shop.refills(), key=lambda refill: refill.decided_at)
    for one, other in zip(refills, refills[1:], strict=False):
        assert one.finished_at is not None and one.finished_at <= other.decided_at


def assert_chained(shop: Shop) -> None:
    """Each movement begins where the one before it ended."""
    moves = Transfer.objects.filter(account_id=shop.id, wallet_id=shop.wallet().id).order_by("wallet_seq")
    balance = Decimal(0)
    for before, after in moves.values_list("balance_before", "balance_after"):
        assert before == balance
        balance = after
    assert balance == shop.balance()
