"""The whole-number prices of holds are the prices of events."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from tollbook.rating.price import Terms, price
from tollbook.wallets.grant import Tariff, cost_of, quantity_for

tariffs = st.builds(
    Tariff,
    rate_e6=st.integers(0, 10**9),
    connect_micro=st.integers(0, 10**6),
    initial_seconds=st.integers(1, 120),
    increment_seconds=st.integers(1, 90),
    timed=st.booleans(),
    minimum_micro=st.integers(0, 10**6) | st.just(0),
)


def priced(tariff: Tariff, quantity: int) -> int:
    terms = Terms(
        UUID(int=0),
        UUID(int=1),
        "",
        Decimal(tariff.rate_e6).scaleb(-6),
        Decimal(tariff.connect_micro).scaleb(-6),
        tariff.initial_seconds,
        tariff.increment_seconds,
        tariff.timed,
        datetime(2020, 1, 1, tzinfo=UTC),
        None,
        Decimal(tariff.minimum_micro).scaleb(-6),
    )
    return int(price(terms, Decimal(quantity).scaleb(-6)).cost.scaleb(6))


@given(tariffs, st.integers(0, 10**10))
def test_what_is_held_is_what_the_event_will_cost(tariff: Tariff, quantity: int) -> None:
    assert cost_of(tariff, quantity) == priced(tariff, quantity)


@given(tariffs, st.integers(0, 10**8))
def test_an_amount_pays_for_the_quantity_it_is_said_to(tariff: Tariff, amount: int) -> None:
    assert priced(tariff, quantity_for(tariff, amount)) <= amount
