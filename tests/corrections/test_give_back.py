"""Days that wait to be given back become credit notes of the invoices that bore their fee, once."""

from decimal import Decimal

import pytest

from tests.invoicing.test_given_back import A_DAY, charges, components, end_now, seats, sell_manual  # noqa: F401
from tests.invoicing.test_tax import rule
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.corrections.give_back import Wanted, give, seen, waiting
from tollbook.errors import Conflict
from tollbook.invoicing import credit_note
from tollbook.invoicing.run import bill
from tollbook.invoicing.tables import CreditNote, CreditNoteLine, GivenBack, Invoice
from tollbook.ledger.balance import sums
from tollbook.payments.transfer import record_transfer
from tollbook.subscriptions.change import Wanted as Change
from tollbook.subscriptions.change import make
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, Subscription


def end(account: Account, seat: Subscription) -> None:
    today = today_in(account)
    make(account, seat.id, Change(ChangeKind.END, today, until_on=today - A_DAY, prorated=True, at_once=True), SYSTEM)


def test_what_waits_after_the_last_subscription_is_credited_once(account: Account) -> None:
    days = end_now(account, seats(account))
    first = Invoice.objects.get()
    assert bill().waiting
    wanted = Wanted("Not used")
    [done] = give(account, wanted, SYSTEM)
    tax = (days * 19 / 100).quantize(Decimal("0.01"))
    assert (done.note.subtotal, done.note.tax, done.note.invoice_number) == (days, tax, first.number)
    assert credit_note.open_of(first) == first.total - days - tax == sums(account.id)["receivable"]
    assert [one.note.id for one in give(account, wanted, SYSTEM)] == [done.note.id]
    with pytest.raises(Conflict, match="Nothing waits"):
        give(account, Wanted("Again"), SYSTEM)
    assert bill().waiting == {}
    sell_manual(account, Decimal(100))
    bill()
    assert Invoice.objects.order_by("-sequence")[0].subtotal == 100
    assert audit(None) == []


def test_what_was_paid_of_it_becomes_credit_of_the_account(account: Account) -> None:
    seat = seats(account)
    first = Invoice.objects.get()
    record_transfer(account, first.number, first.total, "bank 1", SYSTEM)
    end_now(account, seat)
    [done] = give(account, Wanted("Not used"), SYSTEM)
    assert sum(done.freed.values()) == done.note.total == -sums(account.id)["credit"]
    assert audit(None) == []


@pytest.mark.parametrize("inclusive", [False, True])
def test_what_was_charged_anew_is_invoiced_and_only_the_days_are_credited(account: Account, inclusive: bool) -> None:
    """Ten seats become one, and there will be no next fee: ten are given back by a credit note, one is on an invoice."""
    rule("DE", "20", valid_from=account.anchor_on, is_inclusive=inclusive)
    seat = start(account, NewSubscription("seats", account.anchor_on, Decimal(10), prorated=True), SYSTEM)
    bill()
    first, today = Invoice.objects.get(), today_in(account)
    make(account, seat.id, Change(ChangeKind.QUANTITY, today, quantity=Decimal(1), prorated=True, at_once=True), SYSTEM)
    back, anew = [line.amount for line in charges(account) if line.cause.startswith("change:")]
    assert bill().waiting
    [part] = waiting(account)
    assert part.invoice == first
    [done] = give(account, Wanted("Fewer seats"), SYSTEM)
    assert bill().waiting == {}
    second = Invoice.objects.order_by("-sequence")[0]
    priced = (lambda paper: paper.total) if inclusive else (lambda paper: paper.subtotal)
    assert (priced(done.note), priced(second)) == (-back, anew)
    assert GivenBack.objects.count() == 1 and CreditNoteLine.objects.count() == 1
    assert audit(None) == []


def test_days_of_several_invoices_are_credited_on_each(account: Account) -> None:
    old = seats(account)
    new = start(account, NewSubscription("seats", today_in(account), Decimal(1), prorated=True, at_once=True), SYSTEM)
    [second] = bill().issued
    for one in (old, new):
        end(account, one)
    assert bill().waiting
    notes = [done.note for done in give(account, Wanted("Over"), SYSTEM)]
    days = {note.invoice_number: note.subtotal for note in notes}
    assert list(days) == [second, Invoice.objects.order_by("sequence")[0].number], "the newest first"
    assert days[second] == Invoice.objects.get(number=second).subtotal, "all of what was never used"
    assert bill().waiting == {}
    assert audit(None) == []


def test_a_discount_comes_off_what_is_credited_and_can_be_credited_itself(account: Account) -> None:
    """Half off from today on, then the end: first a half of the days' fee waits, and the other half is given back of."""
    seat, today = seats(account), today_in(account)
    make(account, seat.id, Change(ChangeKind.DISCOUNT, today, percent=Decimal(50), prorated=True, at_once=True), SYSTEM)
    [off] = [line for line in charges(account) if line.amount < 0]
    assert [(part.net, len(part.lines)) for part in waiting(account)] == [(-off.amount, 1)]
    end(account, seat)
    back, taken_back = [line for line in charges(account) if ":back" in line.cause]
    assert (back.amount, taken_back.amount) == (2 * off.amount, -off.amount)
    [done] = give(account, Wanted("Over"), SYSTEM)
    assert done.note.subtotal == -back.amount
    assert GivenBack.objects.count() == 3 and bill().waiting == {}
    assert audit(None) == []


def test_nothing_is_credited_that_was_not_reviewed(account: Account) -> None:
    seat = seats(account)
    end_now(account, seat)
    saw = seen(waiting(account))
    first = Invoice.objects.get()
    give(account, Wanted("Not used"), SYSTEM, saw)
    assert CreditNote.objects.get().invoice_id == first.id
    with pytest.raises(Conflict):
        give(account, Wanted("Not used"), SYSTEM, saw)


def test_an_account_without_anything_that_waits_has_nothing_to_give_back(account: Account) -> None:
    seats(account)
    assert waiting(account) == []
