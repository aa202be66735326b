"""Corrections: an event that names another one takes its cost back, once."""

import threading
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tests.model import books
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.ledger.balance import sums
from tollbook.ledger.tables import Transfer
from tollbook.usage import fold, statement
from tollbook.usage.breakdown import Asked, By, Per, breakdown
from tollbook.usage.event import Event
from tollbook.usage.record import KNOWN, NEW, REJECTED, record
from tollbook.usage.reverse import Amounts, Reversal, preview, reverse, reverse_many
from tollbook.usage.tables import UsageEvent, UsageSum, UsageTold

LATER = NOON + timedelta(hours=2)


def call(id: str = "call-1", seconds: int = 61, **fields: object) -> Event:
    return Event(id, "outbound", Decimal(seconds), NOON, to="12125550100", **fields)


def back(id: str = "back-1", reverses: str = "call-1", quantity: int | None = None, **fields: object) -> Reversal:
    return Reversal(id, reverses, LATER, None if quantity is None else Decimal(quantity), **fields)


@pytest.fixture
def account(db) -> Account:
    """$100, and a call of 61 s at 1.20 ¢/min in steps of 6 s with a fee of a cent."""
    made = an_account()
    a_rate(connect_fee=Decimal("0.01"))
    funded(made)
    record(made.id, [call(attributes={"campaign": "Spring", "agent": "Ann"})])
    return made


def test_a_reversal_gives_all_of_it_back_fee_included(account: Account) -> None:
    done = reverse(account.id, back(reason="carrier said it failed"))
    assert (done.state, done.cost) == (NEW, Decimal("0.0232"))
    stored = wallet(account)
    assert (stored.paid, stored.spent_since_funding) == (100, 0)
    told = UsageTold.objects.get(account_id=account.id, event_id="back-1")
    assert (told.quantity, told.billed_quantity, told.cost) == (-61, -66, Decimal("-0.0232"))
    assert told.reverses_id == "call-1"
    assert (told.to, told.attributes) == ("12125550100", {"campaign": "Spring", "agent": "Ann"})
    transfer = Transfer.objects.get(account_id=account.id, id=told.transfer_id)
    assert (transfer.kind, transfer.description) == ("reversal", "of call-1: carrier said it failed")
    assert sums(account.id)["revenue:usage"] == 0
    assert audit() == []


def test_a_repeated_reversal_is_done_once(account: Account) -> None:
    states = [reverse(account.id, back()).state for _ in range(3)]
    assert states == [NEW, KNOWN, KNOWN]
    assert wallet(account).paid == 100


def test_a_second_reversal_of_the_whole_is_refused(account: Account) -> None:
    again = reverse_many(account.id, [back(), back("back-2")])[1]
    assert (again.state, again.code) == (REJECTED, "already_reversed")
    assert wallet(account).paid == 100 and audit() == []


def test_a_partial_one_leaves_what_the_shorter_call_would_have_cost(account: Account) -> None:
    reverse(account.id, back(quantity=31))
    assert wallet(account).paid == Decimal(100) - Decimal("0.016"), "30 s are 30 s billed: 0.6 cents and the fee"
    assert preview(account.id, "call-1") == Amounts(Decimal(-30), Decimal(-30), Decimal("-0.016"))
    assert reverse(account.id, back("back-2", quantity=31)).code == "more_than_left"
    reverse(account.id, back("back-3"))
    assert wallet(account).paid == 100
    told = statement.event(account.id, "call-1").corrections
    assert [(one.event_id, one.quantity) for one in told] == [("back-1", -31), ("back-3", -30)]
    opened = statement.event(account.id, "back-3")
    assert (opened.reversed_from, opened.recomputed) == (30, opened.used.cost)
    assert audit() == []


def test_credit_returns_to_the_purse_it_came_from_as_if_the_debit_had_been_smaller(db) -> None:
    account = an_account()
    a_rate(cents="600", initial=1, step=1)
    funded(account, amount="100")
    funded(account, amount="10", purse="granted")
    record(account.id, [call("a", 50), call("b", 80), call("c", 20)])
    assert (wallet(account).granted, wallet(account).paid) == (0, 95)
    reverse(account.id, back("back-a", "a"))
    assert (wallet(account).granted, wallet(account).paid) == (0, 100), "the 5 dollars of bought credit first"
    reverse(account.id, back("back-b", "b"))
    assert (wallet(account).granted, wallet(account).paid) == (8, 100), "then what was granted"
    record(account.id, [call("d", 30)])
    reverse(account.id, back("back-d", "d"))
    assert (wallet(account).granted, wallet(account).paid) == (8, 100)
    assert audit() == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (back(reverses="nobody"), "unknown_original"),
        (back(reverses="\x00"), "unknown_original"),
        (back("call-1"), "event_conflict"),
        (back(""), "bad_id"),
        (back("x" * 201), "bad_id"),
        (back("a\x00"), "bad_id"),
        (back(quantity=62), "more_than_left"),
        (back(quantity=0), "bad_quantity"),
        (back(quantity=-1), "bad_quantity"),
        (Reversal("b", "call-1", LATER, Decimal("NaN")), "bad_quantity"),
        (Reversal("b", "call-1", LATER, Decimal("1e-7")), "bad_quantity"),
        (back(type="sms"), "wrong_type"),
        (back(reason="x" * 301), "bad_reason"),
        (Reversal("b", "call-1", NOON - timedelta(seconds=1)), "bad_time"),
        (Reversal("b", "call-1", LATER.replace(tzinfo=None)), "bad_time"),
        (Reversal("b", "call-1", NOON + timedelta(days=9999)), "in_the_future"),
    ],
)
def test_what_can_not_be_taken_back_is_refused_and_changes_nothing(account: Account, asked: Reversal, code: str) -> None:
    done = reverse(account.id, asked)
    assert (done.state, done.code) == (REJECTED, code) and done.message.endswith(".")
    assert UsageEvent.objects.count() == 1 and wallet(account).paid == Decimal("99.9768")


def test_other_cases_that_are_refused(account: Account) -> None:
    record(account.id, [call("nothing", 0)])
    assert reverse(account.id, back(reverses="nothing")).code == "nothing_to_reverse"
    reverse(account.id, back())
    assert reverse(account.id, back("back-2", "back-1")).code == "not_an_original"
    assert reverse(account.id, back(quantity=61)).code == "event_conflict"
    assert reverse(account.id, back(reverses="nothing")).code == "event_conflict"
    assert record(account.id, [call("back-1")]).rejected[0].code == "event_conflict"
    stranger = an_account("stranger")
    assert reverse(stranger.id, back("theirs")).code == "unknown_original"
    late = Reversal("late", "call-1", LATER)
    assert reverse(account.id, late, timedelta(days=-10_000)).code == "too_late"


def test_roll_ups_go_down_where_the_original_went_up(account: Account) -> None:
    fold.fold_waiting()
    reverse(account.id, back())
    for _ in range(2):
        for by, value in ((By.CAMPAIGN, "Spring"), (By.AGENT, "Ann"), (By.COUNTRY, "US"), (By.TYPE, "outbound")):
            [line] = breakdown(account, Asked(by, Per.TOTAL, NOON, LATER + timedelta(days=1))).lines
            assert (line.value, line.events, line.quantity, line.cost) == (value, 2, 0, 0)
        fold.fold_waiting()
    assert [row.cost for row in UsageSum.objects.order_by("quarter_at")] == [Decimal("0.0232"), Decimal("-0.0232")]
    assert audit() == []


def test_eight_at_once_take_an_event_back_once(account: Account) -> None:
    record(account.id, [call(f"c{number}", 100) for number in range(6)])
    before = wallet(account).paid
    done: list = []

    def work(number: int) -> None:
        try:
            for target in range(6):
                quantity = None if number % 2 else 50
                done.append(reverse(account.id, back(f"r{number}-{target}", f"c{target}", quantity)))
                reverse(account.id, back(f"same-{target}", f"c{target}"))
        except BaseException as error:
            done.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not [one for one in done if isinstance(one, BaseException)]
    assert wallet(account).paid == before + 6 * (Decimal("0.01") + Decimal("0.0204")), "102 s billed, and the fee"
    assert audit() == []


PLANTED = {
    "every_reversal_has_an_original": "UPDATE usage_reversal SET reverses_id = 'nobody'",
    "what_is_left_can_be_recomputed": "UPDATE usage_event SET billed_quantity = -60 WHERE event_id = 'back-1'",
    "every_costly_event_is_debited": "UPDATE transfer SET kind = 'usage' WHERE kind = 'reversal'",
    "usage_transfers_equal_their_events": "UPDATE transfer SET detail_count = 2 WHERE kind = 'reversal'",
    "details_are_sealed": "UPDATE usage_event SET occurred_at = occurred_at + interval '1 second' WHERE event_id = 'back-1'",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_the_audit_finds_a_planted_change(account: Account, db, rule: str) -> None:
    reverse(account.id, back())
    assert audit() == []
    with db.connect("owner") as owner:
        owner.execute(PLANTED[rule])
    assert rule in {finding.rule for finding in audit()}


STEPS = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(1, 8), st.sampled_from(["outbound", "sms"]), st.integers(0, 130)), max_size=5),
        st.tuples(st.integers(1, 20), st.integers(1, 10), st.one_of(st.none(), st.integers(1, 130))),
        st.just("fold"),
    ),
    max_size=10,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, money=st.integers(0, 2), gift=st.integers(0, 2))
def test_any_usage_and_corrections_leave_what_the_plain_model_leaves(db, steps: list, money: int, gift: int) -> None:
    db.empty()
    account = an_account()
    a_rate("outbound", "37.5", 30, 6, connect_fee=Decimal("0.01"), minimum_charge=Decimal("0.25"))
    a_rate("sms", "0.79", 1, 1)
    rules = {
        "outbound": books.Rule(Fraction("37.5"), Fraction("0.01"), 30, 6, least=Fraction("0.25")),
        "sms": books.Rule(Fraction("0.79"), timed=False),
    }
    oracle = books.Account(rules, {kind: books.Wallet() for kind in rules})
    for kind in rules:
        for purse, amount in (("paid", money), ("granted", gift)):
            if amount:
                funded(account, kind, str(amount), purse)
                setattr(oracle.wallets[kind], purse, Fraction(amount))
    for number, step in enumerate(steps):
        if step == "fold":
            fold.fold_waiting()
        elif isinstance(step, list):
            oracle.batch = number
            events = [Event(f"e{id}", kind, Decimal(quantity), NOON) for id, kind, quantity in step]
            for event in events:
                oracle.use(event.id, event.type, Fraction(event.quantity))
            record(account.id, events)
        else:
            id, original, quantity = step
            expected = oracle.reverse(f"e{id}", f"e{original}", None if quantity is None else Fraction(quantity))
            done = reverse(account.id, back(f"e{id}", f"e{original}", quantity))
            told = {NEW: "accepted", KNOWN: "duplicate"}.get(done.state, done.code.removeprefix("event_"))
            assert told == expected
    for kind, expected in oracle.wallets.items():
        stored = wallet(account, kind)
        assert (Fraction(stored.paid), Fraction(stored.granted)) == (expected.paid, expected.granted)
    assert audit() == []
