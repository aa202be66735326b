"""Refills that wait for somebody, stops, and the kill switch."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import wallet
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM, Actor
from tollbook.accounts.tables import Account
from tollbook.refills import stops, switch
from tollbook.refills.brakes import Stop
from tollbook.refills.rule import Rule, change
from tollbook.refills.tables import Refill, RefillRule

SWITCH = "/desk/refills/switch/"
SOMEBODY = Actor("user", "1", "owner@northwind.example")


def test_the_switch_goes_off_and_on_with_a_reason_after_a_review(desk: Desk, northwind: Account) -> None:
    review = desk.review(f"{SWITCH}?to=off", reason="Gateway charges twice")
    assert "No card of any account is charged from the next moment on" in words(review)
    assert switch.is_refilling()
    for _ in range(2):
        assert desk.confirm(f"{SWITCH}?to=off", review).status_code == 302
    assert not switch.is_refilling()
    for page in ("/desk/", "/desk/refills/"):
        assert "All refills are switched off" in desk.read(page) and "Gateway charges twice" in desk.read(page)
    [line] = trail(OPERATOR_ID, "refills.switch")
    assert (line.actor_name, line.reason, line.after) == (desk.staff.email, "Gateway charges twice", {"is_on": False})
    desk.do(f"{SWITCH}?to=on", reason="Mended")
    assert switch.is_refilling() and "Refills switched" in desk.read("/desk/refills/")


def test_the_switch_needs_a_reason(desk: Desk) -> None:
    assert desk.review(f"{SWITCH}?to=off", reason=" ").status_code == 400
    assert switch.is_refilling()


@pytest.fixture
def tripped(northwind: Account) -> Account:
    rule = Rule(True, Decimal(50), Decimal(10), Decimal(500))
    stored = change(northwind, "outbound", rule, SOMEBODY)
    stop = Stop("velocity", "Refilled 5 times within an hour.", None)
    stops.trip(stored, "outbound", stop)
    stops.show(northwind.id, stored.wallet_id, stop)
    return northwind


def test_a_tripped_breaker_is_listed_and_released_by_a_person(desk: Desk, tripped: Account) -> None:
    page = desk.read("/desk/refills/")
    assert "Refilled 5 times within an hour." in page and "Release" in page
    path = "/desk/accounts/northwind/wallets/outbound/release/"
    assert "abnormally often" in words(desk.client.get(path))
    assert RefillRule.objects.get().tripped_at
    assert desk.client.post(path).status_code == 302
    assert RefillRule.objects.get().tripped_at is None
    assert desk.client.post(path).status_code == 409
    [line] = trail(tripped.id, "refills.release")
    assert line.actor_name == desk.staff.email


def test_open_and_recent_refills_of_all_accounts_are_listed(desk: Desk, northwind: Account) -> None:
    common = {
        "account_id": northwind.id, "automatic": True, "amount": Decimal(50), "currency": "USD", "trigger_balance": 0,
        "requested_by": SYSTEM.name, "decided_at": datetime.now(UTC), "reason": "It was low.",
    }  # fmt: skip
    Refill.objects.create(id=northwind.id, wallet_id=wallet(northwind).id, state="unknown", **common)
    Refill.objects.create(
        id=desk.staff.id, wallet_id=wallet(northwind, "sms").id, state="declined", outcome="The card expired.", **common
    )
    page = desk.read("/desk/refills/")
    assert page.index("Waiting for the gateway's answer") < page.index("Recent") < page.index("The card expired.")
    assert "The card expired." in desk.read("/desk/accounts/northwind/")
