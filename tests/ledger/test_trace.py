"""What a document shows of the books."""

from decimal import Decimal

import pytest
from django.db import transaction

from tests.cast import an_account
from tollbook.accounts.tables import Account
from tollbook.ledger.post import Movement, Side, post
from tollbook.ledger.trace import caused_by
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import rows_of

SEATS, SETUP, OWED = "revenue:recurring", "revenue:setup", "receivable"


@pytest.fixture
def account(db) -> Account:
    return an_account()


def posted(account: Account, kind: str, reference: str, *sides: tuple[str, str]) -> None:
    entries = [Side(code, Decimal(amount)) for code, amount in sides]
    with transaction.atomic():
        post(account.id, "USD", [Movement(new_id(), kind, reference, entries, f"{kind} {reference}", "somebody")])


def test_transfers_are_found_by_their_causes_in_the_order_they_were_posted(account: Account) -> None:
    posted(account, "invoice", "1", (OWED, "30"), (SEATS, "-20"), (SETUP, "-10"))
    posted(account, "settlement", "1", ("clearing:x", "30"), (OWED, "-30"))
    posted(account, "settlement", "2", ("clearing:x", "5"), (OWED, "-5"))
    found = caused_by(account.id, [("settlement", "1"), ("invoice", "1"), ("payment", "9")])
    assert [(one.kind, one.reference, one.currency, one.actor) for one in found] == [
        ("invoice", "1", "USD", "somebody"),
        ("settlement", "1", "USD", "somebody"),
    ]


def test_debits_stand_before_credits_and_the_sides_sum_to_zero(account: Account) -> None:
    posted(account, "invoice", "1", (SEATS, "-20"), (SETUP, "-10"), (OWED, "30"))
    [found] = caused_by(account.id, [("invoice", "1")])
    assert found.sides[0] == Side(OWED, Decimal(30))
    assert sum(side.amount for side in found.sides) == 0


def test_without_a_cause_there_is_nothing_to_find(account: Account) -> None:
    assert caused_by(account.id, []) == []


def test_another_accounts_transfers_are_not_found(account: Account) -> None:
    other = an_account("contoso")
    posted(other, "invoice", "1", (OWED, "30"), (SEATS, "-30"))
    assert caused_by(account.id, [("invoice", "1")]) == []
    with rows_of(account.id):
        assert caused_by(other.id, [("invoice", "1")]) == []
