"""Whatever happens in whatever order: charged is credited, never two open, never over a cap."""

from decimal import Decimal
from typing import Any

from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.databases import Database
from tests.refills.shop import OWNER, SUPPORT, Shop, other
from tests.refills.test_crashes import killed_at
from tollbook.errors import Refused
from tollbook.payments.simulated import CARDS
from tollbook.refills import run, stops, switch
from tollbook.refills.rule import Rule
from tollbook.refills.tables import OPEN_STATES

MONEY = st.integers(1, 30_000).map(lambda cents: Decimal(cents) / 100)
STEPS = st.one_of(
    st.tuples(st.just("use"), MONEY),
    st.tuples(st.just("use"), MONEY),
    st.tuples(st.just("run"), st.integers(1, 2)),
    st.tuples(st.just("run"), st.integers(1, 2)),
    st.tuples(st.just("later"), st.sampled_from([3, 40, 1_000, 4_000, 90_000])),
    st.tuples(st.just("card"), st.sampled_from(sorted(CARDS))),
    st.tuples(st.just("ask"), MONEY),
    st.tuples(st.just("die"), st.integers(1, 90)),
    st.tuples(st.just("switch"), st.booleans()),
    st.tuples(st.just("release"), st.none()),
)
RULES = st.builds(
    lambda amount, minimum, charges, extra: Rule(
        automatic=True,
        refill_amount=Decimal(amount),
        minimum_before_refill=Decimal(minimum),
        max_charges_per_day=charges,
        monthly_cap=Decimal(amount * (minimum // amount + 1) + extra),
    ),
    st.integers(1, 200),
    st.integers(0, 300),
    st.integers(1, 8),
    st.integers(0, 2000),
)
LIMITS = """
SELECT count(*) FILTER (WHERE state IN ('decided', 'charging', 'unknown', 'action_required')),
       count(*) FILTER (WHERE charging_at >= date_trunc('day', now()) AND state = 'succeeded'),
       coalesce(sum(amount) FILTER (WHERE charging_at >= date_trunc('month', now()) AND state = 'succeeded'), 0)
FROM refill WHERE account_id = %s
"""


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rule=RULES, token=st.sampled_from(sorted(CARDS)), steps=st.lists(STEPS, min_size=3, max_size=14))
@example(
    rule=other(refill_amount="10", minimum_before_refill="40", monthly_cap="120", max_charges_per_day=8),
    token="sim_4242",
    steps=[("use", Decimal(70)), ("run", 1), ("use", Decimal(50)), ("run", 2), ("use", Decimal(50)), ("run", 2)],
)
def test_charged_is_credited_and_no_cap_is_passed(db: Database, rule: Rule, token: str, steps: list[Any]) -> None:
    db.empty()
    shop = Shop(db).ready("100.00", token, rule)
    for verb, value in steps:
        do(shop, verb, value)
        assert_within(shop, rule)
    switch.turn(True, "At last", SUPPORT)
    shop.finish()
    assert_within(shop, rule)
    assert not {"decided", "charging", "unknown"} & set(shop.states())
    shop.assert_sound()


def do(shop: Shop, verb: str, value: Any) -> None:
    try:
        match verb:
            case "use" | "card":
                getattr(shop, verb)(value)
            case "run":
                shop.run(value)
            case "later":
                shop.later(seconds=value)
            case "ask":
                run.ask(shop.account, "outbound", value, OWNER)
            case "die":
                killed_at(value, before=bool(value % 2))
            case "switch":
                switch.turn(value, "A reason", SUPPORT)
            case "release":
                stops.release(shop.account, "outbound", OWNER)
    except Refused:
        pass


def assert_within(shop: Shop, rule: Rule) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LIMITS, [shop.id])
        open_, today, this_month = cursor.fetchone()
    assert open_ <= 1
    assert open_ == len([refill for refill in shop.refills() if refill.state in OPEN_STATES])
    assert today <= rule.max_charges_per_day
    assert this_month <= rule.monthly_cap
