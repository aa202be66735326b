"""Paying an invoice from its page: once, by saved card or on the gateway's page, with a receipt that tells the truth."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.payments.till import Till
from tests.people import person
from tests.refills.shop import OWNER, gateway_is
from tests.web.desk.conftest import hidden, words
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Level
from tollbook.invoicing.tables import Invoice
from tollbook.payments import collect, dunning
from tollbook.payments.tables import PaymentMethod, SimulatedCharge
from tollbook.web import formats


@pytest.fixture(autouse=True)
def _gateways():
    with gateway_is():
        yield


@pytest.fixture
def till(db) -> Till:
    return Till(db)


@pytest.fixture
def owner(till: Till, static_files: None) -> Client:
    browser = Client()
    browser.force_login(person(till.account, "owner", Level.SUPER_ADMIN))
    return browser


@pytest.fixture
def card(till: Till) -> PaymentMethod:
    return till.card()


@pytest.fixture
def invoice(till: Till) -> Invoice:
    return till.invoice()


def address(invoice: Invoice) -> str:
    return f"/billing/invoices/{invoice.number}/pay/"


def reviewed(owner: Client, invoice: Invoice, **typed: Any) -> HttpResponse:
    return owner.post(address(invoice), typed)


def confirmed(owner: Client, invoice: Invoice, review: HttpResponse, **changed: str) -> HttpResponse:
    assert review.status_code == 200, words(review)
    return owner.post(address(invoice), dict(hidden(review)) | changed)


def test_an_invoice_is_paid_after_a_review_and_the_receipt_follows_it(
    owner: Client, till: Till, invoice: Invoice, card: PaymentMethod
) -> None:
    assert f'href="{address(invoice)}"' in owner.get(f"/billing/invoices/{invoice.number}/").content.decode()
    assert "$100.00 is open" in words(owner.get(address(invoice)))
    review = reviewed(owner, invoice, amount="40", method=str(card.id))
    assert "$40.00 is charged to Visa •• 4242 now. Then $60.00 stays open" in words(review)
    assert till.intents() == []
    answer = confirmed(owner, invoice, review)
    receipt = answer["Location"]
    waiting = owner.get(receipt)
    assert "is being charged" in words(waiting) and waiting["Refresh"] == "3"
    collect.run_due()
    told = owner.get(receipt)
    assert "$40.00 was paid with Visa •• 4242" in words(told) and "$60.00 is still open" in words(told)
    assert "Refresh" not in told
    assert "Paid" in words(owner.get(f"/billing/invoices/{invoice.number}/"))
    till.assert_sound()


def test_a_double_click_and_a_second_tab_charge_once(
    owner: Client, till: Till, invoice: Invoice, card: PaymentMethod
) -> None:
    tabs = [reviewed(owner, invoice, amount="40", method=str(card.id)) for _ in range(2)]
    first, again = (confirmed(owner, invoice, tabs[0]) for _ in range(2))
    assert first["Location"] == again["Location"]
    other = confirmed(owner, invoice, tabs[1])
    assert other["Location"] == first["Location"], "led to the payment that is under way"
    collect.run_due()
    late = confirmed(owner, invoice, tabs[1])
    assert late.status_code == 409 and "$60.00 is owed on INV-000001 now. Nothing was charged" in words(late)
    assert (till.charged(), SimulatedCharge.objects.count()) == (40, 1)


def test_what_cant_be_paid_is_explained_and_what_was_typed_is_kept(
    owner: Client, till: Till, invoice: Invoice, card: PaymentMethod
) -> None:
    answer = reviewed(owner, invoice, amount="100.01", method=str(card.id))
    assert answer.status_code == 400 and "pay no more than that" in words(answer)
    assert 'value="100.01"' in answer.content.decode()
    assert reviewed(owner, invoice, amount="1", method="nonsense").status_code == 400
    assert confirmed(owner, invoice, reviewed(owner, invoice, amount="1", method=str(card.id)), seen="?").status_code == 400
    assert till.intents() == []


def test_a_declined_card_is_told_with_another_way_to_pay(owner: Client, till: Till, invoice: Invoice) -> None:
    card = till.card("sim_9995")
    receipt = confirmed(owner, invoice, reviewed(owner, invoice, amount="100", method=str(card.id)))["Location"]
    collect.run_due()
    page = owner.get(receipt)
    assert "Nothing was charged. The card has insufficient funds." in words(page) and "Pay another way" in words(page)


def test_a_charge_that_the_bank_wants_confirmed_waits_for_its_holder(owner: Client, till: Till, invoice: Invoice) -> None:
    card = till.card("sim_3184")
    receipt = confirmed(owner, invoice, reviewed(owner, invoice, amount="100", method=str(card.id)))["Location"]
    collect.run_due()
    page = owner.get(receipt)
    assert "Nothing is paid yet." in words(page) and "Confirm with the bank" in words(page)
    assert owner.post(f"{receipt}confirm/")["Location"] == receipt


def test_a_charge_that_waits_can_be_given_up_and_paid_otherwise(owner: Client, till: Till, invoice: Invoice) -> None:
    card = till.card("sim_3184")
    receipt = confirmed(owner, invoice, reviewed(owner, invoice, amount="100", method=str(card.id)))["Location"]
    collect.run_due()
    assert f'href="{receipt}give-up/"' in owner.get(receipt).content.decode()
    assert "the gateway is asked first" in words(owner.get(f"{receipt}give-up/"))
    for _ in range(2):
        assert owner.post(f"{receipt}give-up/")["Location"] == receipt
    assert "Nothing was charged." in words(owner.get(receipt)) and "Pay another way" in words(owner.get(receipt))
    assert till.states() == {"withdrawn": 1}


def test_the_gateways_page_pays_without_a_card(owner: Client, till: Till, invoice: Invoice) -> None:
    answer = confirmed(owner, invoice, reviewed(owner, invoice, amount="100", method="page"))
    receipt = answer["Location"]
    assert "Go to the payment page" in words(owner.get(receipt))
    back = owner.get(f"{receipt}?from=gateway")
    assert back["Location"] == receipt
    assert "was paid with Our payment provider's page" in words(owner.get(receipt))
    assert (till.owed(invoice), till.charged()) == (0, 100)
    till.assert_sound()


def test_another_accounts_payment_is_not_found(owner: Client, till: Till, card: PaymentMethod) -> None:
    other = Till(till.db, "contoso")
    theirs = other.pay(other.invoice(), other.card())
    for query in ("", "?from=gateway"):
        assert owner.get(f"/billing/payments/{theirs.id}/{query}").status_code == 404
    for step in ("confirm", "give-up"):
        assert owner.post(f"/billing/payments/{theirs.id}/{step}/").status_code == 404


def test_an_account_chooses_to_pay_by_itself(owner: Client, till: Till, card: PaymentMethod) -> None:
    assert "not charged by themselves here" in words(owner.get("/billing/collection/"))
    till.collects()
    page = owner.get("/billing/collection/")
    assert "New invoices are charged to Visa •• 4242" in words(page)
    off = owner.post("/billing/collection/", {"to": "off"})
    assert "No invoice is charged by itself from the next moment on" in words(off) and dunning.collects(till.id)
    assert owner.post("/billing/collection/", dict(hidden(off))).status_code == 302
    assert dunning.collects(till.id) is False
    assert owner.post("/billing/collection/", {"to": "sideways"}).status_code == 400
    till.invoice()
    assert collect.run_due() == 0
    assert "You pay your invoices yourselves" in words(owner.get("/billing/collection/"))


def test_switching_automatic_payment_on_says_before_what_is_charged_and_when(
    owner: Client, till: Till, card: PaymentMethod
) -> None:
    before = till.invoice("10.00")
    till.collects(0, 3)
    dunning.choose(till.account, False, OWNER)
    invoice = till.invoice()
    on = owner.post("/billing/collection/", {"to": "on"})
    today = formats.day(today_in(till.account))
    assert f"$100.00 of {invoice.number} is charged to Visa •• 4242 on {today}." in words(on)
    assert before.number not in words(on) and "0, 3 days after its issue" in words(on)
    assert collect.run_due() == 0 and not dunning.collects(till.id), "only looked at"
    owner.post("/billing/collection/", dict(hidden(on)))
    collect.run_due()
    assert (till.owed(invoice), till.owed(before)) == (0, 10)
