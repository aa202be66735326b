"""Payments at the desk: refunds with their review, disputes, the schedule of collection, reconciliation."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.payments.till import Till
from tests.refills.shop import SUPPORT, gateway_is
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.payments import collect, dispute, dunning, person, refund
from tollbook.payments.captured import settle
from tollbook.payments.gateway import Declined, Dispute, Succeeded
from tollbook.payments.tables import Payment, Refund
from tollbook.payments.transfer import record_transfer

NOW = datetime.now(UTC).date().isoformat()


@pytest.fixture(autouse=True)
def _gateways():
    with gateway_is():
        yield


@pytest.fixture
def till(db) -> Till:
    return Till(db)


@pytest.fixture
def payment(till: Till) -> Payment:
    return till.payment(till.invoice(), till.card())


def address(payment: Payment, *more: str) -> str:
    return "/".join(["/desk/accounts/northwind/payments", str(payment.id), *more, ""])


def test_a_refund_is_reviewed_and_made_once(desk: Desk, till: Till, payment: Payment) -> None:
    form = address(payment, "refund")
    review = desk.review(form, amount="40", source="invoice", reason="Double booking")
    said = words(review)
    assert "Give $40.00 back to Northwind" in said and "$40.00 is owed on INV-000001 again." in said
    assert Refund.objects.count() == 0
    for _ in range(2):
        assert desk.confirm(form, review).status_code == 302
    assert Refund.objects.count() == 1
    refund.run_due()
    page = desk.read(address(payment))
    assert "Given back" in page and "Double booking" in page and "$60.00" in page
    assert till.given_back() == 40
    assert [line.reason for line in trail(till.id, "payment.refund")] == ["Double booking"]
    till.assert_sound()


@pytest.mark.parametrize(
    ("typed", "says"),
    [({"amount": "100.01"}, "$100.00 of this payment is left"), ({"reason": ""}, "This field is required."),
     ({"amount": "0"}, "more than zero"), ({"source": "wallet"}, "Select a valid choice")],
)  # fmt: skip
def test_a_refund_that_cant_be_made_is_explained(desk: Desk, payment: Payment, typed: dict[str, str], says: str) -> None:
    values = {"amount": "10", "source": "goodwill", "reason": "Sorry"} | typed
    answer = desk.review(address(payment, "refund"), **values)
    assert answer.status_code == 400 and says in words(answer)
    assert Refund.objects.count() == 0


def test_disputes_are_listed_with_their_fee(desk: Desk, payment: Payment) -> None:
    assert "No payment is disputed." in desk.read("/desk/payments/disputes/")
    told = Dispute("dp_1", payment.charge_reference, Decimal(100), "USD", Decimal(15), "open", datetime.now(UTC))
    dispute.take("simulated", told)
    page = desk.read("/desk/payments/disputes/")
    assert "dp_1" in page and "$15.00" in page
    assert "dp_1" in desk.read(address(payment))
    assert desk.get(address(payment, "refund")).status_code == 409


def test_the_schedule_is_set_with_a_review_and_a_reason(desk: Desk) -> None:
    assert "collection is off" in desk.read("/desk/payments/collection/")
    form = "/desk/payments/collection/schedule/"
    review = desk.review(form, is_on="on", days="0, 3 5 7", reason="As agreed")
    assert "those that are open already are left alone" in words(review)
    desk.confirm(form, review)
    found = dunning.schedule()
    assert found is not None and (found.is_on, found.days) == (True, [0, 3, 5, 7])
    assert [line.reason for line in trail(OPERATOR_ID, "collection.set")] == ["As agreed"]
    for days in ("3, 1", "soon", "0 0", "-1", "99"):
        assert desk.review(form, is_on="on", days=days, reason="x").status_code == 400


def test_an_invoice_that_no_try_paid_is_on_the_persons_list_and_can_be_charged(desk: Desk, till: Till) -> None:
    till.collects(0)
    till.card("sim_9995")
    invoice = till.invoice()
    collect.run_due()
    page = desk.read("/desk/payments/collection/")
    assert "Every try of the schedule failed." in page and "insufficient funds" in page
    till.card()
    form = f"/desk/accounts/northwind/invoices/{invoice.number}/collect/"
    review = desk.get(form)
    assert "Charge $100.00 for INV-000001 of Northwind" in words(review)
    assert desk.client.post(form).status_code == 409, "not reviewed"
    for _ in range(2):
        assert desk.confirm(form, review).status_code == 302, "a double click"
    assert desk.get(form).status_code == 409, "one is under way"
    collect.run_due()
    assert till.owed(invoice) == 0
    assert desk.confirm(form, review).status_code == 302, "sent again, it is answered again"
    collect.run_due()
    assert desk.get(form).status_code == 409, "it is paid"
    assert till.charged() == 100


def test_charge_now_charges_what_was_reviewed_or_nothing(desk: Desk, till: Till) -> None:
    invoice, card = till.invoice(), till.card()
    form = f"/desk/accounts/northwind/invoices/{invoice.number}/collect/"
    review, other = desk.get(form), desk.get(form)
    record_transfer(till.account, invoice.number, Decimal(40), "SEPA 1", SUPPORT)
    changed = desk.confirm(form, review)
    assert changed.status_code == 409 and "$60.00 is owed on INV-000001 now. Nothing was charged" in words(changed)
    review = desk.get(form)
    till.card("sim_4444")
    another = till.invoice()
    assert desk.confirm(f"/desk/accounts/northwind/invoices/{another.number}/collect/", other).status_code == 409
    assert desk.client.post(form, {"reviewed": "forged"}).status_code == 409
    assert till.intents() == []
    assert desk.confirm(form, review).status_code == 302
    [asked] = till.intents()
    assert (asked.amount, asked.method_id) == (60, card.id), "the card of the review, not the default of now"


def test_gateway_and_books_are_compared_and_settled(desk: Desk, till: Till) -> None:
    invoice = till.invoice()
    till.pay(invoice, till.card("sim_0408"))
    period = {"since": NOW, "until": NOW, "gateway": "simulated"}
    page = desk.read("/desk/payments/reconcile/", **period)
    assert "the books have no payment of it" in page and till.owed(invoice) == 100
    answer = desk.client.post("/desk/payments/reconcile/", period)
    assert "Gateway and books agree." in words(answer) and till.owed(invoice) == 0
    assert desk.get("/desk/payments/reconcile/", since=NOW, until="2020-01-01", gateway="simulated").status_code == 400


def test_a_payment_nobody_can_tell_of_is_settled_by_a_person_after_a_review(desk: Desk, till: Till) -> None:
    with gateway_is("Silent"):
        asked = till.pay(till.invoice(), till.card())
        till.later(hours=2)
        collect.run_due()
        page = desk.read("/desk/payments/")
        assert "Waiting for a person" in page and "does not say whether this was charged" in page
        form = f"/desk/accounts/northwind/payments/asked/{asked.id}/settle/"
        assert desk.review(form, verdict="charged", reference="", reason="Seen").status_code == 400
        assert desk.review(form, verdict="dealt_with", reason="Seen").status_code == 400
        review = desk.review(form, verdict="not_charged", reason="Not on the dashboard")
        assert "INV-000001 can be paid again" in words(review) and till.states() == {"unknown": 1}
        assert desk.confirm(form, review).status_code == 302
        assert desk.confirm(form, review).status_code == 409
    assert till.states() == {"withdrawn": 1} and "Waiting for a person" not in desk.read("/desk/payments/")
    assert [line.reason for line in trail(till.id, "payment.resolve")] == ["Not on the dashboard"]


def test_a_question_that_nobody_saw_is_not_dismissed(desk: Desk, till: Till) -> None:
    paid = till.pay(till.invoice(), till.card())
    form = f"/desk/accounts/northwind/payments/asked/{paid.id}/settle/"
    settle(till.id, paid.id, 1, Succeeded("ch_second", Decimal(100), "USD"))
    review = desk.review(form, verdict="dealt_with", reason="Given back there")
    assert "ch_second: charged twice" in words(review)
    settle(till.id, paid.id, 1, Succeeded("ch_third", Decimal(100), "USD"))
    answer = desk.confirm(form, review)
    assert answer.status_code == 409 and "was asked meanwhile" in words(answer)
    [waits] = person.waiting()
    assert "ch_second: charged twice" in waits.question and "ch_third: charged twice" in waits.question
    assert desk.client.post(form, {"verdict": "dealt_with", "reason": "x", "confirmed": "yes"}).status_code == 409
    assert desk.do(form, verdict="dealt_with", reason="Both given back there").status_code == 302
    for reference in ("ch_second", "ch_third"):
        settle(till.id, paid.id, 1, Succeeded(reference, Decimal(100), "USD"))
    assert person.waiting() == []


def test_a_refund_that_failed_later_is_on_the_first_page(desk: Desk, till: Till, payment: Payment) -> None:
    desk.do(address(payment, "refund"), amount="40", source="goodwill", reason="Sorry")
    refund.run_due()
    assert "Refunds that failed" not in desk.read("/desk/payments/")
    refund.settle(till.id, Refund.objects.get().id, Declined("expired_or_canceled_card", "The bank did not take it."))
    page = desk.read("/desk/payments/")
    assert "Refunds that failed" in page and "the customer did not get it. The bank did not take it." in page
    assert "It failed after the gateway had accepted it" in desk.read(address(payment))


def test_what_waits_is_on_the_first_page(desk: Desk, till: Till) -> None:
    till.pay(till.invoice(), till.card("sim_0408"))
    assert "Waiting for the gateway's answer" in desk.read("/desk/payments/")


def test_a_transfer_above_what_is_open_says_that_it_becomes_credit(desk: Desk, till: Till) -> None:
    number = till.invoice().number
    review = desk.review(f"/desk/accounts/northwind/invoices/{number}/pay/", amount="130", reference="SEPA 1")
    assert "$30.00 is more than is open: it becomes account credit." in words(review)
