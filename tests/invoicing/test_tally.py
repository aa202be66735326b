"""Invoice History's counts move with every change of what is owed, and are what counting the rows comes to."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.invoicing.papers import DAY, issued, line, payment
from tests.together import together
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Refused
from tollbook.invoicing import credit_note, settle, write_off
from tollbook.invoicing.tables import HistoryDay, HistorySize, Invoice, OpenBalance
from tollbook.money.amount import ZERO
from tollbook.postgres.ids import new_id


def size(total: Decimal) -> int:
    """The first two digits of an amount in cents, and how many follow, in one number."""
    digits = str(int(total * 100))
    return int(digits) if len(digits) < 3 else 90 * (len(digits) - 2) + int(digits[:2])


def counted(account: Account) -> tuple[dict[object, object], dict[object, object]]:
    """The same as the two tables hold, from the rows, in Python."""
    by_day: Counter[object] = Counter()
    owing: dict[object, Decimal] = {}
    by_size: Counter[object] = Counter()
    for one in OpenBalance.objects.filter(account_id=account.id):
        is_open = one.balance > 0
        days = (one.due_on, one.grace_until_on) if is_open else (one.issued_on, one.issued_on)
        cell = (one.issued_on, one.sequence // 1000, one.number.rstrip("0123456789"), is_open, *days)
        by_day[cell] += 1
        owing[cell] = owing.get(cell, ZERO) + one.balance
        by_size[size(one.total), one.issued_on.replace(day=1), is_open] += 1
    return {cell: (count, owing[cell]) for cell, count in by_day.items()}, dict(by_size)


def kept(account: Account) -> tuple[dict[object, object], dict[object, object]]:
    """What the two tables hold, without cells that nothing is in any more."""
    days = {
        (one.issued_on, one.block, one.prefix, one.is_open, one.due_on, one.grace_until_on): (one.count, one.balance)
        for one in HistoryDay.objects.filter(account_id=account.id)
    }
    sizes = {
        (one.size, one.month_on, one.is_open): one.count for one in HistorySize.objects.filter(account_id=account.id)
    }
    return (
        {cell: figures for cell, figures in days.items() if figures != (0, ZERO)},
        {cell: count for cell, count in sizes.items() if count},
    )


def pay(account: Account, invoice: Invoice, share: int, cause: str = "") -> None:
    """Pay so many quarters of what is owed."""
    amount = (credit_note.open_of(invoice) * share / 4).quantize(Decimal("0.01"))
    paid = payment(account, str(max(amount, Decimal("0.01"))))
    with transaction.atomic():
        settle.settle(account.id, invoice.id, paid.id, amount)
    if cause:
        with transaction.atomic():
            settle.take_back(account.id, invoice.id, paid.id, amount, cause, "credit")


def credit(account: Account, invoice: Invoice, share: int) -> None:
    """Credit so many quarters of a line."""
    net = (invoice.total * share / 4).quantize(Decimal("0.01"))
    with transaction.atomic():
        planned = credit_note.planned(invoice, "Wrong", DAY, "ann", {1: net})
        credit_note.credit(account, invoice, planned)


def give_up(account: Account, invoice: Invoice, share: int) -> None:
    """Write off; and with an even share, take that back."""
    with transaction.atomic():
        write_off.write_off(account, invoice, "Gone", "ann")
    if share % 2 == 0:
        with transaction.atomic():
            write_off.take_back(account, invoice, "Back", "ann")


steps = st.lists(
    st.tuples(st.sampled_from(["issue", "pay", "back", "credit", "give up"]), st.integers(0, 9), st.integers(1, 4)),
    min_size=3,
    max_size=25,
)
amounts = ["0.00", "0.07", "9.99", "10.00", "49.00", "49.00", "1234.56"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(taken=steps)
def test_counts_are_what_counting_the_rows_comes_to(account: Account, taken: list[tuple[str, int, int]]) -> None:
    """After any sequence of issuing, paying, taking back, crediting and writing off, refused steps among them."""
    mine = open_account(NewAccount(f"a{new_id().hex}", "Counted", date(2026, 1, 3)), SYSTEM)
    invoices = [issued(mine, line("49.00"))]
    for what, which, share in taken:
        invoice = invoices[which % len(invoices)]
        try:
            if what == "issue":
                day = DAY + timedelta(days=31 * (which % 3))
                invoices.append(issued(mine, line(amounts[which % len(amounts)]), issued_on=day))
            elif what in ("pay", "back"):
                pay(mine, invoice, share, cause=f"refund:{new_id()}" if what == "back" else "")
            else:
                (credit if what == "credit" else give_up)(mine, invoice, share)
        except Refused:
            pass
        assert kept(mine) == counted(mine)


def test_a_payment_that_is_rolled_back_is_not_counted(account: Account) -> None:
    invoice, paid = issued(account, line("10.00")), payment(account, "10.00")
    before = kept(account)
    with pytest.raises(RuntimeError), transaction.atomic():
        settle.settle(account.id, invoice.id, paid.id, Decimal(10))
        raise RuntimeError
    assert kept(account) == before == counted(account)


def test_many_at_once_are_each_counted_once(account: Account) -> None:
    """Issuing waits for nobody's account, so two may count in the same cells at the same time."""
    invoices = [issued(account, line("10.00")) for _ in range(8)]

    def work() -> None:
        issued(account, line("10.00"))
        pay(account, invoices.pop(), 4)

    together(8, work)
    assert kept(account) == counted(account)
    assert sum(one.count for one in HistoryDay.objects.filter(account_id=account.id)) == 16
