"""The desk in a browser: keys alone adjust a balance on a phone; reviews, refusals and results are as good as pages."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.demo import watched
from tests.cast import a_rate, an_account, funded, wallet
from tests.payments.test_transfer import an_invoice
from tests.people import PASSWORD, person
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, Level
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.tables import FeeKind

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
NORTHWIND = "/desk/accounts/northwind"
ADJUST = f"{NORTHWIND}/wallets/outbound/adjust/"


@pytest.fixture
def northwind(db) -> Account:
    account = an_account("northwind", legal_name="Northwind Contact Center, Inc.", address="350 Fifth Avenue\nNew York")
    person(account, "owner", Level.SUPER_ADMIN)
    person(None, "support", Level.STAFF)
    funded(account, amount="480.25")
    funded(account, "sms", "25", "granted")
    a_rate(cents="1.20")
    a_rate(cents="2.5", prefix="1212", description="New York City")
    offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("24.995"), SYSTEM)
    an_invoice(account)
    return account


@pytest.fixture
def desk(northwind: Account, live: str, page: Page) -> Iterator[Page]:
    """A tab of somebody of the staff, signed in."""
    faults = watched(page.context, live)
    page.goto("/sign-in/?next=/desk/")
    page.get_by_label("Email").fill("support@tollbook.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Desk", exact=True)).to_be_visible()
    yield page
    assert [fault for fault in faults if "the server responded with a status of 400" not in fault] == []


def in_order(page: Page) -> None:
    """axe finds nothing in light and dark; nothing is wider than the screen, on a phone and on a desktop."""
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = [(one["id"], one["nodes"][0]["html"][:160]) for one in Axe().run(page).response["violations"]]
            assert found == [], (page.url, scheme, size)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (page.url, size)
    page.emulate_media(color_scheme="light")


def pressed(page: Page, name: str) -> None:
    """Tab until the button with this name has the focus, then Enter."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(document.activeElement.innerText || '').trim()") == name:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab never reaches “{name}” on {page.url}")


def test_keys_alone_adjust_a_balance_on_a_phone(desk: Page, northwind: Account) -> None:
    desk.set_viewport_size(PHONE)
    desk.goto(ADJUST)
    desk.get_by_label("Amount").focus()
    desk.keyboard.type("-12.50")
    desk.keyboard.press("Tab")
    desk.keyboard.type("Carrier outage")
    pressed(desk, "Review")
    expect(desk.get_by_role("heading", name="Adjust Outbound Minutes of Northwind by −$12.50")).to_be_visible()
    expect(desk.get_by_text("It triggers no refill")).to_be_visible()
    assert wallet(northwind).paid == Decimal("480.25")
    pressed(desk, "Go back")
    expect(desk.get_by_label("Amount")).to_have_value("-12.50")
    expect(desk.get_by_label("Reason")).to_have_value("Carrier outage")
    desk.get_by_label("Amount").focus()
    pressed(desk, "Review")
    expect(desk.get_by_role("heading", name="Adjust Outbound Minutes of Northwind by −$12.50")).to_be_visible()
    pressed(desk, "Adjust")
    expect(desk.get_by_text("Balance: $467.75.")).to_be_visible()
    assert wallet(northwind).paid == Decimal("467.75")


def test_reviews_refusals_and_results_are_in_order(desk: Page) -> None:
    desk.goto(ADJUST)
    desk.get_by_role("button", name="Review").click()
    expect(desk.get_by_text("This field is required.").first).to_be_visible()
    in_order(desk)
    desk.get_by_label("Amount").fill("5")
    desk.get_by_label("Reason").fill("Goodwill")
    desk.get_by_role("button", name="Review").click()
    in_order(desk)
    desk.get_by_role("button", name="Adjust").click()
    in_order(desk)


@pytest.mark.parametrize("words", ["north", "owner@", "INV-000001", "zzz"])
def test_the_search_box_is_on_every_page_and_its_answers_are_in_order(desk: Page, words: str) -> None:
    desk.get_by_role("searchbox").fill(words)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    in_order(desk)


def test_a_bank_transfer_is_recorded_and_read_in_the_books(desk: Page) -> None:
    desk.goto(f"{NORTHWIND}/invoices/INV-000001/")
    desk.get_by_role("link", name="Record a bank transfer").click()
    expect(desk.get_by_label("Amount (USD)")).to_have_value("100.00")
    desk.get_by_label("Reference").fill("SEPA 8812")
    desk.get_by_role("button", name="Review").click()
    desk.get_by_role("button", name="Record the payment").click()
    expect(desk.get_by_text("clearing:manual").first).to_be_visible()
    in_order(desk)


def test_a_key_is_shown_once(desk: Page) -> None:
    desk.goto("/desk/keys/new/")
    desk.get_by_label("Name").fill("dialer-2")
    desk.get_by_label("send usage events").check()
    desk.get_by_role("button", name="Make the key").click()
    assert desk.get_by_label("Key").input_value().startswith("tb_")
    in_order(desk)
