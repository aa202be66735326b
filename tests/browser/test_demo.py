"""The demo from its one command: sign in, three tabs, numbers that move; Ctrl-C; a second start finds its data."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import Demo, running, sign_in, watched
from tests.conftest import HOME

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
TABS = {
    "Invoice History": "Invoice Number",
    "Subscriptions": "Recurring Fees",
    "Minutes/Credits": "Refill Amount",
}
WIDE, NARROW = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def home() -> Path:
    return HOME / "demo"


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[Demo]:
    with running(home) as demo:
        yield demo


def test_a_newcomer_signs_in_and_sees_the_three_tabs(browser: Browser, demo: Demo) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    context = browser.new_context(base_url=demo.address, viewport=WIDE)
    context.tracing.start(screenshots=True, snapshots=True)
    faults = watched(context, demo.address)
    page = context.new_page()
    sign_in(page, "owner@northwind.example")
    page.get_by_text("owner@northwind.example").first.click()
    page.get_by_role("link", name="Billing").last.click()
    expect(page).to_have_url(re.compile(r"/billing/invoices/$"))
    for tab, heading in TABS.items():
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.get_by_text(heading).first).to_be_visible()
        _photograph(page, tab)
    page.go_back()
    expect(page.get_by_text("Recurring Fees").first).to_be_visible()
    page.reload()
    expect(page.get_by_text("Recurring Fees").first).to_be_visible()
    context.tracing.stop(path=ARTEFACTS / "demo-trace.zip")
    context.close()
    assert faults == []


def _photograph(page: Page, tab: str) -> None:
    name = re.sub(r"\W+", "-", tab).lower()
    for scheme in ("light", "dark"):
        for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            page.screenshot(path=ARTEFACTS / f"{name}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)


def test_live_traffic_moves_the_balances_without_a_reload(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(base_url=demo.address)
    page = context.new_page()
    sign_in(page, "billing@northwind.example")
    page.goto("/billing/credits/")
    cells = page.locator("[data-live=balance]")
    before = cells.all_inner_texts()
    page.wait_for_function(
        "before => [...document.querySelectorAll('[data-live=balance]')].some((cell, i) => cell.innerText !== before[i])",
        arg=before,
        timeout=20_000,
    )
    assert len(before) >= 7
    context.close()


def test_an_admin_without_billing_is_told_who_can_help(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(base_url=demo.address)
    page = context.new_page()
    sign_in(page, "admin@northwind.example")
    page.get_by_text("admin@northwind.example").first.click()
    page.get_by_role("link", name="Billing").last.click()
    expect(page.get_by_role("heading", name="You don't have access to Billing")).to_be_visible()
    expect(page.get_by_text("owner@northwind.example").first).to_be_visible()
    expect(page.get_by_role("button", name="Request access")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    context.close()


def test_pages_before_signing_in_and_of_refusals_are_accessible(browser: Browser, demo: Demo) -> None:
    context = browser.new_context(base_url=demo.address)
    page = context.new_page()
    for address in ("/sign-in/", "/password/reset/", "/no-such-page/"):
        page.goto(address)
        expect(page.locator("h1")).to_have_count(1)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert Axe().run(page).response["violations"] == [], address
    context.close()


def test_ctrl_c_stops_everything_and_a_second_start_finds_its_data(browser: Browser, demo: Demo) -> None:
    api_key = demo.api_key
    assert demo.interrupt() == 0
    assert not list(demo.home.rglob("postmaster.pid"))
    with running(demo.home, traffic="off", within_seconds=60) as again:
        assert again.api_key == api_key
        assert "Opening two accounts" not in again.output.read_text().split("Ctrl-C stops everything")[-2]
        context = browser.new_context(base_url=again.address)
        page = context.new_page()
        sign_in(page, "owner@contoso.example")
        page.goto("/billing/credits/")
        expect(page.get_by_text("Outbound Minutes").first).to_be_visible()
        context.close()
