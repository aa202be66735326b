"""The books: what is posted sums to zero, once per cause, in a chain that shows any change."""

from decimal import Decimal

import psycopg
import pytest
from django.db import transaction

from tests.cast import NOON, a_rate, an_account, funded
from tollbook.audit.books import audit
from tollbook.ledger.balance import sums
from tollbook.ledger.post import AlreadyPosted, Movement, Side, Unbalanced, post
from tollbook.ledger.tables import Transfer
from tollbook.postgres.ids import new_id
from tollbook.usage.event import Event
from tollbook.usage.fold import fold_waiting
from tollbook.usage.record import record


def movement(*amounts: str, reference: str = "r1") -> Movement:
    sides = [Side(f"account-{number}", Decimal(amount)) for number, amount in enumerate(amounts)]
    return Movement(new_id(), "test", reference, sides)


@pytest.mark.parametrize("amounts", [("1",), ("1", "-0.99"), ("0", "0"), (), ("1", "-1", "0")])
def test_entries_that_do_not_sum_to_zero_are_refused(db, amounts: tuple[str, ...]) -> None:
    account = an_account()
    with pytest.raises(Unbalanced), transaction.atomic():
        post(account.id, "USD", [movement(*amounts)])
    assert not Transfer.objects.exists()


def test_a_cause_is_posted_once(db) -> None:
    account = an_account()
    with transaction.atomic():
        post(account.id, "USD", [movement("5", "-5")])
    with pytest.raises(AlreadyPosted), transaction.atomic():
        post(account.id, "USD", [movement("5", "-5")])
    assert sums(account.id) == {"account-0": 5, "account-1": -5}


@pytest.mark.parametrize("statement", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize(
    "table", ["transfer", "entry", "usage_event", "hold_move", "audit_entry", "invoice", "invoice_line"]
)
def test_the_application_cannot_change_what_is_in_the_books(db, statement: str, table: str) -> None:
    with db.connect("app") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(table))


def _some_books() -> None:
    account = an_account()
    a_rate()
    funded(account)
    for number in range(4):
        record(account.id, [Event(f"e{number}", "outbound", Decimal(60 + number), NOON)])
    fold_waiting()


PLANTED = {
    "every_cost_can_be_recomputed": "UPDATE usage_event SET billed_quantity = billed_quantity + 6 WHERE event_id = 'e2'",
    "wallet_moves_equal_their_entries": "UPDATE transfer SET balance_after = balance_after - 1 WHERE wallet_seq = 4",
    "every_transfer_sums_to_zero": "UPDATE entry SET amount = amount + 1 WHERE code = 'revenue:usage' AND position = 2"
    " AND transfer_id = (SELECT id FROM transfer WHERE wallet_seq = 3)",
    "wallets_equal_their_entries": "UPDATE wallet SET paid = paid + 0.000001 WHERE type_code = 'outbound'",
    "held_equals_open_holds": "UPDATE wallet SET held = held + 1 WHERE type_code = 'sms'",
    "usage_transfers_equal_their_events": "UPDATE usage_event SET cost = cost + 0.5 WHERE event_id = 'e2'",
    "every_costly_event_is_debited": "UPDATE usage_event SET transfer_id = gen_random_uuid() WHERE event_id = 'e2'",
    "every_event_follows_its_rate": "UPDATE usage_event SET rate_id = gen_random_uuid() WHERE event_id = 'e2'",
    "every_entry_belongs_to_a_transfer": "UPDATE entry SET code = 'revenue:nobody' WHERE code = 'revenue:usage'",
    "every_moved_wallet_is_there": "UPDATE transfer SET wallet_id = gen_random_uuid() WHERE wallet_seq = 4",
    "every_shared_value_is_kept": "UPDATE usage_event SET campaign_id = 7 WHERE event_id = 'e2'",
    "sums_equal_events": "UPDATE usage_sum SET events = events - 1",
    "sums_by_attribute_equal_events": "UPDATE usage_by_attribute SET cost = cost + 1 WHERE attribute = 'agent'",
    "chain_is_intact": "UPDATE transfer SET reference = 'another' WHERE wallet_seq = 3",
    "chain_has_no_gap": "UPDATE transfer SET wallet_seq = 9 WHERE wallet_seq = 4",
    "balances_run_on": "UPDATE transfer SET balance_before = balance_before + 1 WHERE wallet_seq = 4",
    "details_are_sealed": "UPDATE usage_event SET occurred_at = occurred_at + interval '1 second' WHERE event_id = 'e2'",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_the_audit_finds_a_planted_change_and_names_the_row(db, rule: str) -> None:
    _some_books()
    assert audit() == []
    with db.connect("owner") as connection:
        connection.execute(PLANTED[rule])
    found = {finding.rule: finding for finding in audit()}
    assert rule in found
    assert found[rule].account == "northwind"
    assert found[rule].row.split()[0] in ("transfer", "wallet", "event", "usage", "entry")
