"""Any sequence of holds, slices, captures, records and gifts leaves what the plain model leaves.

`TOLLBOOK_MODEL_STEPS` is how many steps are tried, 300 unless told; before a release, 100,000.
"""

import os
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.cast import LONG_AGO, NOON, a_rate, an_account, funded
from tests.databases import Database
from tests.model import books
from tests.model.holds import Account as Oracle
from tests.model.holds import Call, Wish
from tollbook.accounts.tables import Account, ZeroRule
from tollbook.audit.books import audit
from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres.retry import in_transaction
from tollbook.usage.capture import EventConflict, capture
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reserve import Extend, Item, Reserve, extend_many, reserve_many
from tollbook.usage.tables import UsageEvent
from tollbook.wallets.hold import HoldIsOver, InsufficientCredit, Placed, Release, expire_due, release_many
from tollbook.wallets.tables import Hold, HoldMove, Wallet

STEPS = int(os.environ.get("TOLLBOOK_MODEL_STEPS", "300"))
STEPS_EACH = 30

RULES = {
    "outbound": books.Rule(Fraction("37.5"), fee=Fraction("0.02"), initial=30, step=6),
    "conversational_ai": books.Rule(Fraction(100), initial=15, step=15, least=Fraction("0.30")),
    "sms": books.Rule(Fraction("7.9"), timed=False),
    "inbound": books.Rule(Fraction(0)),
}
KINDS = sorted(RULES)
kinds = st.sampled_from(KINDS)
sides = st.integers(0, 1)
ids = st.sampled_from([f"call-{number}" for number in range(5)])
# Often whole steps of what is talked about, so that what is left is often nothing, or exactly enough.
quantities = st.sampled_from([15, 30, 60]).map(Fraction) | st.integers(1, 200).map(Fraction)
quarters = st.integers(1, 12).map(lambda count: Fraction(count, 4))
amounts = quarters | st.integers(1, 3_000_000).map(lambda count: Fraction(count, 1_000_000))
wishes = st.builds(Wish, kinds, quantities) | st.builds(Wish, kinds, quantity=st.none(), amount=amounts)
lists_of_wishes = st.lists(wishes, min_size=1, max_size=3, unique_by=lambda wish: wish.kind)
uses = st.lists(st.tuples(kinds, st.integers(0, 200).map(Fraction)), min_size=1, max_size=3, unique_by=lambda use: use[0])


def decimal(value: Fraction | None) -> Decimal | None:
    return None if value is None else Decimal(value.numerator) / Decimal(value.denominator)


def items(asked: list[Wish]) -> list[Item]:
    return [Item(wish.kind, decimal(wish.quantity), decimal(wish.amount)) for wish in asked]


def word(answer: Placed | Refused) -> str:
    """The model's word for an answer."""
    if isinstance(answer, Placed):
        return "held"
    return {InsufficientCredit: "too little", HoldIsOver: "over", Conflict: "known", Invalid: "too much"}[type(answer)]


class Calls(RuleBasedStateMachine):
    """Two accounts with four kinds of service, beside the model. What is asked for in a group is told to it one by one."""

    database: Database

    @initialize(money=st.lists(st.integers(0, 40), min_size=2 * len(KINDS), max_size=2 * len(KINDS)))
    def begin(self, money: list[int]) -> None:
        self.database.empty()
        for kind, told in RULES.items():
            cents, fees = str(decimal(told.cents)), {"connect_fee": decimal(told.fee), "minimum_charge": decimal(told.least)}
            a_rate(kind, cents, told.initial, told.step, **fees)
        self.accounts = [an_account(slug) for slug in ("north", "south")]
        self.oracles = [Oracle(RULES, {kind: books.Wallet() for kind in KINDS}) for _ in self.accounts]
        self.placed: list[tuple[int, UUID, Call]] = []
        for place, count in enumerate(money):
            if count:
                self.give(place // len(KINDS), KINDS[place % len(KINDS)], Fraction(count, 4), "paid")

    @rule(side=sides, kind=kinds, amount=amounts, purse=st.sampled_from(["paid", "granted"]))
    def give(self, side: int, kind: str, amount: Fraction, purse: str) -> None:
        funded(self.accounts[side], kind, str(decimal(amount)), purse)
        mine = self.oracles[side].wallets[kind]
        setattr(mine, purse, getattr(mine, purse) + amount)

    @rule(side=sides, kind=kinds, amount=amounts)
    def take_away(self, side: int, kind: str, amount: Fraction) -> None:
        funded(self.accounts[side], kind, str(decimal(-amount)))
        self.oracles[side].wallets[kind].paid -= amount

    @rule(side=sides, limit=st.sampled_from([0, 2]))
    def change_the_zero_rule(self, side: int, limit: int) -> None:
        told = ZeroRule.OVERDRAFT if limit else ZeroRule.STOP_NEW
        Account.objects.filter(id=self.accounts[side].id).update(zero_rule=told, overdraft_limit=2)
        self.oracles[side].overdraft = Fraction(limit)

    @rule(asked=st.lists(st.tuples(sides, ids, lists_of_wishes, st.booleans()), min_size=1, max_size=4))
    def place(self, asked: list[tuple[int, str, list[Wish], bool]]) -> None:
        wanted = [Reserve(self.accounts[side].id, id, items(told), None, less) for side, id, told, less in asked]
        answers = in_transaction(lambda: reserve_many(wanted))
        for (side, id, told, less), answer in zip(asked, answers, strict=True):
            outcome, call, is_final = self.oracles[side].place(id, told, less)
            assert word(answer) == outcome
            if isinstance(answer, Placed) and call:
                self.placed.append((side, answer.id, call))
                assert answer.final_unit == is_final
                self.agree(answer, call)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), asked=st.lists(st.tuples(lists_of_wishes, st.booleans()), min_size=1, max_size=3))
    def extend(self, data: st.DataObject, asked: list[tuple[list[Wish], bool]]) -> None:
        wanted = []
        for told, less in asked:
            side, hold_id, call = data.draw(st.sampled_from(self.placed))
            told = [wish for wish in told if wish.kind in call.parts]
            if told:
                wanted.append((Extend(self.accounts[side].id, hold_id, items(told), None, less), side, call, told, less))
        answers = in_transaction(lambda: extend_many([one[0] for one in wanted]))
        for (_, side, call, told, less), answer in zip(wanted, answers, strict=True):
            outcome, is_final = self.oracles[side].extend(call, told, less)
            assert word(answer) == outcome
            if isinstance(answer, Placed):
                assert answer.final_unit == is_final
                self.agree(answer, call)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), used=uses)
    def capture(self, data: st.DataObject, used: list[tuple[str, Fraction]]) -> None:
        side, hold_id, call = data.draw(st.sampled_from(self.placed))
        told = [Item(kind, decimal(quantity)) for kind, quantity in used]
        outcome: object
        try:
            recorded = capture(self.accounts[side], hold_id, told, NOON, {"who": "capture"})
            outcome = (recorded.accepted, recorded.duplicates)
        except EventConflict:
            outcome = "conflict"
        except HoldIsOver:
            outcome = "over"
        assert outcome == self.oracles[side].capture(call, used)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), count=st.integers(1, 3))
    def release(self, data: st.DataObject, count: int) -> None:
        chosen = [data.draw(st.sampled_from(self.placed)) for _ in range(count)]
        asked = [Release(self.accounts[side].id, hold_id) for side, hold_id, _ in chosen]
        answers = in_transaction(lambda: release_many(asked))
        for (side, _, call), answer in zip(chosen, answers, strict=True):
            assert (word(answer) if answer else "released") == self.oracles[side].release(call)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), count=st.integers(1, 3))
    def expire(self, data: st.DataObject, count: int) -> None:
        drawn = [data.draw(st.sampled_from(self.placed)) for _ in range(count)]
        chosen = {hold_id: (side, call) for side, hold_id, call in drawn}
        still_open = sum(call.state == "open" for _, call in chosen.values())
        Hold.objects.filter(id__in=chosen).update(expires_at=LONG_AGO)
        assert expire_due() == still_open
        for side, call in chosen.values():
            self.oracles[side].expire(call)

    @rule(side=sides, told=st.lists(st.tuples(ids, st.none() | kinds, kinds, quantities), min_size=1, max_size=3))
    def records_arrive(self, side: int, told: list[tuple[str, str | None, str, Fraction]]) -> None:
        """Of calls themselves, and of their further items, perhaps as another kind than they were held as."""
        self.record(side, [(id if part is None else f"{id}#{part}", kind, quantity) for id, part, kind, quantity in told])

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), quantity=quantities)
    def the_record_of_an_item_arrives(self, data: st.DataObject, quantity: Fraction) -> None:
        side, _, call = data.draw(st.sampled_from(self.placed))
        kind = data.draw(st.sampled_from(list(call.parts)))
        self.record(side, [(call.event(kind), kind, quantity)])

    def record(self, side: int, events: list[tuple[str, str, Fraction]]) -> None:
        batch = [Event(id, kind, decimal(quantity), NOON, attributes={"who": "record"}) for id, kind, quantity in events]
        recorded = record(self.accounts[side].id, batch)
        outcomes = [self.oracles[side].use(*event) for event in events]
        counts = (recorded.accepted, recorded.duplicates, len(recorded.rejected))
        assert counts == tuple(map(outcomes.count, ("accepted", "duplicate", "conflict")))

    def agree(self, answer: Placed, call: Call) -> None:
        """What a hold is said to cover, item by item, is what the model has set aside."""
        told = [(item.type_code, Fraction(item.quantity), Fraction(item.amount)) for item in answer.items]
        assert told == [(kind, part.quantity, part.amount) for kind, part in call.parts.items()]

    @invariant()
    def the_same_is_left(self) -> None:
        for account, oracle in zip(self.accounts, self.oracles, strict=True):
            stored = {row.type_code: row for row in Wallet.objects.filter(account_id=account.id, type_code__in=KINDS)}
            for kind, mine in oracle.wallets.items():
                there = stored[kind]
                assert (there.paid, there.granted, there.held) == tuple(map(decimal, (mine.paid, mine.granted, mine.held)))
            debited = set(UsageEvent.objects.filter(account_id=account.id).values_list("event_id", flat=True))
            assert debited == oracle.seen.keys()
        states = dict(Hold.objects.values_list("id", "state"))
        assert states == {hold_id: call.state for _, hold_id, call in self.placed}

    def teardown(self) -> None:
        """The books prove themselves, and the running record of what is held has no gap."""
        assert audit() == []
        held: dict[UUID, Decimal] = {}
        for move in HoldMove.objects.order_by("at", "id"):
            assert (move.held_before, move.held_after - move.held_before) == (held.get(move.wallet_id, 0), move.amount)
            held[move.wallet_id] = move.held_after


@pytest.mark.parametrize("steps", [STEPS])
def test_any_sequence_of_calls_agrees_with_the_plain_model(db: Database, steps: int) -> None:
    Calls.database = db
    run_state_machine_as_test(
        Calls,
        settings=settings(
            max_examples=max(1, steps // STEPS_EACH),
            stateful_step_count=STEPS_EACH,
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )
