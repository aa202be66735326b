"""Billing details: seen before they are saved, for future documents only, by whoever may write there."""

from datetime import date

import pytest
from django.test import Client

from tests.invoicing.papers import issued, line
from tests.invoicing.test_tax import rule
from tests.people import person
from tests.web.desk.conftest import Desk, words
from tests.web.desk.conftest import desk as desk
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, AuditEntry, Level
from tollbook.invoicing.tax import REVERSE_NOTE

ADDRESS = "/billing/details/"
NEW = {"legal_name": "Northwind GmbH", "address": "Main 1", "country": "DE", "tax_id": "DE129273398", "po_number": "PO-1",
       "billing_email": "ap@northwind.example", "recipients": "a@northwind.example\nb@northwind.example"}  # fmt: skip


@pytest.fixture
def northwind(db, client: Client) -> Account:
    account = open_account(NewAccount("northwind", "Northwind", date(2026, 1, 3)), SYSTEM)
    client.force_login(person(account, "owner", Level.SUPER_ADMIN))
    return account


def test_what_changes_is_shown_first_and_then_saved_for_future_documents(client: Client, northwind: Account) -> None:
    before = issued(northwind)
    page = client.post(ADDRESS, NEW).content.decode()
    assert "Northwind GmbH" in page and "Those that are issued never change" in page
    northwind.refresh_from_db()
    assert northwind.legal_name == ""
    assert client.post(ADDRESS, NEW | {"step": "confirm"}).status_code == 302
    northwind.refresh_from_db()
    assert northwind.recipients == ["a@northwind.example", "b@northwind.example"]
    after = issued(northwind)
    before.refresh_from_db()
    assert (before.buyer["legal_name"], after.buyer["legal_name"]) == ("", "Northwind GmbH")
    assert (after.po_number, after.recipients) == ("PO-1", northwind.recipients)
    [entry] = AuditEntry.objects.filter(account_id=northwind.id, action="account.change")
    assert entry.after["recipients"] == "a@northwind.example, b@northwind.example"


def test_what_a_customer_says_of_its_place_and_tax_id_counts_for_tax_once_staff_confirm_it(
    client: Client, northwind: Account, desk: Desk
) -> None:
    rule("US", "8")
    rule("DE", "19", is_reverse_charge=True)
    rule("FR", "0", label="Nothing")
    at_home = issued(northwind, line("100.00"))
    client.post(ADDRESS, NEW | {"country": "FR", "step": "confirm"})
    northwind.refresh_from_db()
    moved = issued(northwind, line("100.00"))
    assert [at_home.tax, moved.tax, moved.buyer["country"]] == [8, 8, "FR"]
    assert "Tax stays as it is until" in client.post(ADDRESS, NEW).content.decode()
    client.post(ADDRESS, NEW | {"step": "confirm"})
    assert "Confirm for tax" in desk.read("/desk/accounts/northwind/")
    assert "1 account to confirm for tax" in desk.read("/desk/")
    waiting = desk.read("/desk/taxes/waiting/")
    assert "Country US" in waiting and "Country DE" in waiting and "Tax ID DE129273398" in waiting
    assert "by owner@northwind.example" in waiting
    address = "/desk/accounts/northwind/tax/"
    review = desk.get(address)
    assert "DE129273398" in words(review)
    client.post(ADDRESS, NEW | {"tax_id": "DE000000000", "step": "confirm"})
    assert desk.confirm(address, review).status_code == 409
    client.post(ADDRESS, NEW | {"step": "confirm"})
    assert desk.confirm(address, desk.get(address)).status_code == 302
    northwind.refresh_from_db()
    assert (issued(northwind, line("100.00")).tax_note, issued(northwind).tax) == (REVERSE_NOTE, 0)
    assert "Confirm for tax" not in desk.read("/desk/accounts/northwind/")
    assert "to confirm for tax" not in desk.read("/desk/") and "Nothing waits" in desk.read("/desk/taxes/waiting/")
    client.post(ADDRESS, NEW | {"tax_id": "DE1", "step": "confirm"})
    northwind.refresh_from_db()
    assert issued(northwind, line("100.00")).tax == 19, "another tax id is not the one that was checked"


def test_nonsense_is_explained_and_nothing_else_can_be_changed_here(client: Client, northwind: Account) -> None:
    for values, says in (
        ({"country": "Germany"}, "Two capital letters"), ({"recipients": "nobody"}, "is not an email address"),
        ({"billing_email": "x"}, "valid email"),
    ):  # fmt: skip
        answer = client.post(ADDRESS, NEW | values | {"step": "confirm"})
        assert answer.status_code == 400 and says in answer.content.decode()
    client.post(ADDRESS, NEW | {"step": "confirm", "terms_days": "300", "tax_exemption": "no"})
    northwind.refresh_from_db()
    assert (northwind.terms_days, northwind.tax_exemption) == (14, "")


def test_who_only_reads_invoices_may_not(client: Client, northwind: Account) -> None:
    client.force_login(person(northwind, "agent", Level.AGENT))
    assert client.get(ADDRESS).status_code == 403
