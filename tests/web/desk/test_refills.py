"""Refills that wait for somebody, stops, and the kill switch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import wallet
from tests.refills.shop import gateway_is
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM, Actor
from tollbook.accounts.tables import Account
from tollbook.payments import method, questions
from tollbook.payments.gateway import Succeeded
from tollbook.payments.method import NewMethod
from tollbook.payments.tables import SimulatedCharge
from tollbook.refills import health, limits, person, run, stops, switch
from tollbook.refills.brakes import Stop
from tollbook.refills.rule import Rule, change
from tollbook.refills.settle import settle
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


@pytest.fixture
def asked(northwind: Account) -> Iterator[Refill]:
    """A refill of which the gateway does not tell."""
    with gateway_is("Silent"):
        health.forget()
        method.add(northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 11, 2030), SOMEBODY)
        refill = run.ask(northwind, "outbound", Decimal(50), SOMEBODY)
        run.run_due()
        health.forget()
        refill.refresh_from_db()
        assert refill.state == "unknown"
        Refill.objects.filter(id=refill.id).update(needs_person_at=datetime.now(UTC), question=questions.UNSAID)
        yield refill


def test_what_the_gateway_does_not_tell_is_settled_by_a_person(desk: Desk, northwind: Account, asked: Refill) -> None:
    queue = desk.read("/desk/refills/")
    assert questions.UNSAID in queue and "Settle" in queue
    page = f"/desk/accounts/northwind/refills/{asked.id}/"
    assert questions.UNSAID in desk.read(page) and f":refill:{asked.id}:1" in desk.read(page)
    path, reference = f"{page}settle/", SimulatedCharge.objects.get().reference
    assert desk.review(path, verdict="charged", reference=reference, reason=" ").status_code == 400
    assert desk.review(path, verdict="charged", reference="", reason="Seen").status_code == 400
    review = desk.review(path, verdict="charged", reference=reference, reason="Seen at the dashboard")
    assert "$50.00 are credited to Outbound Minutes" in words(review)
    assert Refill.objects.get(id=asked.id).state == "unknown"
    assert desk.confirm(path, review).status_code == 302
    assert (Refill.objects.get(id=asked.id).state, wallet(northwind).paid) == ("succeeded", Decimal(50))
    assert "Seen at the dashboard" in desk.read(page)
    assert "Nothing waits for you." in desk.read("/desk/refills/")
    [line] = trail(northwind.id, "refill.resolve")
    assert (line.actor_name, line.reason) == (desk.staff.email, "Seen at the dashboard")


def test_a_question_that_nobody_saw_is_not_dismissed(desk: Desk, northwind: Account) -> None:
    with gateway_is():
        method.add(northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 11, 2030), SOMEBODY)
        refill = run.ask(northwind, "outbound", Decimal(50), SOMEBODY)
        run.run_due()
        settle(northwind.id, refill.id, Succeeded("ch_second", Decimal(50), "USD"))
        form = f"/desk/accounts/northwind/refills/{refill.id}/settle/"
        review = desk.review(form, verdict="given_back", reason="Given back there")
        assert "ch_second was not" in words(review)
        settle(northwind.id, refill.id, Succeeded("ch_third", Decimal(50), "USD"))
        answer = desk.confirm(form, review)
        assert answer.status_code == 409 and "was asked meanwhile" in words(answer)
        [waits] = person.waiting()
        assert "ch_second was not" in waits.question and "ch_third was not" in waits.question
        nothing_carried = {"verdict": "given_back", "reason": "x", "confirmed": "yes"}
        assert desk.client.post(form, nothing_carried).status_code == 409
        assert desk.do(form, verdict="given_back", reason="Both given back there").status_code == 302
        for reference in ("ch_second", "ch_third"):
            settle(northwind.id, refill.id, Succeeded(reference, Decimal(50), "USD"))
        assert person.waiting() == []


def test_an_account_gets_a_limit_of_its_own_with_a_reason(desk: Desk, northwind: Account) -> None:
    path = "/desk/accounts/northwind/refill-limit/"
    assert "Now at most $25,000.00 are charged" in words(desk.get(path))
    assert desk.review(path, monthly_cap="-1", reason="x").status_code == 400
    desk.do(path, monthly_cap="100,000", reason="A large customer")
    assert limits.limits_of(northwind).account_month == Decimal(100_000)
    desk.do(path, monthly_cap="", reason="As everybody")
    assert limits.limits_of(northwind).account_month == Decimal(25_000)
    assert len(trail(northwind.id, "refills.limit")) == 2
