"""An invoice is paid with keys alone, the receipt follows it by itself; all three pages stand up to axe and a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_live_bar import sign_in
from tests.browser.test_refill_rule import to, write
from tests.cast import a_rate
from tests.databases import Database
from tests.invoicing.papers import issued, line
from tests.people import People, people
from tests.refills.shop import OWNER, gateway_is
from tollbook.payments import collect, method
from tollbook.payments.gateway import NewMethod
from tollbook.wallets.wallet import open_wallets


@pytest.fixture
def them(db: Database) -> People:
    """Northwind owes an invoice and has a card."""
    them = people()
    open_wallets(them.northwind)
    a_rate(cents="10")
    issued(them.northwind, line("100.00"))
    with gateway_is():
        method.add(them.northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2040), OWNER)
    return them


def looks_right(page: Page) -> None:
    """Axe finds nothing, in light and dark, and a phone shows all of it."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert Axe().run(page).response["violations"] == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_an_invoice_is_paid_in_two_parts_with_keys_alone(them: People, page: Page) -> None:
    sign_in(page)
    page.goto("/billing/invoices/INV-000001/")
    to(page, "Pay")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pay invoice INV-000001")).to_be_visible()
    looks_right(page)
    write(page, "Amount", "40")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review: pay $40.00 of INV-000001")).to_be_visible()
    looks_right(page)
    to(page, "Pay $40.00")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is being charged")
    with gateway_is():
        collect.run_due()
    expect(page.get_by_role("status")).to_contain_text("$60.00 is still open on it", timeout=10_000)
    looks_right(page)
    page.get_by_role("link", name="Pay the rest").click()
    expect(page.get_by_label("Amount")).to_have_value("60.00")
