"""What is given back for days that were billed: it rides on an invoice, never makes one of less than nothing."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.invoicing.test_tax import rule
from tollbook.accounts.account import NewAccount, open_account, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Wanted as Correction
from tollbook.corrections.correct import correct
from tollbook.errors import Invalid
from tollbook.invoicing.credit_note import NothingLeft
from tollbook.invoicing.drafts import draft_due
from tollbook.invoicing.run import bill, forget_old
from tollbook.invoicing.tables import BillingRun, DraftInvoice, Invoice, InvoiceLine
from tollbook.subscriptions import due
from tollbook.subscriptions.change import Wanted, make
from tollbook.subscriptions.charge import Charge
from tollbook.subscriptions.component import Terms, offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind, Subscription, SubscriptionChange

A_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def components(account: Account) -> None:
    """Seats at 60 a month, taxed; a manual, which is not; the account's period began ten days ago."""
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal(60), SYSTEM)
    offer("manual", "Manual", FeeKind.ONE_OFF, Decimal(1), SYSTEM, Terms(tax_code="books"))
    account.anchor_on = today_in(account) - 10 * A_DAY
    account.save()
    rule("US", "19")
    rule("US", "0", tax_code="books")


def seats(account: Account) -> Subscription:
    """A seat since the period began, billed."""
    made = start(account, NewSubscription("seats", account.anchor_on, Decimal(1), prorated=True), SYSTEM)
    assert len(bill().issued) == 1
    return made


def end_now(account: Account, of: Subscription) -> Decimal:
    """End it with yesterday and give its other days back at once; answers what that is, before tax."""
    today = today_in(account)
    make(account, of.id, Wanted(ChangeKind.END, today, until_on=today - A_DAY, prorated=True, at_once=True), SYSTEM)
    [back] = [line for line in charges(account) if line.amount < 0]
    return -back.amount


def charges(account: Account) -> Sequence[Charge]:
    day = today_in(account)
    return [line for group in due.charges([account], {account.id: day})[account.id] for line in group.charges]


def sell_manual(account: Account, price: Decimal) -> None:
    new = NewSubscription("manual", today_in(account), Decimal(1), price=price, at_once=True)
    start(account, new, SYSTEM)


def test_lines_that_come_to_less_than_nothing_with_their_tax_wait_and_block_nobody(account: Account) -> None:
    """-50.00 at 19 % and +55.00 without tax sum to 5.00 before tax, and to -4.50 with it."""
    given_back = end_now(account, seats(account))
    sell_manual(account, given_back + 1)
    report = bill()
    assert (report.issued, report.failed) == ([], {})
    assert report.waiting == {"northwind": Decimal(1) - (given_back * 19 / 100).quantize(Decimal("0.01"))}
    assert draft_due() == 0, "nor is one drafted"
    assert "it is taken off the next invoice" in report.sentences()[-1]
    sell_manual(account, Decimal(100))
    assert len(bill().issued) == 1
    newest = Invoice.objects.order_by("-sequence")[0]
    assert newest.subtotal == Decimal(101)
    assert InvoiceLine.objects.filter(invoice_id=newest.id).count() == 3


@pytest.mark.parametrize("inclusive", [False, True])
def test_what_is_given_back_bears_the_tax_that_it_was_billed_with(account: Account, inclusive: bool) -> None:
    rule("US", "20", valid_from=account.anchor_on, is_inclusive=inclusive)
    seat = seats(account)
    bore = InvoiceLine.objects.get()
    account.tax_exemption = "Exempt since today"
    account.save()
    given_back = end_now(account, seat)
    sell_manual(account, Decimal(100))
    assert len(bill().issued) == 1
    back, sold = InvoiceLine.objects.filter(cause__gt="", subscription_id__isnull=False).exclude(
        invoice_id=bore.invoice_id).order_by("amount")  # fmt: skip
    assert (back.tax_rate, back.tax_label, sold.tax) == (20, "VAT 20 %", 0)
    assert back.gross == (-given_back if inclusive else (-given_back * 6 / 5).quantize(Decimal("0.01")))


@pytest.mark.parametrize("waits_first", [False, True])
def test_what_a_credit_note_gave_back_is_not_given_back_again(account: Account, waits_first: bool) -> None:
    seat = seats(account)
    invoice = Invoice.objects.get()
    if waits_first:
        end_now(account, seat)
        assert bill().waiting
    correct(account, invoice.number, Correction("Ordered by mistake"), SYSTEM)
    if not waits_first:
        end_now(account, seat)
    assert bill().waiting == {}
    sell_manual(account, Decimal(100))
    bill()
    assert Invoice.objects.order_by("-sequence")[0].subtotal == 100


def test_one_account_that_cannot_be_drafted_keeps_no_other_from_its_drafts(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", account.anchor_on), SYSTEM)
    for each in (account, other):
        start(each, NewSubscription("seats", account.anchor_on, Decimal(1)), SYSTEM)
    account.seller_code = "nobody"
    account.save()
    assert draft_due() == 1
    assert DraftInvoice.objects.get().account_id == other.id


def after(account: Account) -> Invoice:
    """The next invoice, with a manual for 100 to be taken off."""
    sell_manual(account, Decimal(100))
    assert bill().waiting == {}
    return Invoice.objects.order_by("-sequence")[0]


def partly(account: Account, net: Decimal) -> None:
    correct(account, Invoice.objects.order_by("sequence")[0].number, Correction("A bad day", {1: net}), SYSTEM)


@pytest.mark.parametrize(("credited", "left"), [("0.01", None), ("20.00", None), ("50.00", "10.00"), ("60.00", "0.00")])
def test_days_and_credit_notes_together_give_back_what_was_charged_at_most(
    account: Account, credited: str, left: str | None
) -> None:
    """Of 60.00, some days cost about 40; what a credit note has left of the 60 is given back of that at most."""
    seat = seats(account)
    partly(account, Decimal(credited))
    days = end_now(account, seat)
    given_back = 160 - 60 - after(account).subtotal
    assert given_back == (days if left is None else Decimal(left))
    lines = InvoiceLine.objects.filter(amount__lt=0)
    if left == "10.00":
        assert f"; less ${days - 10} that a credit note gave back already" in lines.get().detail
        assert (lines.get().quantity, lines.get().unit_price) == (-1, 10)
    assert lines.count() == (0 if left == "0.00" else 1)
    assert bill().issued == []


def test_a_run_says_what_it_left_out_and_bills_it_once_the_period_is_charged_more(account: Account) -> None:
    """All of the period was credited; it is paused, then resumed: 0 in all, not the days' fee."""
    seat, today = seats(account), today_in(account)
    partly(account, Decimal(60))
    make(account, seat.id, Wanted(ChangeKind.PAUSE, today, prorated=True, at_once=True), SYSTEM)
    [days] = [-line.amount for line in charges(account) if line.amount < 0]
    report = bill()
    assert report.left_out == {"northwind": days}
    assert f"northwind: {days} of days are not given back" in " ".join(report.sentences())
    make(account, seat.id, Wanted(ChangeKind.RESUME, today, prorated=True, at_once=True), SYSTEM)
    assert after(account).subtotal == 100
    assert sorted(InvoiceLine.objects.exclude(amount=100).values_list("amount", flat=True)) == [-days, days, 60]
    assert bill().left_out == {}


def test_a_credit_note_takes_what_days_given_back_have_left(account: Account) -> None:
    seat = seats(account)
    [first, days] = [Invoice.objects.get(), end_now(account, seat)]
    after(account)
    left = 60 - days
    with pytest.raises(Invalid, match="is left to credit"):
        partly(account, left + Decimal("0.01"))
    note = correct(account, first.number, Correction("Never used"), SYSTEM).note
    assert (note.subtotal, note.tax) == (left, (left * 19 / 100).quantize(Decimal("0.01")))
    with pytest.raises(NothingLeft):
        correct(account, first.number, Correction("Again"), SYSTEM)


def test_a_fee_and_its_discount_stand_together(account: Account) -> None:
    """60 less 10 %: 54 is all that can come back, by a credit note of the fee and by its days."""
    seat = start(account, NewSubscription("seats", account.anchor_on, Decimal(1), prorated=True), SYSTEM)
    off = SubscriptionChange(
        account_id=account.id, id=seat.id, subscription_id=seat.id, kind="discount", from_on=account.anchor_on,
        percent=Decimal(10), model="", scheme={}, prorated=True, at_once=False, recorded_at=seat.created_at,
        known_on=account.anchor_on - A_DAY,
    )  # fmt: skip
    off.save(force_insert=True)
    bill()
    first = Invoice.objects.get()
    assert first.subtotal == 54
    with pytest.raises(Invalid, match="discount and days given back counted"):
        partly(account, Decimal(60))
    partly(account, Decimal(40))
    today = today_in(account)
    make(account, seat.id, Wanted(ChangeKind.END, today, until_on=today - A_DAY, prorated=True, at_once=True), SYSTEM)
    assert after(account).subtotal == 100 - 14
    with pytest.raises(NothingLeft):
        correct(account, first.number, Correction("Again"), SYSTEM)


def test_crediting_what_was_given_back_lets_the_fee_be_credited(account: Account) -> None:
    """The days' line was a mistake and is taken back; then all of the fee can be credited."""
    seat = seats(account)
    first = Invoice.objects.get()
    end_now(account, seat)
    second = after(account)
    correct(account, second.number, Correction("All wrong"), SYSTEM)
    assert correct(account, first.number, Correction("All wrong"), SYSTEM).note.subtotal == 60


def test_runs_that_only_say_again_what_waits_are_forgotten_but_the_last_one(account: Account) -> None:
    end_now(account, seats(account))
    for _ in range(3):
        assert bill().waiting
    assert BillingRun.objects.count() == 4
    assert forget_old(timedelta(0)) == 2, "the one that issued stays, and the one that the next run goes on from"
    assert bill().waiting, "the next run still knows who was left with something"
