"""The rate card shows the rates that would be used, and no others."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import LONG_AGO, NOON, a_rate, an_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.postgres.scope import rows_of
from tollbook.rating import card, deck
from tollbook.rating.deck import deck_of
from tollbook.rating.set_rate import NewRate, set_rate


def own_rate(account: Account, cents: str, prefix: str = "") -> None:
    set_rate(NewRate("outbound", Decimal(cents), LONG_AGO, prefix, "agreed"), SYSTEM, account.id)


def shown(account: Account) -> dict[str, str]:
    return {terms.prefix: f"{terms.rate_cents:.2f}" for terms in card.lines(account.id, "outbound", NOON)}


def test_a_type_with_one_rate_has_one_line(db) -> None:
    account = an_account()
    a_rate(cents="1.20")
    summary = card.summaries(account.id, NOON)["outbound"]
    assert summary.flat is not None and summary.flat.rate_cents == Decimal("1.2")
    assert (summary.destinations, summary.varies) == (0, False)
    assert shown(account) == {"": "1.20"}


def test_a_type_without_a_rate_has_none(db) -> None:
    summary = card.summaries(an_account().id, NOON)["outbound"]
    assert (summary.flat, summary.lowest_cents, summary.varies) == (None, None, False)


def test_destinations_are_summed_up(db) -> None:
    account = an_account()
    for prefix, cents in (("", "1.20"), ("1", "0.80"), ("49", "2")):
        a_rate(cents=cents, prefix=prefix)
    summary = card.summaries(account.id, NOON)["outbound"]
    assert (summary.destinations, summary.lowest_cents, summary.highest_cents) == (2, Decimal("0.8"), 2)
    assert summary.varies and summary.flat is not None and summary.flat.prefix == ""


def test_what_an_own_rate_comes_before_is_not_shown(db) -> None:
    account = an_account()
    for prefix in ("", "1", "1212", "49"):
        a_rate(cents="1.20", prefix=prefix)
    own_rate(account, "0.50", "1")
    assert shown(account) == {"": "1.20", "1": "0.50", "49": "1.20"}
    own_rate(account, "0.70")
    assert shown(account) == {"": "0.70", "1": "0.50"}
    lines = card.described(account.id, card.lines(account.id, "outbound", NOON))
    assert {(line.description, line.is_own) for line in lines} == {("agreed", True)}


def test_rates_that_are_over_or_to_come_are_not_shown(db) -> None:
    account = an_account()
    a_rate(cents="1.20")
    a_rate(cents="9", valid_from=NOON)
    a_rate(cents="8", prefix="1", valid_from=NOON + timedelta(days=1))
    assert shown(account) == {"": "9.00"}


def test_a_number_finds_its_line_as_it_is_typed(db) -> None:
    account = an_account()
    for prefix in ("", "1", "1212", "49"):
        a_rate(prefix=prefix)
    rates = card.lines(account.id, "outbound", NOON)
    assert [terms.prefix for terms in rates.beginning("+12")] == ["", "1", "1212"]
    assert [terms.prefix for terms in rates.beginning("4")] == ["", "49"]


def test_a_number_is_rated_as_its_call_would_be(db) -> None:
    account = an_account()
    a_rate(cents="1.20", initial=6, step=6)
    a_rate(cents="5", prefix="49", initial=60, step=60, connect_fee=Decimal("0.01"), description="Germany")
    example = card.rate(account.id, "outbound", "+4930", Decimal(61), NOON)
    assert example is not None
    assert (example.description, example.priced.billed, example.priced.cost) == ("Germany", 120, Decimal("0.11"))


def test_where_there_is_no_rate_there_is_no_price(db) -> None:
    account = an_account()
    a_rate(prefix="1")
    assert card.rate(account.id, "outbound", "4930", Decimal(60), NOON) is None
    assert card.rate(account.id, "nonsense", "1", Decimal(60), NOON) is None


@pytest.mark.parametrize(
    ("number", "quantity"),
    [("call me", "60"), ("+1٣", "60"), ("1" * 21, "60"), ("1", "-1"), ("1", "NaN"), ("1", "1e12")],
)
def test_what_no_event_could_be_is_refused(db, number: str, quantity: str) -> None:
    with pytest.raises(Invalid):
        card.rate(an_account().id, "outbound", number, Decimal(quantity), NOON)


def test_the_portal_sees_default_and_own_rates_and_nobody_elses(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate(cents="1.20")
    own_rate(theirs, "0.10")
    deck._kept.clear()
    with rows_of(ours.id):
        assert shown(ours) == {"": "1.20"}


prefixes = st.lists(st.sampled_from(["", "1", "12", "121", "1212", "2", "21", "3"]), unique=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prefixes, prefixes, st.text("123", max_size=5))
def test_every_number_is_rated_by_a_line_of_the_card(db, defaults: list[str], own: list[str], number: str) -> None:
    account = Account.objects.filter(slug="northwind").first() or an_account()
    with db.connect("owner") as owner:
        owner.execute("DELETE FROM rate")
    for prefix in defaults:
        a_rate(prefix=prefix)
    for prefix in own:
        own_rate(account, "1", prefix)
    deck._kept.clear()
    lines, compiled = card.lines(account.id, "outbound", NOON), deck_of(account.id)
    used = compiled.find("outbound", number, NOON)
    assert used is None or used in lines
    assert [compiled.find("outbound", terms.prefix, NOON) for terms in lines] == [*lines]
