"""Holds: set aside, more of it, let go, captured; side by side calls never overdraw; an event is debited once."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tollbook.accounts.tables import Account, ZeroRule
from tollbook.audit.books import audit
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.postgres.retry import in_transaction
from tollbook.usage.capture import capture
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reserve import Extend, Item, Reserve, extend, extend_many, reserve, reserve_many
from tollbook.usage.tables import UsageEvent, UsageTold
from tollbook.wallets import hold as holds
from tollbook.wallets.hold import HoldIsOver, InsufficientCredit, Placed, Release, release, release_many
from tollbook.wallets.tables import Hold, HoldMove, HoldState


def seconds(quantity: int, type_code: str = "outbound") -> list[Item]:
    return [Item(type_code, quantity=Decimal(quantity))]


def money(amount: str, type_code: str = "outbound") -> list[Item]:
    return [Item(type_code, amount=Decimal(amount))]


def told(placed: Placed) -> list[tuple[str, Decimal, Decimal]]:
    return [(item.type_code, item.quantity, item.amount) for item in placed.items]


def test_a_hold_sets_money_aside_and_a_capture_debits_what_was_used(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="10")
    placed = reserve(account, "call-1", seconds(300))
    assert (wallet(account).held, wallet(account).paid) == (5, 10)
    recorded = capture(account, placed.id, seconds(61), NOON, {"agent": "x"})
    assert (recorded.accepted, recorded.cost) == (1, Decimal(2))
    assert (wallet(account).held, wallet(account).paid) == (0, 8)
    assert audit() == []


def test_a_captured_hold_and_its_call_record_debit_once_ivozprovider_703_cgrates_256(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    placed = reserve(account, "call-1", seconds(60))
    capture(account, placed.id, seconds(30), NOON, {"source": "capture"})
    later = record(account.id, [Event("call-1", "outbound", Decimal(30), NOON, attributes={"source": "record"})])
    assert (later.accepted, later.duplicates) == (0, 1)


def test_a_call_record_that_comes_first_closes_the_hold_and_the_capture_is_a_duplicate(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    placed = reserve(account, "call-1", seconds(60))
    record(account.id, [Event("call-1", "outbound", Decimal(30), NOON)])
    assert wallet(account).held == 0
    assert Hold.objects.get(account_id=account.id).state == "captured"
    assert capture(account, placed.id, seconds(30), NOON, {}).duplicates == 1
    assert UsageTold.objects.get(account_id=account.id).hold_id == placed.id
    assert audit() == []


def test_the_record_of_a_call_that_costs_nothing_ends_its_hold_too(db) -> None:
    account = an_account()
    a_rate(cents="0")
    funded(account)
    reserve(account, "call-1", seconds(60))
    record(account.id, [Event("call-1", "outbound", Decimal(30), NOON)])
    assert Hold.objects.get().state == "captured"


def test_too_little_credit_is_refused_and_says_what_there_is(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="1")
    with pytest.raises(InsufficientCredit) as refused:
        reserve(account, "call-1", seconds(120))
    assert refused.value.details == {
        "available": {"outbound": "1.000000"},
        "lacking": ["outbound"],
        "zero_rule": "stop_new",
    }
    assert not Hold.objects.exists()


def test_held_money_is_not_available_blnk_181(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="3")
    reserve(account, "call-1", seconds(120))
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-2", seconds(120))


def test_a_hold_covers_at_least_the_initial_block_a2billing_91(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="0.50")
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-1", seconds(1))


def test_a_call_is_held_slice_by_slice_until_the_credit_ends_magnusbilling_343(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="2")
    placed = reserve(account, "call-1", seconds(60))
    extend(account, placed.id, seconds(60))
    with pytest.raises(InsufficientCredit):
        extend(account, placed.id, seconds(60))
    assert wallet(account).held == 2


def test_an_overdraft_lets_it_go_on_down_to_its_limit(db) -> None:
    account = an_account()
    Account.objects.filter(id=account.id).update(zero_rule=ZeroRule.OVERDRAFT, overdraft_limit=2)
    account.refresh_from_db()
    a_rate(cents="100", initial=60, step=60)
    reserve(account, "call-1", seconds(120))
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-2", seconds(1))


def test_a_released_hold_cannot_be_captured_blnk_182(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    placed = reserve(account, "call-1", seconds(60))
    release(account.id, placed.id)
    release(account.id, placed.id)
    with pytest.raises(HoldIsOver):
        capture(account, placed.id, seconds(60), NOON, {})
    assert wallet(account).paid == 100


def test_one_call_holds_several_wallets_or_none(db) -> None:
    account = an_account()
    for type_code in ("outbound", "conversational_ai"):
        a_rate(type_code, "100", 60, 60)
    funded(account, "outbound", "10")
    both = [Item("outbound", quantity=Decimal(60)), Item("conversational_ai", quantity=Decimal(60))]
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-1", both)
    assert wallet(account).held == 0
    funded(account, "conversational_ai", "10")
    placed = reserve(account, "call-1", both)
    assert capture(account, placed.id, both, NOON, {}).accepted == 2
    assert [wallet(account, code).paid for code in ("outbound", "conversational_ai")] == [9, 9]
    assert audit() == []


def test_a_hold_that_nobody_ends_expires(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    placed = reserve(account, "call-1", seconds(60))
    Hold.objects.filter(id=placed.id).update(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert holds.expire_due() == 1
    assert (wallet(account).held, holds.expire_due()) == (0, 0)
    assert [move.kind for move in HoldMove.objects.order_by("id")] == ["reserve", "expire"]
    assert audit() == []


@pytest.mark.parametrize(
    "items",
    [[], seconds(0), seconds(-1), [Item("outbound")], [Item("fax", quantity=Decimal(1))],
     [Item("outbound", quantity=Decimal(1), amount=Decimal(1))], seconds(1) + seconds(1)],
)  # fmt: skip
def test_nonsense_is_refused(db, items: list[Item]) -> None:
    account = an_account()
    a_rate()
    funded(account)
    with pytest.raises(Invalid):
        reserve(account, "call-1", items)


def test_another_accounts_hold_does_not_exist(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate()
    funded(theirs)
    placed = reserve(theirs, "call-1", seconds(60))
    for attempt in (
        lambda: release(ours.id, placed.id),
        lambda: extend(ours, placed.id, seconds(60)),
        lambda: capture(ours, placed.id, seconds(1), NOON, {}),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_an_event_debited_before_cannot_be_held_again(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    record(account.id, [Event("call-1", "outbound", Decimal(30), NOON)])
    with pytest.raises(Conflict):
        reserve(account, "call-1", seconds(60))


def test_less_than_asked_is_granted_in_whole_steps_to_who_accepts_it(db) -> None:
    account = an_account()
    a_rate(cents="60", initial=30, step=6)
    funded(account, amount="0.50")
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-1", seconds(60))
    placed = reserve(account, "call-1", seconds(60), accept_less=True)
    assert told(placed) == [("outbound", 48, Decimal("0.48"))]
    assert (placed.final_unit, placed.final_unit_action, placed.zero_rule) == (True, "terminate", "stop_new")
    with pytest.raises(InsufficientCredit) as refused:
        extend(account, placed.id, seconds(6), accept_less=True)
    assert refused.value.details["final_unit_action"] == "terminate"
    assert wallet(account).held == Decimal("0.48")


def test_less_than_the_initial_block_is_not_granted_a2billing_22_91(db) -> None:
    account = an_account()
    a_rate(cents="64", initial=30, step=1)
    funded(account, amount="0.31")
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-1", seconds(22), accept_less=True)
    funded(account, amount="0.01")
    placed = reserve(account, "call-1", seconds(22))
    assert told(placed) == [("outbound", 22, Decimal("0.32"))], "22 seconds at 0.64 with a block of 30 cost 0.32"
    assert capture(account, placed.id, seconds(22), NOON, {}).cost == Decimal("0.32")


def test_an_amount_below_the_first_step_holds_the_first_step_a2billing_91(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="5")
    assert told(reserve(account, "call-1", money("0.10"))) == [("outbound", 60, 1)]
    assert told(reserve(account, "call-2", money("2.50"))) == [("outbound", 120, Decimal("2.50"))]
    placed = reserve(account, "call-3", money("9"), accept_less=True)
    assert (told(placed), placed.final_unit) == ([("outbound", 60, 1)], True), "1.50 is left: one minute"


def test_a_call_pays_its_connect_fee_and_its_initial_block_once_not_in_every_slice(db) -> None:
    account = an_account()
    a_rate(cents="60", initial=30, step=6, connect_fee=Decimal("0.05"))
    funded(account)
    placed = reserve(account, "call-1", seconds(10))
    assert told(placed) == [("outbound", 10, Decimal("0.35"))]
    assert told(extend(account, placed.id, seconds(20))) == [("outbound", 30, Decimal("0.35"))]
    assert told(extend(account, placed.id, seconds(1))) == [("outbound", 31, Decimal("0.41"))]
    assert wallet(account).held == Decimal("0.41")
    assert capture(account, placed.id, seconds(31), NOON, {}).cost == Decimal("0.41")
    assert audit() == []


def test_what_is_paid_for_already_is_granted_at_zero_too(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="1")
    placed = reserve(account, "call-1", seconds(20))
    assert not placed.final_unit, "40 more seconds are paid for"
    assert extend(account, placed.id, seconds(40)).final_unit
    with pytest.raises(InsufficientCredit):
        extend(account, placed.id, seconds(1))


def test_nothing_new_begins_at_zero_not_even_what_costs_nothing(db) -> None:
    account = an_account()
    a_rate(cents="0", initial=1, step=1)
    with pytest.raises(InsufficientCredit):
        reserve(account, "call-1", seconds(60))
    funded(account, amount="0.000001")
    placed = reserve(account, "call-1", seconds(60))
    assert (told(placed), placed.final_unit) == ([("outbound", 60, 0)], False)
    assert told(extend(account, placed.id, seconds(60))) == [("outbound", 120, 0)]


def test_with_an_overdraft_the_final_unit_is_the_one_that_reaches_its_limit(db) -> None:
    account = an_account()
    Account.objects.filter(id=account.id).update(zero_rule=ZeroRule.OVERDRAFT, overdraft_limit=2)
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="1")
    placed = reserve(account, "call-1", seconds(60))
    assert (placed.final_unit, placed.zero_rule) == (False, "overdraft")
    placed = extend(account, placed.id, seconds(600), accept_less=True)
    assert (told(placed), placed.final_unit_action) == ([("outbound", 180, 3)], "terminate")
    assert capture(account, placed.id, seconds(180), NOON, {}).cost == 3
    assert wallet(account).paid == -2


def test_each_item_is_granted_what_its_own_wallet_has(db) -> None:
    account = an_account()
    for type_code in ("outbound", "conversational_ai"):
        a_rate(type_code, "100", 60, 60)
    funded(account, "outbound", "10")
    funded(account, "conversational_ai", "2.50")
    both = seconds(300) + seconds(300, "conversational_ai")
    placed = reserve(account, "call-1", both, accept_less=True)
    assert told(placed) == [("outbound", 300, 5), ("conversational_ai", 120, 2)]
    with pytest.raises(InsufficientCredit) as refused:
        extend(account, placed.id, seconds(60) + seconds(60, "conversational_ai"), accept_less=True)
    assert refused.value.details["lacking"] == ["conversational_ai"]
    assert wallet(account).held == 5, "a part of an extension is not held alone"
    assert told(extend(account, placed.id, seconds(60)))[0] == ("outbound", 360, 6)


def test_the_first_item_of_the_hold_is_the_call_whatever_order_the_capture_has(db) -> None:
    account = an_account()
    for type_code in ("outbound", "conversational_ai", "sms"):
        a_rate(type_code, "100", 60, 60)
        funded(account, type_code)
    placed = reserve(account, "call-1", seconds(60) + seconds(60, "conversational_ai"))
    used = seconds(90, "conversational_ai") + seconds(1, "sms") + seconds(30)
    assert capture(account, placed.id, used, NOON, {}).accepted == 3
    events = dict(UsageEvent.objects.values_list("event_id", "type_code"))
    assert events == {"call-1": "outbound", "call-1#conversational_ai": "conversational_ai", "call-1#sms": "sms"}
    records = [
        Event("call-1", "outbound", Decimal(30), NOON),
        Event("call-1#conversational_ai", "conversational_ai", Decimal(90), NOON),
    ]
    assert record(account.id, records).duplicates == 2, "ivozprovider #703: the records of a captured call debit nothing"
    assert audit() == []


def test_an_event_id_too_long_for_the_names_of_its_further_items_is_refused_before_the_call(db) -> None:
    account = an_account()
    for type_code in ("outbound", "sms"):
        a_rate(type_code)
        funded(account, type_code)
    with pytest.raises(Invalid):
        reserve(account, "x" * 197, seconds(1) + seconds(1, "sms"))
    assert reserve(account, "x" * 196, seconds(1) + seconds(1, "sms")).items
    assert reserve(account, "y" * 200, seconds(1)).items


def test_a_record_of_one_item_is_the_event_that_a_later_hold_would_become(db) -> None:
    account = an_account()
    for type_code in ("outbound", "sms"):
        a_rate(type_code)
        funded(account, type_code)
    record(account.id, [Event("call-1#sms", "sms", Decimal(1), NOON)])
    with pytest.raises(Conflict):
        reserve(account, "call-1", seconds(1) + seconds(1, "sms"))
    assert reserve(account, "call-1", seconds(1)).items


def test_a_late_capture_is_refused_and_the_call_record_still_debits_once(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="10")
    placed = reserve(account, "call-1", seconds(60))
    Hold.objects.filter(id=placed.id).update(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert holds.expire_due() == 1
    with pytest.raises(HoldIsOver):
        capture(account, placed.id, seconds(60), NOON, {})
    call_record = [Event("call-1", "outbound", Decimal(60), NOON)]
    assert (record(account.id, call_record).accepted, record(account.id, call_record).duplicates) == (1, 1)
    assert wallet(account).paid == 9
    with pytest.raises(HoldIsOver):
        capture(account, placed.id, seconds(60), NOON, {})


@pytest.mark.parametrize("table", ["hold_item", "hold_move"])
@pytest.mark.parametrize("column", ["hold_id", "wallet_id"])
def test_the_audit_finds_an_item_or_a_move_that_leads_nowhere(db, table: str, column: str) -> None:
    account = an_account()
    a_rate()
    funded(account)
    reserve(account, "call-1", seconds(60))
    assert audit() == []
    with db.connect("owner") as connection:
        connection.execute(f"UPDATE {table} SET {column} = gen_random_uuid()")
    assert "every_held_item_has_its_wallet" in {finding.rule for finding in audit()}


def test_a_refusal_in_a_group_touches_no_other_request(db) -> None:
    north, south = an_account("north"), an_account("south")
    a_rate(cents="100", initial=60, step=60)
    funded(north, amount="10")
    funded(south, amount="1")
    reserve(north, "open", seconds(60))
    record(north.id, [Event("debited", "outbound", Decimal(60), NOON)])
    asked = [
        Reserve(north.id, "open", seconds(480)),
        Reserve(north.id, "debited", seconds(480)),
        Reserve(north.id, "no rate", seconds(480, "sms")),
        Reserve(north.id, "", seconds(480)),
        Reserve(north.id, "too much", seconds(540)),
        Reserve(south.id, "too much there", seconds(120)),
        Reserve(north.id, "all", seconds(480)),
        Reserve(north.id, "all", seconds(480)),
        Reserve(north.id, "nothing left", seconds(60)),
        Reserve(south.id, "all", seconds(60)),
    ]
    answers = in_transaction(lambda: reserve_many(asked))
    assert [answer.code if isinstance(answer, Refused) else told(answer)[0][1:] for answer in answers] == [
        "conflict", "conflict", "invalid", "invalid", "insufficient_credit", "insufficient_credit", (480, 8), "conflict",
        "insufficient_credit", (60, 1),
    ]  # fmt: skip
    assert answers[7].details["hold_id"] == str(answers[6].id)
    assert (wallet(north).held, wallet(south).held) == (9, 1)
    assert [hold.id for hold in Hold.objects.filter(event_id="all").order_by("id")] == [answers[6].id, answers[9].id]
    assert audit() == []


def test_slices_of_one_call_in_one_group_follow_each_other(db) -> None:
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="3")
    placed = reserve(account, "call-1", seconds(60))
    asked = [Extend(account.id, hold, seconds(60)) for hold in (placed.id, uuid4(), placed.id, placed.id)]
    answers = in_transaction(lambda: extend_many(asked))
    assert [answer.code if isinstance(answer, Refused) else told(answer)[0][1:] for answer in answers] == [
        (120, 2), "not_found", (180, 3), "insufficient_credit",
    ]  # fmt: skip
    assert [(move.amount, move.held_after) for move in HoldMove.objects.order_by("id")] == [(1, 1), (1, 2), (1, 3)]
    twice = [Release(account.id, placed.id)] * 2
    assert in_transaction(lambda: release_many(twice)) == [None, None]
    assert audit() == []


def test_a_hold_that_was_extended_meanwhile_does_not_expire(db) -> None:
    account = an_account()
    a_rate()
    funded(account)
    placed = reserve(account, "call-1", seconds(60))
    closed = in_transaction(lambda: holds.close(account.id, placed.id, HoldState.EXPIRED))
    assert (closed, Hold.objects.get(id=placed.id).state) == (False, "open")
