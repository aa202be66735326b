"""Credit notes, write-offs, drafts and one-off invoices, as staff make them at the desk and as the customer sees them."""

from decimal import Decimal

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.payments.test_transfer import an_invoice
from tests.people import person
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, Level
from tollbook.audit.books import audit
from tollbook.invoicing.drafts import draft_due
from tollbook.invoicing.history import find
from tollbook.invoicing.run import bill
from tollbook.invoicing.tables import CreditNote, DraftInvoice, Invoice, TaxRule
from tollbook.money.period import period_of
from tollbook.payments.transfer import record_transfer
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import Component, FeeKind

HOME = "/desk/accounts/northwind/invoices/INV-000001/"


def token() -> str:
    return str(new_id())


def posted(desk: Desk, path: str, **values: str) -> HttpResponse:
    return desk.client.post(path, values)


def decide(desk: Desk, path: str) -> HttpResponse:
    """A question without a form looked at and confirmed."""
    return desk.confirm(path, desk.get(path))


def seats(account: Account, quantity: int) -> None:
    """Seats for 20 each, due since the period began."""
    if not Component.objects.filter(code="seats").exists():
        offer("seats", "Agent seats", FeeKind.RECURRING, Decimal(20), SYSTEM)
    begun = period_of(account.anchor_on, today_in(account)).start_on
    start(account, NewSubscription("seats", begun, Decimal(quantity)), SYSTEM)


def a_draft(account: Account) -> str:
    """The address of the one draft that waits."""
    return f"/desk/accounts/{account.slug}/drafts/{DraftInvoice.objects.get(state='open').id}/"


def test_a_credit_note_is_reviewed_before_it_is_issued_and_issued_once(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    form = {"extent": "lines", "line_1": "40.00", "reason": "Too many seats", "token": token()}
    review = posted(desk, f"{HOME}credit/", **form)
    said = words(review)
    assert "Credit $40.00 of INV-000001" in said and "“Too many seats”" in said
    assert not CreditNote.objects.exists()
    for _ in range(2):
        assert desk.confirm(f"{HOME}credit/", review).status_code == 302
    [note] = CreditNote.objects.all()
    assert (note.number, note.total) == ("CN-000001", 40)
    page = desk.read(HOME)
    assert "Credit note CN-000001" in page and "Too many seats" in page
    assert audit(None) == []


def test_more_than_is_left_is_refused_beside_the_form(desk: Desk, northwind: Account) -> None:
    an_invoice(northwind)
    answer = posted(desk, f"{HOME}credit/", extent="lines", line_1="100000", reason="x", token=token())
    assert answer.status_code == 400 and "left to credit" in words(answer)


def test_a_write_off_is_taken_back(desk: Desk, northwind: Account) -> None:
    invoice = an_invoice(northwind)
    desk.do(f"{HOME}write-off/", reason="Bankrupt")
    assert find(northwind.id, invoice.number).balance == 0
    assert "Written off" in desk.read(HOME)
    listed = desk.read("/desk/invoices/", status="written_off")
    assert "INV-000001" in listed and "No invoices" in desk.read("/desk/invoices/", status="paid")
    desk.do(f"{HOME}expect-again/", reason="They paid")
    assert find(northwind.id, invoice.number).balance == invoice.total
    assert audit(None) == []


@pytest.mark.parametrize("verb", ["write-off", "credit"])
def test_an_invoice_that_was_paid_in_part_meanwhile_is_reviewed_again(
    desk: Desk, northwind: Account, verb: str
) -> None:
    """Only what the review showed is written off, and only what it showed becomes credit."""
    invoice = an_invoice(northwind)
    review = desk.review(f"{HOME}{verb}/", reason="Bankrupt")
    record_transfer(northwind, invoice.number, Decimal(30), "SEPA 1", SYSTEM)
    refused = desk.confirm(f"{HOME}{verb}/", review)
    assert refused.status_code == 409 and "review it again" in words(refused)
    assert find(northwind.id, invoice.number).balance == 70 and not CreditNote.objects.exists()
    assert desk.do(f"{HOME}{verb}/", reason="Bankrupt").status_code == 302
    assert find(northwind.id, invoice.number).balance == 0
    assert audit(None) == []


def test_a_write_off_that_changed_meanwhile_is_reviewed_again_before_it_is_taken_back(
    desk: Desk, northwind: Account
) -> None:
    invoice = an_invoice(northwind)
    write_off = f"{HOME}write-off/"
    record_transfer(northwind, invoice.number, Decimal(30), "SEPA 1", SYSTEM)
    desk.do(write_off, reason="Bankrupt")
    review = desk.review(f"{HOME}expect-again/", reason="They paid")
    desk.do(f"{HOME}expect-again/", reason="They pay a part")
    record_transfer(northwind, invoice.number, Decimal(20), "SEPA 2", SYSTEM)
    desk.do(write_off, reason="No more comes")
    assert desk.confirm(f"{HOME}expect-again/", review).status_code == 409
    assert find(northwind.id, invoice.number).balance == 0


def test_a_one_off_invoice_is_a_draft_until_it_is_issued(desk: Desk, northwind: Account) -> None:
    first = {"description_1": "Porting", "quantity_1": "12", "price_1": "15.00"}
    form = first | {"description_2": "Goodwill", "price_2": "-30", "quantity_2": "1", "po_number": "PO-9", "token": token()}
    for _ in range(2):
        posted(desk, "/desk/accounts/northwind/one-off/", **form)
    [draft] = DraftInvoice.objects.all()
    assert draft.total == 150 and not Invoice.objects.exists()
    assert "Northwind" in desk.read("/desk/drafts/")
    address = f"/desk/accounts/northwind/drafts/{draft.id}/"
    assert "Porting" in desk.read(address)
    assert "$150.00" in words(desk.get(f"{address}issue/"))
    review = desk.get(f"{address}issue/")
    assert "Porting: $180.00" in words(review) and "Goodwill: −$30.00" in words(review)
    assert [desk.confirm(f"{address}issue/", review).status_code for _ in range(2)] == [302, 409]
    [invoice] = Invoice.objects.all()
    assert (invoice.kind, invoice.total, invoice.po_number) == ("one_off", 150, "PO-9")
    assert "No drafts wait" in desk.read("/desk/drafts/")
    assert audit(None) == []


def test_a_line_without_its_price_is_explained(desk: Desk, northwind: Account) -> None:
    form = {"description_1": "A", "price_1": "1", "description_2": "B", "token": token()}
    answer = posted(desk, "/desk/accounts/northwind/one-off/", **form)
    assert answer.status_code == 400 and "A line has a description and a price." in words(answer)


def test_the_customer_finds_the_note_from_its_invoice_and_back(desk: Desk, northwind: Account, client: Client) -> None:
    an_invoice(northwind)
    desk.do(f"{HOME}credit/", extent="whole", reason="Billed twice")
    client.force_login(person(northwind, "owner", Level.SUPER_ADMIN))
    page = client.get("/billing/invoices/INV-000001/").content.decode()
    assert "/billing/credit-notes/CN-000001/" in page and "Credited in full" in page
    note = client.get("/billing/credit-notes/CN-000001/").content.decode()
    assert "/billing/invoices/INV-000001/" in note and "Billed twice" in note
    assert client.get("/billing/credit-notes/CN-000009/").status_code == 404


def test_a_rule_of_tax_is_added_and_taxes_the_next_invoice(desk: Desk, northwind: Account) -> None:
    form = {"country": "US", "tax_rate": "8.875", "label": "Sales tax", "valid_from": "2020-01-01"}
    assert "Sales tax of 8.875 %" in words(posted(desk, "/desk/taxes/new/", **form))
    posted(desk, "/desk/taxes/new/", **form, confirmed="yes")
    again = posted(desk, "/desk/taxes/new/", **form, confirmed="yes")
    assert again.status_code == 409 and "already" in words(again)
    invoice = an_invoice(northwind)
    assert (invoice.tax, invoice.total) == (Decimal("8.88"), invoice.subtotal + Decimal("8.88"))
    [rule] = TaxRule.objects.all()
    assert "US" in desk.read("/desk/taxes/")
    posted(desk, f"/desk/taxes/{rule.id}/withdraw/")
    assert "Nothing is taxed" in desk.read("/desk/taxes/")


def test_a_run_in_review_leaves_drafts_that_are_issued_only_as_looked_at(desk: Desk, northwind: Account) -> None:
    seats(northwind, 2)
    assert [draft_due(), draft_due()] == [1, 0]
    assert not Invoice.objects.exists()
    address = a_draft(northwind)
    assert "$40.00" in desk.read(address)
    seats(northwind, 1)
    assert decide(desk, f"{address}issue/").status_code == 409
    assert not Invoice.objects.exists() and "$60.00" in desk.read(address)
    assert decide(desk, f"{address}issue/").status_code == 302
    [invoice] = Invoice.objects.all()
    assert (invoice.total, invoice.kind) == (60, "recurring")
    assert bill().issued == [] and draft_due() == 0
    assert audit(None) == []


@pytest.mark.parametrize("verb", ["issue", "discard"])
def test_a_draft_that_a_run_brought_up_to_date_meanwhile_is_looked_at_again(
    desk: Desk, northwind: Account, verb: str
) -> None:
    seats(northwind, 2)
    draft_due()
    path = f"{a_draft(northwind)}{verb}/"
    review = desk.get(path)
    seats(northwind, 1)
    draft_due()
    for answer in (desk.confirm(path, review), desk.client.post(path)):
        assert answer.status_code == 409 and "Look at it again" in words(answer)
    assert DraftInvoice.objects.get().state == "open" and not Invoice.objects.exists()
    assert decide(desk, path).status_code == 302


def test_a_draft_whose_tax_changed_meanwhile_is_looked_at_again(desk: Desk, northwind: Account) -> None:
    seats(northwind, 2)
    draft_due()
    path = f"{a_draft(northwind)}issue/"
    review = desk.get(path)
    rule = {"country": "US", "tax_rate": "10", "label": "Sales tax", "valid_from": "2020-01-01"}
    posted(desk, "/desk/taxes/new/", **rule, confirmed="yes")
    assert desk.confirm(path, review).status_code == 409 and not Invoice.objects.exists()
    draft_due()
    assert DraftInvoice.objects.get().total == 44
    assert "$44.00" in words(desk.get(path))
    decide(desk, path)
    assert Invoice.objects.get().total == 44
    [line] = trail(northwind.id, "draft.issued")
    assert Decimal(line.after["total"]) == 44


EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""Places where it is never the same day."""


def test_what_was_not_due_for_a_while_is_drafted_again(northwind: Account) -> None:
    """A run that finds nothing due any more has not decided that it is never to be billed."""
    moved(northwind, EAST)
    northwind.anchor_on = today_in(northwind)
    northwind.save()
    seats(northwind, 2)
    assert draft_due() == 1
    moved(northwind, WEST)
    assert draft_due() == 0 and DraftInvoice.objects.get().state == "discarded"
    moved(northwind, EAST)
    assert [draft_due(), draft_due()] == [1, 0]
    assert DraftInvoice.objects.get(state="open").total == DraftInvoice.objects.get(state="discarded").total


def test_what_a_person_put_away_stays_so_until_it_changes(desk: Desk, northwind: Account) -> None:
    seats(northwind, 2)
    draft_due()
    decide(desk, f"{a_draft(northwind)}discard/")
    assert draft_due() == 0
    seats(northwind, 1)
    assert draft_due() == 1 and DraftInvoice.objects.get(state="open").total == 60


def moved(account: Account, timezone: str) -> None:
    account.timezone = timezone
    account.save()
