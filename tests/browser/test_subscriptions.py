"""Subscriptions in a browser: staff see what a change costs before they confirm it; pages stand up to axe and a phone."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import watched
from tests.browser.test_desk import DESKTOP, PHONE, in_order
from tests.cast import an_account
from tests.people import PASSWORD, person
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, Level
from tollbook.money.period import period_of
from tollbook.rating.charges import Tier
from tollbook.subscriptions.change import Wanted, change_quantity, make
from tollbook.subscriptions.component import Terms, offer, set_price, today
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
HOME = "/desk/accounts/northwind/subscriptions/"
A_DAY = timedelta(days=1)


@pytest.fixture
def northwind(db) -> Account:
    """Seats by the day, lines by tiers, a yearly domain; one discount, one change to come, one price to come."""
    account = an_account("northwind", legal_name="Northwind Contact Center, Inc.")
    person(account, "owner", Level.SUPER_ADMIN)
    person(None, "support", Level.STAFF)
    offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("24.995"), SYSTEM, Terms(1, "", "sms", Decimal(2)))
    tiers = (Tier(Decimal(10), Decimal(5)), Tier(None, Decimal(4), Decimal(10)))
    offer("line", "Phone line", FeeKind.RECURRING, Price("graduated", Decimal(0), tiers), SYSTEM)
    offer("domain", "Domain name", FeeKind.RECURRING, Decimal(120), SYSTEM, Terms(12))
    offer("onboarding", "Onboarding", FeeKind.SETUP, Decimal(300), SYSTEM)
    set_price("seat", Price("per_unit", Decimal(27)), today() + 40 * A_DAY, SYSTEM)
    begun = period_of(account.anchor_on, today_in(account)).start_on - A_DAY
    seats = start(account, NewSubscription("seat", begun, Decimal(5), prorated=True), SYSTEM)
    start(account, NewSubscription("line", begun, Decimal(15), prorated=True), SYSTEM)
    start(account, NewSubscription("domain", begun, anchor_on=begun, prorated=True), SYSTEM)
    start(account, NewSubscription("onboarding", today_in(account)), SYSTEM)
    make(account, seats.id, Wanted(ChangeKind.DISCOUNT, today_in(account), percent=Decimal(10)), SYSTEM)
    change_quantity(account, seats.id, Decimal(9), today_in(account) + 3 * A_DAY, SYSTEM)
    return account


def signed_in(page: Page, email: str, address: str) -> None:
    page.goto(f"/sign-in/?next={address}")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{address}")


@pytest.fixture
def desk(northwind: Account, live: str, page: Page) -> Iterator[Page]:
    faults = watched(page.context, live)
    signed_in(page, "support@tollbook.example", HOME)
    yield page
    assert [fault for fault in faults if "the server responded with a status of 400" not in fault] == []


def pictured(page: Page, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        page.screenshot(path=ARTEFACTS / f"subscriptions-{name}-{size['width']}.png", full_page=True)


def test_staff_see_what_an_upgrade_costs_before_they_confirm_it(desk: Page) -> None:
    desk.get_by_text("The next invoice, line by line").click()
    in_order(desk)
    pictured(desk, "desk")
    desk.get_by_role("link", name="Quantity of Agent seat").click()
    desk.get_by_label("Quantity").fill("7")
    in_order(desk)
    desk.get_by_role("button", name="Review").click()
    expect(desk.get_by_text("Agent seat, given back").first).to_be_visible()
    in_order(desk)
    pictured(desk, "review")
    desk.get_by_role("button", name="Confirm").click()
    expect(desk.get_by_text("Quantity 7").first).to_be_visible()


@pytest.mark.parametrize(
    "address",
    ["/desk/subscriptions/", "/desk/subscriptions/offer/?code=line", "/desk/subscriptions/line/price/", f"{HOME}start/"]
    + ["/desk/accounts/northwind/commitment/"],
)
def test_every_page_is_in_order(desk: Page, address: str) -> None:
    desk.goto(address)
    in_order(desk)
    pictured(desk, address.strip("/").split("?")[0].replace("/", "-"))


@pytest.mark.parametrize("what", ["Price of", "Discount on", "Pause", "End"])
def test_every_form_of_a_change_is_in_order(desk: Page, what: str) -> None:
    desk.get_by_role("link", name=f"{what} Agent seat").click()
    in_order(desk)


def test_the_portal_tells_of_the_next_invoice_and_of_changes(northwind: Account, live: str, page: Page) -> None:
    faults = watched(page.context, live)
    signed_in(page, "owner@northwind.example", "/billing/subscriptions/")
    page.get_by_text("The next invoice, line by line").click()
    expect(page.get_by_role("table", name="Lines of the next invoice")).to_be_visible()
    expect(page.get_by_text("Quantity 9")).to_be_visible()
    in_order(page)
    pictured(page, "portal")
    assert faults == []
