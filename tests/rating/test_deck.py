"""Which rate applies: own before default, longest prefix, valid at the event's time, never free by accident."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import LONG_AGO, NOON, a_rate, an_account
from tollbook.accounts.audit import SYSTEM
from tollbook.errors import Conflict, Invalid
from tollbook.rating.deck import deck_of
from tollbook.rating.set_rate import NewRate, set_rate


def cents_for(account, to: str, at: datetime = NOON, type_code: str = "outbound") -> Decimal | None:
    terms = deck_of(account.id).find(type_code, to, at)
    return terms and terms.rate_cents


def test_the_longest_prefix_wins(db) -> None:
    account = an_account()
    for prefix, cents in [("", "9"), ("1", "2"), ("1212", "1"), ("44", "3")]:
        a_rate(cents=cents, prefix=prefix)
    assert [cents_for(account, to) for to in ("+12125550100", "13125550100", "4420", "99")] == [1, 2, 3, 9]


def test_an_accounts_own_rate_comes_before_a_longer_default_prefix(db) -> None:
    account = an_account()
    a_rate(cents="5", prefix="1212")
    set_rate(NewRate("outbound", Decimal("0.5"), LONG_AGO), SYSTEM, account.id)
    assert cents_for(account, "12125550100") == Decimal("0.5")


def test_another_accounts_rate_is_not_ours(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate(cents="5")
    set_rate(NewRate("outbound", Decimal("0.5"), LONG_AGO), SYSTEM, theirs.id)
    assert cents_for(ours, "1") == 5


def test_the_rate_valid_when_it_occurred_applies(db) -> None:
    account = an_account()
    a_rate(cents="1")
    november = datetime(2026, 11, 1, tzinfo=UTC)
    set_rate(NewRate("outbound", Decimal(2), november), SYSTEM)
    assert cents_for(account, "1", datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)) == 1
    assert cents_for(account, "1", november) == 2


def test_without_a_rate_there_is_none(db) -> None:
    account = an_account()
    a_rate(prefix="44")
    assert cents_for(account, "1212") is None
    assert cents_for(account, "44", datetime(2019, 1, 1, tzinfo=UTC)) is None


def test_a_deck_in_memory_notices_a_change(db) -> None:
    account = an_account()
    a_rate(cents="1")
    assert cents_for(account, "1") == 1
    set_rate(NewRate("outbound", Decimal(7), datetime(2026, 1, 1, tzinfo=UTC)), SYSTEM)
    assert cents_for(account, "1") == 7


def test_rates_are_not_rewritten_backwards(db) -> None:
    a_rate(cents="1")
    with pytest.raises(Conflict):
        set_rate(NewRate("outbound", Decimal(2), datetime(2019, 1, 1, tzinfo=UTC)), SYSTEM)


@pytest.mark.parametrize(
    "wrong",
    [{"type_code": "fax"}, {"prefix": "+1"}, {"prefix": "१२"}, {"rate_cents": Decimal(-1)}, {"increment_seconds": 0}],
)
def test_an_impossible_rate_is_refused(db, wrong: dict) -> None:
    with pytest.raises(Invalid):
        set_rate(NewRate(**({"type_code": "outbound", "rate_cents": Decimal(1), "valid_from": NOON} | wrong)), SYSTEM)
