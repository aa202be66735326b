"""Why a charge happened, from its page; and what its holder can do while the bank waits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import a_rate, funded
from tests.people import People, people
from tests.refills.shop import gateway_is
from tests.web.portal.test_credits import signed_in, words
from tests.web.portal.test_refill_pages import OWNER, text
from tollbook.invoicing.tables import Invoice
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.refills import health, run
from tollbook.refills.rule import Rule, change
from tollbook.refills.tables import Refill
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.wallet import open_wallets

RULE = Rule(True, Decimal(500), Decimal(50), Decimal(5000), 3)


@pytest.fixture(autouse=True)
def simulated() -> Iterator[None]:
    """Cards are charged at the simulated gateway."""
    health.forget()
    with gateway_is():
        yield


@pytest.fixture
def them(db, static_files) -> People:
    them = people()
    for account in (them.northwind, them.contoso):
        open_wallets(account)
    a_rate(cents="10", initial=60, step=60)
    return them


def refilled(them: People, token: str = "sim_4242") -> Refill:
    """Outbound minutes brought from $60 to $45 by one call, and refilled."""
    account = them.northwind
    funded(account, amount="60")
    card = {"sim_4242": ("Visa", "4242"), "sim_3184": ("Visa", "3184")}[token]
    method.add(account.id, NewMethod("simulated", token, *card, 11, 2030), OWNER)
    change(account, "outbound", RULE, OWNER)
    record(account.id, [Event("the-call", "outbound", Decimal(9_000), datetime.now(UTC))])
    run.run_due()
    return Refill.objects.get(account_id=account.id)


def page_of(refill: Refill) -> str:
    return f"/billing/credits/outbound/refills/{refill.id}/"


def test_the_page_tells_what_crossed_the_threshold_who_set_the_rule_and_what_was_charged(them: People) -> None:
    refill = refilled(them)
    client = signed_in(them.owner)
    assert page_of(refill) in text(client, "/billing/credits/outbound/refills/")
    page = words(text(client, page_of(refill)))
    assert "The balance of $45.00 was at or below the minimum of $50.00." in page
    assert "from $60.00 to $45.00 for 1 event" in page and "the-call" in page
    assert f"Version 1, set by {OWNER.name}" in page
    assert "Charges of this wallet that day 0 3" in page
    assert "Charged to this wallet that month $0.00 $5,000.00" in page
    assert f":refill:{refill.id}:1" in page and refill.charge_reference in page
    assert Invoice.objects.get().number in page


def test_the_facts_stay_as_they_were_when_the_rule_changes_later(them: People) -> None:
    refill = refilled(them)
    change(them.northwind, "outbound", Rule(True, Decimal(100), Decimal(10), Decimal(900), 1), OWNER)
    page = words(text(signed_in(them.owner), page_of(refill)))
    assert "Version 1" in page and "at most 3 a day and $5,000.00 a month" in page


def test_another_accounts_refill_is_not_found(them: People) -> None:
    refill = refilled(them)
    assert signed_in(them.stranger).get(page_of(refill)).status_code == 404
    assert signed_in(them.owner).get(page_of(refill).replace("outbound", "inbound")).status_code == 404


def test_a_confirmation_is_offered_and_can_be_given_up(them: People) -> None:
    refill = refilled(them, "sim_3184")
    client, page = signed_in(them.owner), page_of(refill)
    assert "The bank wants you to confirm this payment. Nothing is charged before that." in words(text(client, page))
    client.post(f"{page}confirm/")
    Refill.objects.filter(id=refill.id).update(confirm_url="https://gateway.example/confirm")
    assert 'href="https://gateway.example/confirm"' in text(client, page)
    assert "the gateway is told to cancel it" in words(text(client, f"{page}give-up/"))
    assert client.post(f"{page}give-up/").status_code == 302
    shown = text(client, page)
    assert "It is given up" in words(shown) and "https://gateway.example/confirm" not in shown
    run.run_due()
    assert Refill.objects.get(id=refill.id).state == "withdrawn"
    assert client.post(f"{page}give-up/").status_code == 302
