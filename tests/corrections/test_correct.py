"""Credit notes and write-offs: what they take, where the money goes, and that they never take more than is left."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connections, transaction

from tests.databases import Database
from tests.invoicing.papers import issued, line
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.corrections.correct import Wanted, correct, expect_again, give_up, preview, standing
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.invoicing import credit_note, history, write_off
from tollbook.invoicing.credit_note import NothingLeft
from tollbook.invoicing.history import Filter, Sort
from tollbook.invoicing.register import newest
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.status import Status
from tollbook.invoicing.tables import CreditNote, Invoice, InvoiceKind
from tollbook.ledger.balance import sums
from tollbook.payments import credit
from tollbook.payments.tables import Payment, Refund
from tollbook.payments.transfer import record_transfer


def owed(invoice: Invoice) -> Decimal:
    return credit_note.open_of(invoice)


def paid(account: Account, invoice: Invoice, amount: str) -> Payment:
    return record_transfer(account, invoice.number, Decimal(amount), f"bank {amount} {invoice.number}", SYSTEM)


def proven() -> bool:
    return audit(None) == []


def test_a_full_credit_note_voids_its_invoice_in_the_books(account: Account) -> None:
    invoice = issued(account, line("100.00"), line("0.15", "revenue:setup"))
    made = correct(account, invoice.number, Wanted("Billed twice"), SYSTEM).note
    assert (made.number, made.subtotal, made.tax) == ("CN-000001", Decimal("100.15"), Decimal("19.03"))
    assert made.total == invoice.total
    assert owed(invoice) == 0
    assert set(sums(account.id).values()) == {0}
    assert [one.number for one in credit_note.of_invoice(account.id, invoice.id)] == ["CN-000001"]
    assert proven()


def test_parts_are_credited_at_the_original_rate_until_nothing_is_left(account: Account) -> None:
    invoice = issued(account, line("10.00"), line("0.05"))
    parts = [correct(account, invoice.number, Wanted("Part", {1: Decimal("3.33")}), SYSTEM).note for _ in range(3)]
    assert [part.tax for part in parts] == [Decimal("0.63"), Decimal("0.64"), Decimal("0.63")]
    rest = correct(account, invoice.number, Wanted("The rest"), SYSTEM).note
    assert (sum(part.total for part in parts) + rest.total, owed(invoice)) == (invoice.total, 0)
    with pytest.raises(NothingLeft):
        correct(account, invoice.number, Wanted("More"), SYSTEM)
    assert proven()


def test_never_more_than_is_left_of_a_line_or_of_the_invoice(account: Account) -> None:
    invoice = issued(account, line("100.00"), line("-60.00", "revenue:discount"))
    for nets, says in (
        ({1: Decimal("100.01")}, "left to credit"), ({1: Decimal(100)}, "is more"), ({}, "more than nothing"),
        ({1: Decimal("0.001")}, "finer"), ({1: Decimal(-1)}, "below zero"), ({2: Decimal(60)}, "more than nothing"),
    ):  # fmt: skip
        with pytest.raises(Invalid, match=says):
            correct(account, invoice.number, Wanted("Too much", nets), SYSTEM)
    correct(account, invoice.number, Wanted("Half", {1: Decimal(50), 2: Decimal(30)}), SYSTEM)
    assert owed(invoice) == Decimal("23.80")
    assert proven()


def test_what_was_paid_becomes_credit_and_pays_the_next_invoice(account: Account) -> None:
    invoice = issued(account, line("100.00"))
    paid(account, invoice, "100.00")
    seen = preview(account, invoice.number, Wanted("?", {1: Decimal(50)}))
    assert (seen.total, seen.off_what_is_owed, seen.freed) == (Decimal("59.50"), 19, Decimal("40.50"))
    made = correct(account, invoice.number, Wanted("Half of it", {1: Decimal(50)}), SYSTEM)
    assert list(made.freed.values()) == [Decimal("40.50")]
    assert (credit.of_account(account.id), owed(invoice)) == (Decimal("40.50"), 0)
    other = issued(account, line("10.00"))
    credit.use_everywhere()
    assert (owed(other), credit.of_account(account.id)) == (0, Decimal("28.60"))
    assert proven()


def test_credit_of_a_bank_transfer_stays_until_a_person_sends_it(account: Account) -> None:
    invoice = issued(account, line("100.00"))
    paid(account, invoice, "119.00")
    made = correct(account, invoice.number, Wanted("Gone", gives_back=True), SYSTEM)
    assert (made.given_back, credit.of_account(account.id)) == (0, 119)
    assert "reference" in made.kept_because
    assert not Refund.objects.exists()
    assert proven()


def test_asking_twice_credits_once(account: Account) -> None:
    invoice = issued(account, line("100.00"))
    paid(account, invoice, "100.00")
    wanted = Wanted("Half", {1: Decimal(50)})
    first, again = (correct(account, invoice.number, wanted, SYSTEM) for _ in range(2))
    assert (first.note.id, first.freed) == (again.note.id, again.freed)
    assert CreditNote.objects.count() == 1


def test_two_at_once_credit_no_more_than_there_is(account: Account) -> None:
    invoice = issued(account, line("100.00"))
    outcomes: list[str] = []

    def ask() -> None:
        try:
            outcomes.append(correct(account, invoice.number, Wanted("At once", {1: Decimal(60)}), SYSTEM).note.number)
        except Invalid:
            outcomes.append("refused")
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(outcomes) == ["CN-000001", *["refused"] * 5]
    assert proven()


def credit_a_part(account: Account, invoice: Invoice) -> None:
    """35.70 of the invoice, by somebody who holds the account's row."""
    planned = credit_note.planned(invoice, "Meanwhile", today_in(account), "Somebody", {1: Decimal(30)})
    credit_note.credit(account, invoice, planned)


def wait_for_a_lock(db: Database) -> None:
    """Until somebody in this database waits for somebody else's transaction."""
    deadline = time.monotonic() + 20
    with db.connect("owner") as owner:
        while owner.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is None:
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


def while_it_waits(db: Database, account: Account, verb: Callable[[], object], meanwhile: Callable[[], None]) -> str:
    """What became of `verb` in another thread, which waits for the account's row while `meanwhile` is done and committed."""
    told: list[str] = []

    def work() -> None:
        try:
            verb()
            told.append("done")
        except Conflict as error:
            told.append(error.message)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        lock_settlements(account.id)
        thread.start()
        wait_for_a_lock(db)
        meanwhile()
    thread.join(timeout=60)
    return " ".join(told)


def test_a_credit_note_is_compared_with_its_review_behind_the_lock(db: Database, account: Account) -> None:
    invoice = issued(account, line("100.00"))
    wanted = Wanted("Billed twice")
    seen = preview(account, invoice.number, wanted).seen
    told = while_it_waits(
        db, account, lambda: correct(account, invoice.number, wanted, SYSTEM, seen), lambda: credit_a_part(account, invoice)
    )
    assert "changed since your review" in told
    assert (owed(invoice), CreditNote.objects.count()) == (Decimal("83.30"), 1)
    correct(account, invoice.number, wanted, SYSTEM, preview(account, invoice.number, wanted).seen)
    assert (owed(invoice), proven()) == (0, True)


def test_a_payment_that_comes_after_the_review_is_not_freed_unseen(account: Account) -> None:
    """The sums of the credit note are the same, and where they go is not."""
    invoice, wanted = issued(account, line("100.00")), Wanted("Half", {1: Decimal(50)})
    seen = preview(account, invoice.number, wanted).seen
    paid(account, invoice, "100.00")
    with pytest.raises(Conflict, match="review it again"):
        correct(account, invoice.number, wanted, SYSTEM, seen)
    assert not CreditNote.objects.exists() and owed(invoice) == 19


def test_a_credit_note_that_was_issued_is_answered_whatever_was_seen(account: Account) -> None:
    invoice, wanted = issued(account, line("100.00")), Wanted("Half", {1: Decimal(50)})
    seen = preview(account, invoice.number, wanted).seen
    first, again = (correct(account, invoice.number, wanted, SYSTEM, seen).note for _ in range(2))
    assert first.id == again.id


def test_a_write_off_is_compared_with_its_review_behind_the_lock(db: Database, account: Account) -> None:
    invoice = issued(account, line("100.00"))
    seen = standing(account, invoice.number).seen
    told = while_it_waits(
        db, account, lambda: give_up(account, invoice.number, "Bankrupt", SYSTEM, seen),
        lambda: credit_a_part(account, invoice),
    )  # fmt: skip
    assert "changed since your review" in told
    assert owed(invoice) == Decimal("83.30")
    give_up(account, invoice.number, "Bankrupt", SYSTEM, standing(account, invoice.number).seen)
    assert (owed(invoice), proven()) == (0, True)


def test_a_write_off_is_taken_back_as_it_was_reviewed(db: Database, account: Account) -> None:
    invoice = issued(account, line("100.00"))
    give_up(account, invoice.number, "Bankrupt", SYSTEM)
    seen = standing(account, invoice.number).seen

    def meanwhile() -> None:
        write_off.take_back(account, invoice, "They pay a part", "Somebody")
        credit_a_part(account, invoice)
        write_off.write_off(account, invoice, "No more comes", "Somebody")

    told = while_it_waits(
        db, account, lambda: expect_again(account, invoice.number, "They pay", SYSTEM, seen), meanwhile
    )
    assert "changed since your review" in told
    assert (owed(invoice), write_off.written_off(invoice)) == (0, Decimal("83.30"))
    expect_again(account, invoice.number, "They pay", SYSTEM, standing(account, invoice.number).seen)
    assert (owed(invoice), proven()) == (Decimal("83.30"), True)


def test_a_write_off_can_be_taken_back_and_paid(account: Account) -> None:
    invoice = issued(account, line("100.00"))
    paid(account, invoice, "19.00")
    give_up(account, invoice.number, "Bankrupt", SYSTEM)
    assert (owed(invoice), sums(account.id)["bad_debt"], sums(account.id)["receivable"]) == (0, 100, 0)
    with pytest.raises(Conflict, match="Nothing is owed"):
        give_up(account, invoice.number, "Again", SYSTEM)
    expect_again(account, invoice.number, "They came back", SYSTEM)
    paid(account, invoice, "100.00")
    assert owed(invoice) == 0
    with pytest.raises(Conflict, match="written off"):
        expect_again(account, invoice.number, "Again", SYSTEM)
    assert proven()


def test_an_invoice_that_was_given_up_says_so_until_it_is_owed_again(account: Account) -> None:
    invoice = issued(account, line("100.00"), issued_on=today_in(account))
    paid(account, invoice, "19.00")

    def told() -> tuple[str, int, int]:
        """On its page; how many the list counts as given up; of how many invoices something is owed."""
        page = history.page(account.id, Filter(frozenset({Status.WRITTEN_OFF})), Sort())
        assert [row.status for row in page.rows] == [Status.WRITTEN_OFF] * page.total_count
        assert page.counts == history.page(account.id, Filter(), Sort()).counts
        return history.find(account.id, invoice.number).status.label, page.counts[Status.WRITTEN_OFF], page.owed.open_count

    assert told() == ("Posted", 0, 1)
    give_up(account, invoice.number, "Bankrupt", SYSTEM)
    assert told() == ("Written off", 1, 0)
    assert [row.status for row in newest(Filter(frozenset({Status.WRITTEN_OFF})))] == [Status.WRITTEN_OFF]
    assert newest(Filter(frozenset({Status.PAID}))) == []
    expect_again(account, invoice.number, "They came back", SYSTEM)
    assert told() == ("Posted", 0, 1)
    paid(account, invoice, "100.00")
    assert told() == ("Paid", 0, 0)
    assert proven()


def test_an_invoice_that_was_given_up_and_then_credited_stays_given_up(account: Account) -> None:
    """What is credited after was freed of the payment, not of what was given up."""
    invoice = issued(account, line("100.00"))
    paid(account, invoice, "19.00")
    give_up(account, invoice.number, "Bankrupt", SYSTEM)
    correct(account, invoice.number, Wanted("A kindness", {1: Decimal(10)}), SYSTEM)
    assert history.find(account.id, invoice.number).status == Status.WRITTEN_OFF
    assert proven()


def test_what_can_not_be_corrected_is_refused(account: Account) -> None:
    bought = issued(account, line("100.00", "wallet:sms:paid"), kind=InvoiceKind.REFILL)
    with pytest.raises(Invalid, match="wallet"):
        correct(account, bought.number, Wanted("No"), SYSTEM)
    with pytest.raises(Invalid, match="why"):
        correct(account, issued(account).number, Wanted(" "), SYSTEM)
    with pytest.raises(NotFound):
        correct(account, "INV-999999", Wanted("No"), SYSTEM)
