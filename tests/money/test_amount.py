"""Exact decimals, the one rounding rule, and splitting without losing a cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.money.amount import MICRO, minor_unit, parse_amount, split, to_micro, to_minor, whole_multiples_above

CENT = Decimal("0.01")
cents = st.integers(-(10**12), 10**12).map(lambda n: n * CENT)
weights = st.lists(st.decimals(0, 10**6, places=6), min_size=1, max_size=40).filter(any)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("0.015", "0.02"),
        ("0.025", "0.03"),
        ("0.0049", "0.00"),
        ("2.675", "2.68"),
    ],
)
def test_half_a_cent_is_rounded_away_from_zero(value: str, rounded: str) -> None:
    assert to_minor(Decimal(value), "USD") == Decimal(rounded)


@pytest.mark.parametrize(
    ("currency", "unit"),
    [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("XOF", "1"), ("UGX", "1"), ("IQD", "0.001"), ("UYW", "0.0001"),
     ("MGA", "0.01")],
)  # fmt: skip
def test_each_currency_has_its_minor_unit(currency: str, unit: str) -> None:
    assert minor_unit(currency) == Decimal(unit)


@given(st.decimals(-(10**12), 10**12, places=9))
def test_rounding_is_symmetric_and_off_by_half_a_unit_at_most(value: Decimal) -> None:
    assert to_micro(-value) == -to_micro(value)
    assert abs(to_micro(value) - value) <= MICRO / 2
    if abs(to_micro(value) - value) == MICRO / 2:
        assert abs(to_micro(value)) > abs(value)


def test_a_float_is_never_money() -> None:
    with pytest.raises(TypeError, match="never a float"):
        to_minor(2.49, "USD")  # type: ignore[arg-type]


def test_thirds_of_ten_dollars_add_up_to_ten_dollars() -> None:
    assert split(Decimal("10.00"), [Decimal(1)] * 3, CENT) == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]


@given(cents, weights)
def test_the_parts_of_a_split_always_sum_to_the_whole(total: Decimal, weights: list[Decimal]) -> None:
    """Autumn #3407, lago #4642: rounded lines did not add up to the total by a cent."""
    parts = split(total, weights, CENT)
    assert sum(parts) == total
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert part % CENT == 0
        assert abs(part - total * weight / whole) < CENT
        assert part == 0 or (part < 0) == (total < 0)


@given(cents, weights)
def test_a_part_with_no_weight_gets_nothing(total: Decimal, weights: list[Decimal]) -> None:
    assert split(total, [*weights, Decimal(0)], CENT)[-1] == 0


@pytest.mark.parametrize("weights", [[], [Decimal(0)], [Decimal(2), Decimal(-1)]])
def test_weights_that_mean_nothing_are_refused(weights: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Decimal(1), weights, CENT)


@given(st.decimals(-1000, 1000, places=6), st.decimals("0.01", 1000, places=6))
def test_whole_steps_close_a_gap_and_one_less_would_not(gap: Decimal, step: Decimal) -> None:
    steps = whole_multiples_above(gap, step)
    assert steps * step > gap and steps >= 1
    assert steps == 1 or (steps - 1) * step <= gap


def test_2_49_less_67_percent_plus_20_percent_is_0_98() -> None:
    """FOSSBilling #2374: cart and invoice differed because each rounded at other places."""
    discounted = to_minor(Decimal("2.49") * (1 - Decimal("0.67")), "USD")
    tax = to_minor(discounted * Decimal("0.20"), "USD")
    assert (discounted, tax, discounted + tax) == (Decimal("0.82"), Decimal("0.16"), Decimal("0.98"))


@pytest.mark.parametrize(
    ("text", "value"), [("1234.5", "1234.50"), (" $1,234.50 ", "1234.50"), ("\u22125", "-5"), ("0.000001", "0.000001")]
)
def test_an_amount_is_read_as_people_write_it(text: str, value: str) -> None:
    assert parse_amount(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", "ten", "NaN", "Infinity", "1e3", "1e30", "0.0000001", "12,50", "1,85", "1_0", "1,0000", "--5", "."],
)
def test_what_cannot_be_booked_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_amount(text)


def test_an_amount_finer_than_the_currency_is_refused_and_never_rounded() -> None:
    with pytest.raises(ValueError, match="decimal places"):
        parse_amount("10.005", "USD")
    with pytest.raises(ValueError, match="decimal places"):
        parse_amount("10.5", "JPY")
