"""What every price list must do, whatever its numbers; the numbers that others publish are in conformance/."""

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.errors import Invalid
from tollbook.rating.charges import Percentage, Tier, graduated, marginal, package, percentage, volume

amounts = st.decimals(0, 1_000, places=6)


@st.composite
def price_lists(draw: st.DrawFn, prices: st.SearchStrategy[Decimal] = amounts) -> list[Tier]:
    """Tiers that follow each other, some with fees, some sold in blocks."""
    ends = sorted(draw(st.sets(st.integers(1, 500), max_size=4)))
    blocks = st.none() | st.integers(1, 20).map(Decimal)
    return [Tier(end and Decimal(end), draw(prices), draw(amounts), draw(blocks)) for end in [*ends, None]]


@given(price_lists(), st.lists(amounts, max_size=8))
def test_debits_event_by_event_add_up_to_the_price_of_the_whole(tiers: list[Tier], used: list[Decimal]) -> None:
    model, before, debited = partial(graduated, tiers=tiers), Decimal(0), Decimal(0)
    for units in used:
        debited += marginal(model, before, units)
        before += units
    assert debited == graduated(before, tiers)


@given(price_lists(), st.integers(0, 700), st.integers(0, 50))
def test_using_more_never_costs_less_with_graduated_tiers(tiers: list[Tier], units: int, more: int) -> None:
    assert graduated(Decimal(units), tiers) <= graduated(Decimal(units + more), tiers)


@given(price_lists(), st.integers(0, 700))
def test_graduated_tiers_without_blocks_are_the_sum_of_units(tiers: list[Tier], units: int) -> None:
    plain = [Tier(tier.up_to, tier.price) for tier in tiers]
    each = [
        next(tier.price for tier in plain if tier.up_to is None or unit <= tier.up_to) for unit in range(1, units + 1)
    ]
    assert graduated(Decimal(units), plain) == sum(each)


@given(amounts, amounts, amounts)
def test_with_a_single_tier_both_ways_cost_the_same(units: Decimal, price: Decimal, fee: Decimal) -> None:
    tiers = [Tier(None, price, fee)]
    assert graduated(units, tiers) == volume(units, tiers)


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(0, 10**6))
def test_a_package_that_is_begun_is_paid(units: int, size: int, free: int) -> None:
    packages = package(Decimal(units), Decimal(size), Decimal(1), Decimal(free))
    assert (packages - 1) * size < max(units - free, 0) <= packages * size or packages == 0 and units <= free


def test_what_is_free_ends_with_the_events_or_with_the_amount() -> None:
    each = [Decimal(100)] * 4
    cost = {
        (events, most): percentage(each, Percentage(Decimal(1), Decimal("0.1"), events, most and Decimal(most)))
        for events, most in [(None, None), (2, None), (None, 250), (3, 250), (1, 250), (9, 900)]
    }
    assert cost == {
        (None, None): Decimal("4.4"), (2, None): Decimal("2.2"), (None, 250): Decimal("1.7"),
        (3, 250): Decimal("1.7"), (1, 250): Decimal("3.3"), (9, 900): 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "tiers",
    [
        [],
        [Tier(Decimal(5), Decimal(1))],
        [Tier(None, Decimal(1)), Tier(None, Decimal(1))],
        [Tier(None, Decimal(1)), Tier(Decimal(5), Decimal(1))],
        [Tier(Decimal(5), Decimal(1)), Tier(Decimal(5), Decimal(2)), Tier(None, Decimal(1))],
        [Tier(Decimal(0), Decimal(1)), Tier(None, Decimal(1))],
        [Tier(None, Decimal(1), block=Decimal(0))],
    ],
)
def test_a_price_list_with_gaps_is_refused(tiers: list[Tier]) -> None:
    for model in (graduated, volume):
        with pytest.raises(Invalid):
            model(Decimal(1), tiers)


def test_a_package_of_nothing_is_refused() -> None:
    with pytest.raises(Invalid):
        package(Decimal(1), Decimal(0), Decimal(1))
