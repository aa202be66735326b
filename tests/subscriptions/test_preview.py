"""What is promised is what is billed: the next invoice before it is issued, and the effect of a change before it is made."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.run import bill, find
from tollbook.invoicing.tables import Invoice, InvoiceLine
from tollbook.money.period import add_months
from tollbook.subscriptions.change import Wanted, as_change, make
from tollbook.subscriptions.due import total
from tollbook.subscriptions.plan import Plan
from tollbook.subscriptions.preview import next_due, of_change, of_start
from tollbook.subscriptions.record import drafted, plan_of
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.subscribe import drafted as row_of
from tollbook.subscriptions.tables import ChangeKind, Component

DAY = timedelta(days=1)


@pytest.fixture
def today(account: Account) -> date:
    """Today, ten days after a billing day."""
    account.anchor_on = add_months(today_in(account) - 10 * DAY, -1)
    account.save(update_fields=["anchor_on"])
    return today_in(account)


@pytest.fixture
def seats(account: Account, today: date) -> Plan:
    """Three seats by the day, at 20 each, from the beginning of the running period, which is billed."""
    row = start(account, NewSubscription("seats", today - 10 * DAY, Decimal(3), price=Decimal(20), prorated=True), SYSTEM)
    bill()
    assert Invoice.objects.get().total == 60
    return plan_of(account, row.id)


def invoiced(account: Account, day: date) -> list[tuple[str, Decimal]]:
    """The lines of the next invoice, as the billing run would make them on that day."""
    [*_, paper] = find([account], {account.id: day}).papers
    return [(line.description, line.amount) for line in paper.draft.lines]


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": ChangeKind.QUANTITY, "quantity": Decimal(5)},
        {"kind": ChangeKind.QUANTITY, "quantity": Decimal(1)},
        {"kind": ChangeKind.QUANTITY, "quantity": Decimal(5), "prorated": False},
        {"kind": ChangeKind.DISCOUNT, "percent": Decimal(25)},
        {"kind": ChangeKind.DISCOUNT, "amount": Decimal(100)},
        {"kind": ChangeKind.PAUSE},
    ],
    ids=lambda wanted: " ".join(map(str, wanted.values())),
)
def test_the_effect_that_is_shown_is_what_is_billed(account: Account, seats: Plan, today: date, wanted: dict) -> None:
    asked = Wanted(from_on=today, **wanted)
    effect = of_change(account, seats, as_change(account, seats, asked), today)
    make(account, seats.id, asked, SYSTEM)
    promised = next_due(account, today)
    assert (promised and [line.amount for line in promised.charges]) == (
        effect.after and [line.amount for line in effect.after.charges]
    )
    if promised:
        assert invoiced(account, promised.bill_on) == [(line.description, line.amount) for line in promised.charges]


def test_what_is_billed_at_once_has_an_invoice_of_its_own_day_and_is_not_billed_again(
    account: Account, seats: Plan, today: date
) -> None:
    make(account, seats.id, Wanted(ChangeKind.QUANTITY, today, quantity=Decimal(4), at_once=True), SYSTEM)
    assert len(bill().issued) == 1 and bill().issued == []
    first, second = Invoice.objects.order_by("sequence")
    lines = InvoiceLine.objects.filter(invoice_id=second.id)
    assert (first.total, sum(line.amount for line in lines)) == (60, second.subtotal)
    promised = next_due(account, today)
    assert promised and total(promised.charges) == 80 == sum(amount for _, amount in invoiced(account, promised.bill_on))


def test_what_is_given_back_waits_for_an_invoice_to_be_taken_off(account: Account, seats: Plan, today: date) -> None:
    make(account, seats.id, Wanted(ChangeKind.END, today + DAY, today, prorated=True), SYSTEM)
    assert next_due(account, today) is None
    start(account, NewSubscription("onboarding", today), SYSTEM)
    promised = next_due(account, today)
    assert promised and [line.description for line in promised.charges] == ["Agent seats, given back", "Onboarding"]
    assert 0 < total(promised.charges) < 300
    assert len(invoiced(account, promised.bill_on)) == 2


def test_a_start_shows_every_line_up_to_its_first_whole_period(account: Account, today: date) -> None:
    new = NewSubscription("seats", today, Decimal(2), price=Decimal(31), prorated=True)
    row = row_of(account, new, Component.objects.get(code="seats"), account.id)
    effect = of_start(account, drafted(account, row), today)
    assert [line.service_from for _, line in effect.lines] == [today, effect.after.bill_on if effect.after else None]
    assert effect.before is None and effect.after and total(effect.after.charges) == effect.amount
