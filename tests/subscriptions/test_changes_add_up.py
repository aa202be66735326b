"""Whatever is changed in whatever order, what is billed in all is what the days cost: an oracle counts days."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from tollbook.accounts.tables import Account
from tollbook.money.period import billing_day, period_of
from tollbook.subscriptions.charge import Charge
from tollbook.subscriptions.due import billable, of_book, total
from tollbook.subscriptions.plan import Change, Plan, in_effect, terms_on
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.record import Book, Minimum

A_DAY = timedelta(days=1)
BEGIN = date(2026, 1, 1)
HORIZON = BEGIN + timedelta(days=420)
amounts = st.decimals(0, 500, places=3)


@st.composite
def changes(draw: st.DrawFn, starts_on: date) -> list[Change]:
    """Up to eight, recorded one after the other, each for the day it is recorded on or one to come."""
    found: list[Change] = []
    known_on = starts_on
    for _ in range(draw(st.integers(0, 8))):
        known_on += timedelta(days=draw(st.integers(0, 40)))
        ends = [each.until_on for each in in_effect(found) if each.kind == "end"]
        if ends and ends[-1] and ends[-1] < known_on:
            break  # it is over: nothing more can be recorded about it
        from_on = known_on + timedelta(days=draw(st.integers(0, 45)))
        kind = draw(st.sampled_from(["quantity", "price", "discount", "pause", "resume", "end", "withdraw"]))
        until_on = draw(st.none() | st.integers(0, 60).map(lambda n, day=from_on: day + timedelta(days=n)))
        withdraws = None
        if kind == "withdraw":
            coming = [each for each in in_effect(found) if each.from_on > known_on]
            if not coming:
                continue
            withdraws = draw(st.sampled_from(coming)).id
        found.append(
            Change(
                uuid4(), kind, known_on, from_on,
                until_on=from_on - A_DAY if kind == "end" else until_on if kind in ("discount", "pause") else None,
                quantity=Decimal(draw(st.integers(1, 20))) if kind == "quantity" else None,
                price=Price("per_unit", draw(amounts)) if kind == "price" else None,
                percent=Decimal(draw(st.integers(0, 100))) if kind == "discount" else None,
                prorated=kind == "withdraw" or draw(st.integers(0, 3)) > 0, at_once=draw(st.booleans()), withdraws=withdraws,
            )  # fmt: skip
        )
    return found


@st.composite
def plans(draw: st.DrawFn) -> tuple[Account, Plan]:
    starts_on = BEGIN + timedelta(days=draw(st.integers(0, 60)))
    anchor_on = BEGIN + timedelta(days=draw(st.integers(0, 30)))
    account = Account(id=UUID(int=1), anchor_on=anchor_on, currency=draw(st.sampled_from(["USD", "JPY", "KWD"])))
    plan = Plan(
        UUID(int=1), UUID(int=2), "Seats", "recurring", Decimal(draw(st.integers(1, 9))), Price("per_unit", draw(amounts)),
        starts_on, None, starts_on - A_DAY, draw(st.sampled_from([anchor_on, starts_on])), draw(st.sampled_from([1, 3, 12])),
        free_until=draw(st.none() | st.integers(0, 40).map(lambda n: starts_on + timedelta(days=n))), prorated=True,
        at_once=draw(st.booleans()), changes=draw(changes(starts_on)),
    )  # fmt: skip
    return account, plan


def by_day(plan: Plan, anchor_on: date, until: date) -> tuple[Decimal, int]:
    """What the days up to `until` cost, day by day, and how often terms begin to differ: each may cost half a unit.

    A change that is not prorated counts in periods that fell due after it was recorded.
    """
    cost, runs, before = Decimal(0), 0, None
    day = min(plan.starts_on, period_of(plan.anchor_on, plan.starts_on, plan.months).start_on)
    while day <= until:
        period = period_of(plan.anchor_on, day, plan.months)
        due_on = _due_on(plan, anchor_on, period.start_on)
        terms = terms_on(plan, in_effect([each for each in plan.changes if each.prorated or each.known_on < due_on]), day)
        if terms:
            cost += (terms.whole() - terms.off()) / period.days
        if terms != before or day == period.start_on:
            runs += 1
        before, day = terms, day + A_DAY
    return cost, runs


@given(plans())
@settings(max_examples=150)
def test_what_is_billed_in_all_is_what_the_days_cost(made: tuple[Account, Plan]) -> None:
    account, plan = made
    lines = [line for group in of_book(account, Book([plan], []), HORIZON) for line in group.charges]
    assert len({line.cause for line in lines}) == len(lines) and max([len(line.cause) for line in lines], default=0) <= 120
    last = max((line.period.end_on for line in lines), default=BEGIN)
    unit = {"USD": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}[account.currency]
    settled = [line for line in lines if _is_settled(account, plan, line.period.end_on)]
    until = max((line.period.end_on for line in settled), default=BEGIN)
    cost, runs = by_day(plan, account.anchor_on, until)
    assert abs(total(settled) - cost) <= unit * 2 * runs, (last, total(settled), cost)


@given(plans(), st.integers(0, 350))
@settings(max_examples=150)
def test_what_was_billed_is_never_billed_otherwise_by_what_is_recorded_later(made: tuple[Account, Plan], days: int) -> None:
    """Runs day after day, each knowing only what was recorded by then, bill what one run knows that knows it all."""
    account, plan = made
    everything = {line.cause: line for group in of_book(account, Book([plan], []), HORIZON) for line in group.charges}
    today = plan.starts_on + timedelta(days=days)
    for since in (today, today + A_DAY):  # a run early in the day, and one late in it
        earlier = _with_changes(plan, [change for change in plan.changes if change.known_on < since])
        for group in of_book(account, Book([earlier], []), today):
            for line in group.charges:
                assert everything[line.cause] == line


@given(plans())
@settings(max_examples=100)
def test_a_run_that_asks_since_the_last_one_misses_nothing(made: tuple[Account, Plan]) -> None:
    account, plan = made
    wanted = {line.cause for group in of_book(account, Book([plan], []), HORIZON) for line in group.charges}
    found: set[str] = set()
    since, today = None, plan.starts_on
    while today <= HORIZON:
        seen = _with_changes(plan, [change for change in plan.changes if change.known_on <= today])
        found |= {line.cause for group in of_book(account, Book([seen], []), today, since) for line in group.charges}
        since, today = today, min(today + timedelta(days=17), HORIZON) if today < HORIZON else HORIZON + A_DAY
    assert found == wanted


@given(plans(), st.integers(1, 900), st.lists(st.integers(0, 40), max_size=30), st.booleans())
@settings(max_examples=150)
def test_a_commitment_comes_to_the_same_whenever_runs_ask(
    made: tuple[Account, Plan], least: int, pauses: list[int], late: bool
) -> None:
    """Also for a run early on the first day of a period, after one the day before, and another later that day."""
    account, plan = made
    agreed_on = plan.starts_on + timedelta(days=50 if late else 0)
    minimum = Minimum(UUID(int=3), Decimal(least), plan.starts_on, None, agreed_on)
    wanted = {line.cause: line.amount for line in _lines(account, plan, [minimum], HORIZON, None)}
    found: dict[str, Decimal] = {}
    since, today = None, plan.starts_on
    for days in [*pauses, 0, 420]:
        for line in _lines(account, plan, [minimum] if agreed_on <= today else [], today, since):
            found.setdefault(line.cause, line.amount)
        since, today = today, min(today + timedelta(days=days), HORIZON)
    found |= {line.cause: line.amount for line in _lines(account, plan, [minimum], today, since) if line.cause not in found}
    assert found == wanted


def test_a_commitment_that_was_met_lacks_nothing_on_the_first_day_of_the_next_period() -> None:
    account = Account(id=UUID(int=1), anchor_on=BEGIN, currency="USD")
    plan = Plan(
        UUID(int=1), UUID(int=2), "Seats", "recurring", Decimal(1), Price("per_unit", Decimal(120)), BEGIN, None, BEGIN,
        BEGIN,
    )  # fmt: skip
    minimum = Minimum(UUID(int=3), Decimal(100), BEGIN, None, BEGIN)
    first = date(2026, 3, 1)
    for since in (first - A_DAY, first, first + A_DAY):
        lines = _lines(account, plan, [minimum], first, since)
        assert [line.description for line in lines] == (["Seats"] if since <= first else [])


@given(plans())
@settings(max_examples=100)
def test_no_invoice_is_below_zero_and_no_line_is_lost(made: tuple[Account, Plan]) -> None:
    account, plan = made
    groups = of_book(account, Book([plan], []), HORIZON)
    ready, waiting = billable(groups, ())
    assert all(total(group.charges) >= 0 for group in ready) and (not waiting or total(waiting) < 0)
    given_out = [line.cause for group in ready for line in group.charges] + [line.cause for line in waiting]
    assert given_out == [line.cause for group in groups for line in group.charges]


@given(plans())
@settings(max_examples=100)
def test_days_are_given_back_for_what_they_cost(made: tuple[Account, Plan]) -> None:
    """Of one period, no day is paid below zero: what is given back was charged before."""
    account, plan = made
    paid: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for group in of_book(account, Book([plan], []), HORIZON + timedelta(days=800)):
        for line in group.charges:
            paid[line.period.index, account.currency] += line.amount
    unit = Decimal(1) if account.currency == "JPY" else Decimal("0.01")
    assert all(amount >= -unit * 8 for amount in paid.values())


def _due_on(plan: Plan, anchor_on: date, begins_on: date) -> date:
    if begins_on >= plan.starts_on:
        return begins_on
    return plan.starts_on if plan.at_once else billing_day(anchor_on, plan.starts_on)


def _is_settled(account: Account, plan: Plan, until: date) -> bool:
    """Whether all that is recorded about a period is due within the horizon."""
    latest = max([change.known_on for change in plan.changes], default=plan.starts_on)
    return billing_day(account.anchor_on, max(latest, until) + A_DAY) <= HORIZON


def _lines(account: Account, plan: Plan, least: list[Minimum], today: date, since: date | None) -> list[Charge]:
    """What a run finds on a day, by what is recorded until then."""
    seen = _with_changes(plan, [change for change in plan.changes if change.known_on <= today])
    return [line for group in of_book(account, Book([seen], least), today, since) for line in group.charges]


def _with_changes(plan: Plan, known: list[Change]) -> Plan:
    return Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"changes": known})


def test_what_is_recorded_on_a_billing_day_leaves_that_days_invoice_as_it_may_have_been_issued() -> None:
    day, next_day = date(2026, 3, 1), date(2026, 4, 1)
    account = Account(id=UUID(int=1), anchor_on=BEGIN, currency="USD")
    change = Change(uuid4(), "quantity", day, day, quantity=Decimal(3))
    plan = Plan(
        UUID(int=1), UUID(int=2), "Seats", "recurring", Decimal(1), Price("per_unit", Decimal(10)), BEGIN, None, BEGIN,
        BEGIN, prorated=True, changes=[change],
    )  # fmt: skip
    due = {group.bill_on: [line.amount for line in group.charges] for group in of_book(account, Book([plan], []), next_day)}
    assert (due[day], due[next_day]) == ([10], [-10, 30, 30])
