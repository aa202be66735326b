"""Cards are added, chosen and removed with keys alone; the number is typed on the gateway's page, at another address."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import processes
from tests.browser.test_live_bar import sign_in
from tests.browser.test_refill_rule import to
from tests.databases import Database
from tests.gateway import Gateway, running
from tests.payments.at_stripe import secrets
from tests.people import People, people
from tollbook.payments import method
from tollbook.wallets.wallet import open_wallets


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path / "gateway") as fake:
        yield fake


@pytest.fixture
def live(db: Database, static_files: None, tmp_path: Path, fake: Gateway) -> Iterator[str]:
    """A web process that takes cards at the fake gateway."""
    stripe = {"TOLLBOOK_GATEWAYS": "stripe", "TOLLBOOK_STRIPE_API_BASE": fake.url}
    with processes.web(db.environment() | secrets() | stripe, tmp_path / "web.log") as address:
        yield address


@pytest.fixture
def them(db: Database) -> People:
    them = people()
    open_wallets(them.northwind)
    return them


def assert_clean(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def press(page: Page, name: str) -> None:
    to(page, name)
    page.keyboard.press("Enter")


def add(page: Page, fake: Gateway, card: str) -> None:
    """From the list to the gateway's page and back."""
    press(page, "Add a card")
    expect(page.get_by_text("It never reaches")).to_be_visible()
    assert_clean(page)
    press(page, "Continue")
    expect(page.get_by_role("link", name="Go to the secure page")).to_be_visible()
    assert_clean(page)
    press(page, "Go to the secure page")
    page.wait_for_url(f"{fake.url}/**")
    page.locator(f"input[value={card}]").check()
    page.get_by_role("button", name="Save a card").click()
    page.wait_for_url("**/billing/payment-methods/")


def test_cards_are_added_chosen_and_removed_with_keys_alone(them: People, page: Page, fake: Gateway) -> None:
    sign_in(page)
    page.goto("/billing/payment-methods/")
    assert_clean(page)
    add(page, fake, "pm_card_visa")
    expect(page.get_by_text("Visa •• 4242 is added. It is charged from now on.")).to_be_visible()
    add(page, fake, "pm_card_mastercard")
    expect(page.get_by_text("Mastercard •• 4444 is added. It is the backup.")).to_be_visible()
    assert_clean(page)

    press(page, "Make default")
    expect(page.get_by_text("Visa •• 4242 becomes the backup")).to_be_visible()
    assert_clean(page)
    press(page, "Make it the default")
    expect(page.get_by_text("Mastercard •• 4444 is charged from now on.")).to_be_visible()

    page.get_by_role("link", name="Remove Visa •• 4242").press("Enter")
    expect(page.get_by_role("heading", name="Remove Visa •• 4242")).to_be_visible()
    assert_clean(page)
    press(page, "Remove it")
    expect(page.get_by_text("Visa •• 4242 is removed.")).to_be_visible()
    assert [card.last4 for card in method.of_account(them.northwind.id)] == ["4444"]
