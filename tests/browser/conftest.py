"""A headless Chromium. Every test in this folder has the marker `browser`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.prepare import MISSING, chromium

# Playwright's synchronous interface keeps an event loop in this thread, which Django would take for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    path = chromium()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        sandbox = os.geteuid() != 0  # Chromium's sandbox refuses to work for root
        running = playwright.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser, live: str) -> Iterator[BrowserContext]:
    """A person's own browser profile, whose addresses begin at the live web process."""
    made = browser.new_context(base_url=live)
    made.set_default_timeout(10_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab of it."""
    return context.new_page()
