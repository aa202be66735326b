"""Whatever is changed, billed and credited in whatever order, no period is paid below zero, and nothing else is touched."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.subscriptions.test_changes_add_up import HORIZON, plans
from tollbook.accounts.tables import Account
from tollbook.invoicing.given_back import Standing, Stretch, cut, over, stretch_of
from tollbook.money.amount import to_minor
from tollbook.subscriptions.charge import Charge
from tollbook.subscriptions.due import of_book
from tollbook.subscriptions.plan import Change, Plan
from tollbook.subscriptions.record import Book

FAR = HORIZON + timedelta(days=800)


def stretch(charge: Charge) -> Stretch:
    found = stretch_of(charge.account_id, charge.subscription_id, charge.cause)
    assert found is not None
    return found


@dataclass
class Books:
    """What was issued and credited, by period."""

    account: Account
    plan: Plan
    issued: dict[str, Decimal] = field(default_factory=dict)
    charged: defaultdict[Stretch, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    credited: defaultdict[Stretch, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def unbilled(self, today: date, until: date) -> list[Charge]:
        """Of what is recorded by today."""
        known = [change for change in self.plan.changes if change.known_on <= today]
        groups = of_book(self.account, Book([_with(self.plan, known)], []), until)
        return [line for group in groups for line in group.charges if line.cause not in self.issued]

    def bill(self, today: date) -> None:
        stood = {key: Standing(self.charged[key], amount) for key, amount in self.credited.items() if amount}
        changed = cut(
            due := self.unbilled(today, today), over(stood, self.unbilled(today, FAR), {}), {}, self.account.currency
        )
        for line in due:
            one = changed.get(line.cause, line)
            if one is not None:
                assert line.amount <= one.amount <= max(line.amount, Decimal(0))
                assert one is line or stretch(line) in stood
                self.issued[line.cause] = one.amount
                self.charged[stretch(line)] += one.amount

    def credit(self, part: Decimal) -> None:
        for key in list(self.charged):
            left = Standing(self.charged[key], self.credited[key]).left
            self.credited[key] += min(left, to_minor(left * part, self.account.currency))


def _with(plan: Plan, known: Sequence[Change]) -> Plan:
    return Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"changes": known})


steps = st.lists(st.tuples(st.integers(1, 45), st.booleans(), st.decimals(0, 1, places=2)), min_size=4, max_size=20)


@given(plans(), steps)
@settings(max_examples=150)
def test_no_period_is_ever_paid_below_zero(made: tuple[Account, Plan], doing: list[tuple[int, bool, Decimal]]) -> None:
    books = Books(*made)
    today = books.plan.starts_on
    for days, credits, part in [*doing, (400, False, Decimal(0))]:
        today += timedelta(days=days)
        books.credit(part) if credits else books.bill(today)
        final = {key: amount - books.credited[key] for key, amount in books.charged.items()}
        for line in books.unbilled(today, FAR):  # what is charged later makes up for what was given back at once
            if line.amount > 0 and stretch(line) in final:
                final[stretch(line)] += line.amount
        assert min(final.values(), default=Decimal(0)) >= 0


@given(plans(), st.lists(st.integers(1, 45), min_size=4, max_size=12))
@settings(max_examples=100)
def test_without_credit_notes_all_is_billed_as_it_was_computed(made: tuple[Account, Plan], doing: list[int]) -> None:
    books = Books(*made)
    today = books.plan.starts_on
    for days in doing:
        today += timedelta(days=days)
        books.bill(today)
    expected = {line.cause: line.amount for line in Books(*made).unbilled(today, today)}
    assert books.issued == expected
