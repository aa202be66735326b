"""Rating against published vectors and the plain model."""

import os
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import books
from tollbook.rating.compiled import RATE
from tollbook.rating.deck import Found
from tollbook.rating.price import Terms, price, price_many
from tollbook.rating.segments import segments


def terms(cents: str, initial: int = 1, step: int = 1, fee: str = "0", timed: bool = True, least: str = "0") -> Terms:
    return Terms(
        account_id=UUID(int=0),
        id=UUID(int=1),
        prefix="",
        rate_cents=Decimal(cents),
        connect_fee=Decimal(fee),
        initial_seconds=initial,
        increment_seconds=step,
        timed=timed,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=None,
        minimum_charge=Decimal(least),
    )


@pytest.mark.parametrize(
    ("steps", "seconds", "billed"),
    [((6, 6), 5, 6), ((6, 6), 8, 12), ((6, 6), 10, 12), ((30, 6), 10, 30), ((30, 6), 31, 36), ((60, 60), 61, 120),
     ((15, 15), 1, 15), ((1, 1), 7, 7), ((60, 60), 60, 60), ((30, 6), 30, 30)],
)  # fmt: skip
def test_seconds_are_billed_in_steps(steps: tuple[int, int], seconds: int, billed: int) -> None:
    assert price(terms("1", *steps), Decimal(seconds)).billed == billed


@pytest.mark.parametrize(("seconds", "cost"), [(32, "0.0036"), (57, "0.0060"), (75, "0.0078")])
def test_money_is_exact_where_floats_were_not_cgrates_118_and_624(seconds: int, cost: str) -> None:
    assert price(terms("0.6", 30, 6), Decimal(seconds)).cost == Decimal(cost)


def test_the_initial_block_counts_a2billing_22() -> None:
    assert price(terms("64", 30, 30), Decimal(22)).cost == Decimal("0.32")


def test_nothing_costs_nothing_not_even_the_connect_fee() -> None:
    assert price(terms("1.2", fee="0.05"), Decimal(0)).cost == 0


def test_what_is_billed_costs_the_minimum_at_least_and_nothing_still_nothing() -> None:
    rate = terms("1.2", fee="0.01", least="0.05")
    assert [price(rate, Decimal(seconds)).cost for seconds in (0, 1, 199, 200, 201)] == [
        0, Decimal("0.05"), Decimal("0.05"), Decimal("0.05"), Decimal("0.0502"),
    ]  # fmt: skip


def test_a_message_costs_its_rate_each() -> None:
    assert price(terms("0.79", timed=False), Decimal(3)).cost == Decimal("0.0237")


def test_half_a_millionth_is_rounded_away_from_zero() -> None:
    assert price(terms("0.00005", timed=False), Decimal(1)).cost == Decimal("0.000001")


@pytest.mark.parametrize(("cents", "seconds", "cost"), [("0.1515", 2, "0.000051"), ("1.2345", 10, "0.002058")])
def test_a_tie_is_rounded_once_and_not_cut_before(cents: str, seconds: int, cost: str) -> None:
    assert price(terms(cents), Decimal(seconds)).cost == Decimal(cost)


@given(
    cents=st.decimals(0, 9999, places=6),
    fee=st.decimals(0, 5, places=6),
    least=st.decimals(0, 5, places=6) | st.just(Decimal(0)),
    initial=st.integers(1, 120),
    step=st.integers(1, 90),
    timed=st.booleans(),
    quantity=st.decimals(0, 5000, places=3),
)
def test_price_equals_the_plain_model(
    cents: Decimal, fee: Decimal, least: Decimal, initial: int, step: int, timed: bool, quantity: Decimal
) -> None:
    rule = books.Rule(Fraction(cents), Fraction(fee), initial, step, timed, Fraction(least))
    priced = price(terms(str(cents), initial, step, str(fee), timed, str(least)), quantity)
    assert Fraction(priced.billed) == books.billed(rule, Fraction(quantity))
    assert Fraction(priced.cost) == books.cost(rule, Fraction(quantity))


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("ж" * 70, 1), ("ж" * 71, 2), ("ж" * 134, 2),
     ("ж" * 135, 3), ("", 1), ("€" * 80, 1), ("€" * 81, 2), ("😀" * 35, 1), ("😀" * 36, 2),
     ("a" * 152 + "€" + "a" * 150, 2)],
)  # fmt: skip
def test_a_text_has_so_many_segments(text: str, parts: int) -> None:
    assert segments(text) == parts


micro = st.one_of(st.integers(0, 10**14), st.integers(0, 5_000).map(lambda whole: whole * 10**6), st.integers(-5, 100))
prices = st.one_of(st.integers(0, 10**12), st.integers(0, 10**7))


rows_of_terms = st.tuples(
    prices, prices, prices | st.just(0), st.integers(1, 10**5), st.integers(1, 10**5), st.booleans(), micro
)


@settings(max_examples=int(os.environ.get("TOLLBOOK_RATING_EXAMPLES", "100")))
@given(st.lists(rows_of_terms, max_size=8))
def test_many_are_priced_as_each_would_be(rows: list[tuple[int, int, int, int, int, bool, int]]) -> None:
    columns = np.zeros(len(rows), RATE)
    for row, values in enumerate(rows):
        for name, value in zip(
            ("rate_e6", "connect_micro", "minimum_micro", "initial", "increment"), values, strict=False
        ):
            columns[row][name] = value
    nothing = np.zeros(len(rows), bool)
    found = Found(np.zeros(len(rows), np.int64), nothing, nothing, np.array([row[5] for row in rows], bool), columns)
    billed, costs = price_many(found, np.array([row[6] for row in rows], np.int64))
    for row, (*values, initial, step, timed, quantity) in enumerate(rows):
        cents, fee, least = (str(Decimal(value).scaleb(-6)) for value in values)
        expected = price(terms(cents, initial, step, fee, timed, least), Decimal(quantity).scaleb(-6))
        assert (int(billed[row]), int(costs[row])) == (expected.billed.scaleb(6), expected.cost.scaleb(6))
