"""Every page a person can reach by links: axe finds nothing, in light and dark; keys reach everything; nothing overflows.

The pages are found by walking from the start page, so a new page is covered the moment something links to it, and
compared with the URL configuration, so a page that nothing links to is noticed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.demo import Demo, running, sign_in, watched
from tests.conftest import HOME

SAMPLES = 2
MOST_PAGES = 150
FILES = (".pdf", ".csv", ".xlsx", ".zip", ".xml", "stream", ".css")
# Reached by a form's button, not by a link; the release of refills, only while a breaker waits for somebody; days given
# back, only while they wait; the address where balances used to be, which leads on.
BY_FORM: set[str] = {
    "desk:search", "desk:refills-release", "portal:release", "portal:coins", "portal:payment",
    "portal:payment-method-returned", "portal:simulated-gateway", "portal:payment-give-up", "desk:payment-settle",
    "desk:invoice-expect-again", "desk:subscriptions-give-back",
}  # fmt: skip
# Linked only while somebody waits for access, a refill for somebody, or a place for tax; from an open invoice,
# or from what was searched for.
SHY = {
    "owner@northwind.example": [
        "/access/requests/",
        "/billing/invoices/{unpaid}/pay/",
        "/billing/credits/outbound/refills/{refill}/give-up/",
        "/billing/credit-notes/CN-000001/",
    ],
    "support@tollbook.example": [
        "/desk/accounts/northwind/tax/",
        "/desk/accounts/northwind/invoices/{unpaid}/pay/",
        "/desk/accounts/northwind/invoices/{unpaid}/collect/",
        "/desk/accounts/northwind/invoices/{unpaid}/credit/",
        "/desk/accounts/northwind/invoices/{unpaid}/write-off/",
        "/desk/search/?q={event}",
        "/desk/accounts/northwind/refills/{refill}/settle/",
    ],
}


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running(HOME / "walk", traffic="off") as demo:
        yield demo


@dataclass
class Walk:
    """Pages seen, by the name of their view."""

    seen: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=lambda: ["/"])

    def next(self) -> str | None:
        """The next address of a view that was not looked at often enough."""
        while self.waiting:
            address = self.waiting.pop(0)
            name = view_of(address)
            paths = self.seen.setdefault(name, []) if name else None
            if paths is not None and len(paths) < SAMPLES and urlsplit(address).path not in map(_path, paths):
                paths.append(address)
                return address
        return None


def _path(address: str) -> str:
    return urlsplit(address).path


def view_of(address: str) -> str | None:
    """The view's full name; None for files and for what is not ours."""
    path = urlsplit(address).path
    if path.endswith(FILES) or path.startswith("/static/"):
        return None
    try:
        return resolve(path).view_name
    except Resolver404:
        return None


def links(page: Page) -> list[str]:
    """Where the page's links lead, on this site."""
    found = page.eval_on_selector_all("a[href]", "nodes => nodes.map(node => node.getAttribute('href'))")
    absolute = [urlsplit(urljoin(page.url, href)) for href in found]
    here = urlsplit(page.url).netloc
    return [
        address.path + (f"?{address.query}" if address.query else "") for address in absolute if address.netloc == here
    ]


def shy_links(address: str) -> list[str]:
    """What a page links to only sometimes: an endpoint's, when something did not arrive there."""
    path = _path(address)
    return [f"{path}missed/"] if (view_of(path) or "").endswith(":hook") else []


@pytest.mark.parametrize("email", ["owner@northwind.example", "support@tollbook.example"])
def test_every_page_is_accessible_and_in_order(browser: Browser, demo: Demo, email: str) -> None:
    context = browser.new_context(base_url=demo.address, viewport={"width": 1440, "height": 1000})
    faults = watched(context, demo.address)
    page = context.new_page()
    sign_in(page, email)
    walk = Walk()
    walk.waiting += [address.format(unpaid=unpaid(demo), event=event(demo), refill=refill(demo)) for address in SHY[email]]
    count = 0
    while (address := walk.next()) is not None and count < MOST_PAGES:
        answer = page.goto(address)
        if answer is None or answer.status >= 400:
            faults.append(f"{address} answers {answer and answer.status}")
            continue
        count += 1
        walk.waiting += links(page) + shy_links(address)
        faults += [f"{address}: {fault}" for fault in look_at(page, len(walk.seen[view_of(address) or ""]) == 1)]
    context.close()
    print(f"{email}: {count} pages of {len(walk.seen)} kinds", *faults, sep="\n")
    assert faults == []
    assert count >= 8
    expected = "desk:" if email.startswith("support") else "portal:"
    missing = {name for name in linked_views() if name.startswith(expected)} - set(walk.seen) - BY_FORM
    assert missing == set()


def unpaid(demo: Demo) -> str:
    """The number of an invoice on which something is open."""
    headers = {"Authorization": f"Bearer {demo.api_key}"}
    answer = httpx.get(f"{demo.address}/api/v1/accounts/northwind/invoices", headers=headers, trust_env=False)
    return next(row["number"] for row in answer.json()["items"] if Decimal(row["balance"]) > 0)


def refill(demo: Demo) -> str:
    """The id of a refill: its pages for what waits look the same when it does not wait any more."""
    headers = {"Authorization": f"Bearer {demo.api_key}"}
    path = "/api/v1/accounts/northwind/wallets/outbound/refills"
    answer = httpx.get(f"{demo.address}{path}", headers=headers, trust_env=False)
    return str(answer.json()["items"][0]["id"])


def event(demo: Demo) -> str:
    """The id of a usage event that cost something."""
    headers = {"Authorization": f"Bearer {demo.api_key}"}
    answer = httpx.get(f"{demo.address}/api/v1/accounts/northwind/events", headers=headers, trust_env=False)
    return quote(next(row["id"] for row in answer.json()["items"] if Decimal(row["cost"]) > 0))


def look_at(page: Page, first: bool) -> Iterator[str]:
    """What is wrong with the page as it stands; the slow checks only at the first of its kind."""
    if page.locator("h1").count() != 1:
        yield "has not exactly one h1"
    if page.evaluate("document.querySelectorAll('[style]').length"):
        yield "has inline style"
    if not first:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for violation in Axe().run(page).response["violations"]:
            nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
            yield f"axe, {scheme}: {violation['id']}: {nodes}"
    page.emulate_media(color_scheme="light")
    yield from _keys(page)
    page.set_viewport_size({"width": 390, "height": 844})
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield "is wider than a phone"
    page.set_viewport_size({"width": 1440, "height": 1000})


TABBABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
    .filter(node => !node.disabled && node.type !== 'hidden' && node.checkVisibility({visibilityProperty: true})
            && !node.closest('[inert]') && node.tabIndex >= 0).length"""
FOCUSED = """() => { const node = document.activeElement;
    if (!node || node === document.body) return null;
    node.dataset.reached = 'yes';
    const style = getComputedStyle(node.closest('.affixed') ?? node);  // a field with its sign has one ring around both
    return style.outlineStyle !== 'none' || style.boxShadow !== 'none'
        || ['radio', 'checkbox'].includes(node.type); }"""


def _keys(page: Page) -> Iterator[str]:
    """Tab reaches everything there is to press, once round, and one sees where one is."""
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    wanted = page.evaluate(TABBABLE)
    invisible = 0
    for _ in range(min(wanted, 400) + 2 + _stops_within(page)):
        page.keyboard.press("Tab")
        invisible += page.evaluate(FOCUSED) is False
    reached = page.evaluate("document.querySelectorAll('[data-reached]').length")
    if reached < min(wanted, 400) - _radio_groups(page):
        yield f"Tab reaches {reached} of {wanted}"
    if invisible:
        yield f"{invisible} places show no focus"


def _stops_within(page: Page) -> int:
    """A field for a day or a moment is several stops of Tab: its parts, and the calendar's button."""
    return 6 * page.locator("input[type=date], input[type=datetime-local]").count()


def _radio_groups(page: Page) -> int:
    """Buttons of one radio group are one stop of Tab; arrows choose among them."""
    return page.evaluate(
        "(() => { const all = [...document.querySelectorAll('input[type=radio]')];"
        " return all.length - new Set(all.map(node => node.name)).size })()"
    )


def linked_views() -> set[str]:
    """Names of all views that answer GET with a page and need no more than what the walk finds."""
    return set(_named(get_resolver().url_patterns, ""))


def _named(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _named(pattern.url_patterns, inner)
        elif pattern.name and _is_page(pattern):
            yield namespace + pattern.name


def _is_page(pattern: URLPattern) -> bool:
    methods = getattr(getattr(pattern.callback, "declared", None), "methods", ())
    return "GET" in methods and not str(pattern.pattern).endswith(FILES)


def test_the_walk_would_notice_what_is_wrong(browser: Browser, demo: Demo) -> None:
    context: BrowserContext = browser.new_context(base_url=demo.address)
    page = context.new_page()
    sign_in(page, "owner@northwind.example")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<h1>two</h1><img src=\"/x\">')")
    found = " ".join(look_at(page, True))
    assert "h1" in found and "image-alt" in found
    context.close()
