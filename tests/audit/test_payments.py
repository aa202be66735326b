"""The audit finds what only a hand in the tables could have done to payments, credit, refunds and disputes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.payments.till import Till
from tests.refills.shop import SUPPORT, gateway_is
from tollbook.audit.books import audit
from tollbook.payments import dispute, refund
from tollbook.payments.gateway import Dispute
from tollbook.payments.refund import Back
from tollbook.payments.transfer import record_transfer


@pytest.fixture
def till(db) -> Iterator[Till]:
    """A payment with a refund given and one under way, a payment that is disputed, and credit of a transfer."""
    with gateway_is():
        till = Till(db)
        card = till.card()
        paid = till.payment(till.invoice(), card)
        given = refund.ask(till.account, Back(paid.id, Decimal(10), "invoice", "Sorry."), SUPPORT)
        refund.step(till.id, given.id)
        refund.ask(till.account, Back(paid.id, Decimal(5), "goodwill", "Sorry."), SUPPORT)
        told = till.payment(till.invoice("50.00"), card).charge_reference
        now = datetime.now(UTC)
        dispute.take("simulated", Dispute("dp_1", told, Decimal(50), "USD", Decimal(15), "open", now))
        record_transfer(till.account, till.invoice().number, Decimal(130), "SEPA 1", SUPPORT)
        yield till


def test_payments_of_every_kind_are_proven(till: Till) -> None:
    assert audit(None) == []


@pytest.mark.parametrize(
    ("forgery", "rule"),
    [
        ("UPDATE open_credit SET balance = balance + 1", "credit_equals_open_credits"),
        ("UPDATE open_credit SET balance = balance + 1", "every_payment_is_accounted_for"),
        ("UPDATE settlement SET amount = amount + 1", "every_payment_is_accounted_for"),
        ("DELETE FROM refund WHERE state = 'decided'", "clearing_returns_to_zero"),
        ("UPDATE refund SET state = 'succeeded' WHERE state = 'decided'", "cash_equals_payments"),
        ("UPDATE refund SET amount = amount + 100", "no_more_goes_back_than_was_captured"),
        ("UPDATE dispute SET fee = 0", "cash_equals_payments"),
        ("UPDATE dispute SET state = 'won'", "frozen_equals_open_disputes"),
        ("UPDATE dispute SET taken = 50", "every_payment_is_accounted_for"),
        ("UPDATE payment_intent SET amount = amount + 1", "payments_match_their_intents"),
        ("UPDATE payment_intent SET state = 'declined'", "payments_match_their_intents"),
        ("DELETE FROM entry WHERE code = 'disputed:simulated'", "frozen_equals_open_disputes"),
    ],
)
def test_a_forged_row_is_named_by_its_rule(till: Till, forgery: str, rule: str) -> None:
    with till.db.connect("owner") as connection:
        connection.execute(forgery)
    assert rule in [finding.rule for finding in audit([till.account])]
