"""Alerts in a browser: keys alone add an endpoint and rotate its secret; every page of it is in order on a phone, too."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import watched
from tests.browser.test_desk import in_order
from tests.browser.test_live_bar import sign_in
from tests.browser.test_refill_rule import to, write
from tests.cast import funded
from tests.databases import Database
from tests.people import PASSWORD, People, grant, people
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account
from tollbook.alerts import deliver, endpoint, log
from tollbook.alerts import people as recipients
from tollbook.alerts.tables import Delivery, Endpoint, Recipient
from tollbook.wallets.wallet import open_wallets


@pytest.fixture
def them(db: Database) -> People:
    """Northwind has wallets, somebody else who gets mail, and an invoice address."""
    them = people()
    open_wallets(them.northwind)
    funded(them.northwind, amount="100")
    grant(them.owner, them.admin, payments="rw", credits="rw")
    Account.objects.filter(id=them.northwind.id).update(billing_email="ap@northwind.example")
    return them


def test_an_endpoint_is_added_tried_and_rotated_with_keys_alone(them: People, page: Page) -> None:
    faults = watched(page.context, "http")
    sign_in(page)
    page.goto("/")
    to(page, "Alerts")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    to(page, "Add an endpoint")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Add a webhook endpoint")).to_be_visible()
    write(page, "Address", "http://10.0.0.1/")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The address must begin with https://.")).to_be_visible()
    write(page, "Address", "https://hooks.example/billing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Review: add a webhook endpoint")).to_be_visible()
    to(page, "Add the endpoint")
    page.keyboard.press("Enter")
    secret = page.get_by_label("Secret").input_value()
    assert secret.startswith("whsec_")
    in_order(page)
    to(page, "Done")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="https://hooks.example/billing")).to_be_visible()
    assert secret not in page.content()
    to(page, "Rotate the secret ...")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rotate the secret")).to_be_visible()
    to(page, "Rotate")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The secret is rotated")).to_be_visible()
    assert page.get_by_label("Secret").input_value() not in ("", secret)
    to(page, "Done")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="https://hooks.example/billing")).to_be_visible()
    to(page, "Send a test event")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A test event is on its way")).to_be_visible()
    assert Endpoint.objects.get().generation == 2 and Delivery.objects.count() == 1
    assert [fault for fault in faults if "400" not in fault] == []


def test_every_page_of_alerts_is_in_order(them: People, page: Page) -> None:
    account = them.northwind
    made, _ = endpoint.add(account.id, "https://hooks.example/" + "long/" * 30, ["wallet.low"], SYSTEM, "ERP")
    off, _ = endpoint.add(account.id, "https://hooks.example/off", ["wallet.low"], SYSTEM)
    delivery = log.test(account.id, made.id, SYSTEM)
    log.test(account.id, off.id, SYSTEM)
    endpoint.switch(account.id, off.id, False, SYSTEM, "It failed for too long. The last time: Answered 500.")
    deliver.send_due()  # to a name that is nowhere, and to what is off
    recipients.choose_address(account.id, "books@books.example", ["invoice.issued"], SYSTEM)
    row = Recipient.objects.get()
    sign_in(page)
    for path in (
        "", f"users/{them.admin.id}/", "addresses/new/", f"addresses/{row.id}/", f"addresses/{row.id}/remove/",
        "levels/outbound/", "webhooks/new/", f"webhooks/{made.id}/", f"webhooks/{off.id}/", f"webhooks/{made.id}/change/",
        f"webhooks/{made.id}/rotate/", f"webhooks/{made.id}/switch/", "log/", "log/?state=delivered", f"log/{delivery}/",
    ):  # fmt: skip
        answer = page.goto(f"/billing/alerts/{path}")
        assert answer and answer.status == 200, path
        in_order(page)


def test_the_desks_pages_of_alerts_are_in_order(them: People, page: Page) -> None:
    endpoint.add(them.northwind.id, "https://hooks.example/a", ["wallet.low"], SYSTEM)
    own, _ = endpoint.add(OPERATOR_ID, "https://ops.example/a", ["refill.stopped"], SYSTEM)
    delivery = log.test(OPERATOR_ID, own.id, SYSTEM)
    page.goto("/sign-in/?next=/desk/")
    page.get_by_label("Email").fill("support@tollbook.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Desk", exact=True)).to_be_visible()
    for path in ("", f"webhooks/{own.id}/", "webhooks/new/", "log/?account=northwind", f"log/{delivery}/"):
        answer = page.goto(f"/desk/alerts/{path}")
        assert answer and answer.status == 200, path
        in_order(page)
