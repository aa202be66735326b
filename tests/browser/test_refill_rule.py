"""A refill rule is changed with keys alone, and the bar's mark moves on another page that is open meanwhile."""

from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_live_bar import sign_in
from tests.cast import a_rate, funded
from tests.databases import Database
from tests.people import People, people
from tollbook.refills.tables import RefillRule
from tollbook.wallets.wallet import open_wallets


@pytest.fixture
def them(db: Database) -> People:
    """Northwind has $100 of outbound minutes and no rule."""
    them = people()
    open_wallets(them.northwind)
    a_rate(cents="10")
    funded(them.northwind, amount="100")
    return them


def to(page: Page, name: str) -> None:
    """Press Tab until what has this name (or the field with this label) has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(node => node.labels?.[0]?.innerText || node.getAttribute('aria-label') || node.innerText || '')"
            "(document.activeElement)"
        )
        if focused.strip().startswith(name):
            return
    raise AssertionError(f"Tab does not reach “{name}”")


def write(page: Page, label: str, text: str) -> None:
    to(page, label)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def test_a_rule_is_set_reviewed_and_taken_back_with_keys_alone(them, page: Page) -> None:
    sign_in(page)
    watching = page.context.new_page()
    watching.goto("/billing/credits/")
    expect(watching.locator("[data-live-status]")).to_contain_text("Live")
    mark = watching.locator("li[data-wallet=outbound] [data-bar=mark]")
    expect(mark).to_have_attribute("display", "none")

    page.goto("/billing/credits/outbound/")
    to(page, "Set up refills")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Refills of Outbound Minutes")).to_be_visible()
    write(page, "Refill Amount", "lots")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“lots” is not an amount")).to_be_visible()
    expect(page.get_by_label("Refill Amount")).to_have_value("lots")
    write(page, "Refill Amount", "500")
    write(page, "Minimum Before Refill", "25")
    write(page, "Charged a month, at most", "5000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review: refills of Outbound Minutes")).to_be_visible()
    to(page, "Confirm")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved by owner@northwind.example")).to_be_visible()
    assert RefillRule.objects.get().minimum_before_refill == Decimal(25)
    expect(mark).to_have_attribute("x", "75%")
    expect(watching.locator("tr[data-wallet=outbound] [data-live=minimum]")).to_have_text("$25.00")

    to(page, "Undo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review: refills of Outbound Minutes")).to_be_visible()
    to(page, "Turn off automatic refill")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Outbound Minutes is not refilled automatically.")).to_be_visible()
    expect(mark).to_have_attribute("display", "none")
