"""Invoice History, Subscriptions and the invoice page in a browser: tabs, back, reload, keyboard alone, axe, phone."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.demo import watched
from tests.databases import Database
from tests.many_invoices import load
from tests.people import PASSWORD, People, people
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import User
from tollbook.invoicing.run import bill
from tollbook.money.period import period_number, period_of
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
PAGES = {
    "invoices": "/billing/invoices/",
    "filtered": "/billing/invoices/?status=overdue&status=posted&sort=-amount",
    "wrong": "/billing/invoices/?from=99&to=2026-02-30",
    "none": "/billing/invoices/?number=zzz",
    "invoice": "/billing/invoices/INV-000141/",
    "subscriptions": "/billing/subscriptions/",
}


@pytest.fixture
def them(db: Database) -> People:
    """Northwind with 132 invoices of five years and nine from its subscriptions; Contoso with nothing."""
    them = people()
    account, today = them.northwind, today_in(them.northwind)
    load(db, account, 132, until=today, open_share=0.35)
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal("24.995"), SYSTEM)
    offer("storage", "Call recording storage, per 100 GB", FeeKind.RECURRING, Decimal("12"), SYSTEM)
    offer("onboarding", "Onboarding and number porting", FeeKind.SETUP, Decimal("300"), SYSTEM)
    now = period_of(account.anchor_on, today)
    first = period_number(account.anchor_on, now.index - 8)
    for code, quantity, starts_on in (
        ("seats", 40, first.start_on), ("onboarding", 2, first.start_on), ("storage", 3, today + timedelta(days=9)),
    ):  # fmt: skip
        start(account, NewSubscription(code, starts_on, Decimal(quantity)), SYSTEM)
    for index in range(first.index, now.index + 1):
        period = period_number(account.anchor_on, index)
        bill(period.start_on)
    return them


@pytest.fixture
def faults(context: BrowserContext, live: str) -> Iterator[list[str]]:
    """Nothing may go wrong unseen."""
    found = watched(context, live)
    yield found
    assert found == []


@pytest.fixture
def owner(them: People, page: Page, faults: list[str]) -> Page:
    signed_in(page, them.owner)
    return page


def signed_in(page: Page, user: User) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Email").fill(user.email)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Billing").first.wait_for()


def numbers(page: Page) -> list[str]:
    return page.locator("tbody th[scope=row]").all_inner_texts()


def press_until(page: Page, name: str, key: str = "Enter") -> None:
    """Tab on until something with a name like this has the focus, then press the key: as somebody without a mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(() => { const it = document.activeElement;"
            " return (it.getAttribute('aria-label') || (it.labels && it.labels[0] || it).innerText || '')"
            ".replace(/\\s+/g, ' ').trim() })()"
        )
        if re.fullmatch(name, focused):
            page.keyboard.press(key)
            return
    raise AssertionError(f"Tab never reaches {name}")


def test_tabs_have_addresses_that_survive_reload_and_the_back_button(owner: Page) -> None:
    owner.goto("/billing/")
    expect(owner).to_have_url(re.compile("/billing/invoices/$"))
    owner.get_by_role("link", name="Subscriptions").click()
    expect(owner).to_have_url(re.compile("/billing/subscriptions/$"))
    expect(owner.get_by_role("heading", name="Recurring Fees")).to_be_visible()
    owner.reload()
    expect(owner.locator(".tabs [aria-current=page]")).to_have_text("Subscriptions")
    owner.go_back()
    expect(owner.locator(".tabs [aria-current=page]")).to_have_text("Invoice History")
    expect(owner.get_by_role("table", name="Invoices")).to_be_visible()


def test_filter_order_and_page_survive_reload_back_and_an_opened_invoice(owner: Page) -> None:
    owner.goto("/billing/invoices/")
    owner.get_by_label(re.compile("^Paid")).check()
    owner.get_by_label("From").fill("2022-06-01")
    owner.get_by_role("button", name="Filter").click()
    expect(owner).to_have_url(re.compile(r"\?status=paid&from=2022-06-01$"))
    owner.get_by_role("link", name="Amount").click()
    owner.get_by_role("link", name="Next page").click()
    address, seen = owner.url, numbers(owner)
    assert "status=paid" in address and "sort=-amount" in address and "page=2" in address and len(seen) == 25
    owner.get_by_role("link", name=seen[3], exact=True).click()
    expect(owner.get_by_role("heading", level=1)).to_have_text(f"Invoice {seen[3]}")
    owner.go_back()
    assert (owner.url, numbers(owner)) == (address, seen)
    owner.reload()
    assert numbers(owner) == seen
    expect(owner.get_by_label(re.compile("^Paid"))).to_be_checked()
    expect(owner.get_by_label("From")).to_have_value("2022-06-01")


def test_the_keyboard_alone_filters_sorts_opens_and_downloads(owner: Page) -> None:
    owner.goto("/billing/invoices/")
    press_until(owner, r"Overdue \d+", "Space")
    press_until(owner, "Filter")
    expect(owner).to_have_url(re.compile(r"\?status=overdue$"))
    press_until(owner, "Balance")
    expect(owner).to_have_url(re.compile("sort=-balance"))
    first = numbers(owner)[0]
    with owner.expect_download() as download:
        press_until(owner, f"Download invoice {first} as PDF")
    assert download.value.suggested_filename == f"{first}.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    owner.reload()
    press_until(owner, first)
    expect(owner.get_by_role("heading", level=1)).to_have_text(f"Invoice {first}")
    with owner.expect_download() as download:
        press_until(owner, "CSV")
    assert download.value.suggested_filename == f"{first}.csv"


def test_the_csv_holds_all_pages_of_what_is_filtered(owner: Page) -> None:
    owner.goto("/billing/invoices/?status=paid&status=overdue&rows=50")
    count = int(owner.locator(".pager-range").inner_text().split(" of ")[1])
    with owner.expect_download() as download:
        owner.get_by_role("link", name="CSV").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == count + 1 > 51


def test_neighbours_lead_from_invoice_to_invoice(owner: Page) -> None:
    owner.goto("/billing/invoices/INV-000050/")
    owner.get_by_role("link", name="Next invoice, INV-000051").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Invoice INV-000051")
    owner.get_by_role("link", name="Previous invoice, INV-000050").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Invoice INV-000050")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_in_both_schemes_and_fit_a_phone(
    browser: Browser, live: str, them: People, scheme: str, width: int
) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    context = browser.new_context(base_url=live, viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults, page = watched(context, live), context.new_page()
    signed_in(page, them.owner)
    for name, address in PAGES.items():
        assert page.goto(address).status == 200
        violations = Axe().run(page).response["violations"]
        faults += [f"{name}: {one['id']}: {one['nodes'][0]['html'][:120]}" for one in violations]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{name} is wider than {width} px")
        page.screenshot(path=ARTEFACTS / f"billing-{name}-{width}-{scheme}.png", full_page=True)
    context.close()
    assert faults == []


def test_an_account_without_anything_is_told_what_will_come(browser: Browser, live: str, them: People) -> None:
    context = browser.new_context(base_url=live)
    page = context.new_page()
    signed_in(page, them.stranger)
    page.goto("/billing/invoices/")
    expect(page.get_by_text("No invoices yet.")).to_be_visible()
    page.goto("/billing/subscriptions/")
    expect(page.get_by_text("No subscriptions yet.")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    context.close()
