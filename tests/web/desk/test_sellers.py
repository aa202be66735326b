"""Sellers: a profile prints its own name and counts its own series, year by year when it is set so."""

import pytest

from tests.cast import an_account
from tests.payments.test_transfer import an_invoice
from tests.web.desk.conftest import Desk, words
from tests.web.desk.test_credit_notes import posted
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.errors import Invalid
from tollbook.invoicing.tables import CreditNote, Invoice

NEW = {"code": "eu", "name": "Tollbook Europe", "country": "DE", "series": "EU", "credit_series": "EUCN", "is_yearly": "on"}


def test_a_seller_has_its_own_dense_series_for_each_year(desk: Desk, northwind: Account) -> None:
    assert "Make the seller Tollbook Europe" in words(posted(desk, "/desk/sellers/new/", **NEW))
    posted(desk, "/desk/sellers/new/", **NEW, confirmed="yes")
    assert "Tollbook Europe" in desk.read("/desk/sellers/")
    european = an_account("contoso")
    european.seller_code = "eu"
    european.save()
    first, other, second = an_invoice(european), an_invoice(northwind), an_invoice(european, cause="period:x")
    year = first.issued_on.year
    assert [one.number for one in (first, other, second)] == [f"EU-{year}-000001", "INV-000001", f"EU-{year}-000002"]
    assert (first.seller["name"], first.seller["country"]) == ("Tollbook Europe", "DE")
    address = f"/desk/accounts/contoso/invoices/{first.number}/credit/"
    desk.do(address, extent="whole", reason="x")
    assert [note.number for note in CreditNote.objects.all()] == [f"EUCN-{year}-000001"]
    assert audit(None) == []


def test_series_are_not_shared_and_never_change(desk: Desk, northwind: Account) -> None:
    answer = posted(desk, "/desk/sellers/new/", **NEW | {"series": "INV"}, confirmed="yes")
    assert "Another seller has a series of this name." in words(answer)
    posted(desk, "/desk/sellers/new/", **NEW, confirmed="yes")
    posted(desk, "/desk/sellers/eu/", **NEW | {"name": "Tollbook EU", "series": "XX"}, confirmed="yes")
    assert "Tollbook EU" in desk.read("/desk/sellers/") and "EU and EUCN" in desk.read("/desk/sellers/")


def test_a_seller_that_is_not_kept_is_not_chosen_and_issues_nothing(desk: Desk, northwind: Account) -> None:
    """Its own counter would begin at 1, and give out the operator's numbers a second time."""
    posted(desk, "/desk/sellers/new/", **NEW, confirmed="yes")
    assert '<option value="eu">Tollbook Europe</option>' in desk.get("/desk/accounts/northwind/edit/").content.decode()
    an_invoice(northwind)
    northwind.seller_code = "oprator"
    northwind.save()
    with pytest.raises(Invalid, match="no seller “oprator”"):
        an_invoice(northwind, cause="period:x")
    assert [one.number for one in Invoice.objects.all()] == ["INV-000001"]
