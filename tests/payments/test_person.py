"""Every payment that was begun comes to an end: in time, given up, or by the word of a person."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import pytest
from django.db import transaction

from tests.payments.overlap import overlapping
from tests.payments.till import Till
from tests.refills.shop import OWNER, SUPPORT, gateway_is
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import AuditEntry
from tollbook.errors import Conflict, Forbidden, Invalid
from tollbook.payments import attempts, collect, credit, dunning, intent, person
from tollbook.payments import method as methods
from tollbook.payments.captured import settle
from tollbook.payments.gateway import (
    ActionRequired,
    ChargeAnswer,
    Charged,
    ChargeRequest,
    Declined,
    HostedPage,
    Succeeded,
    Unknown,
)
from tollbook.payments.receive import receive
from tollbook.payments.simulated import Simulated
from tollbook.payments.tables import Payment, PaymentIntent, SimulatedCharge
from tollbook.payments.transfer import record_transfer


@pytest.fixture
def till(db) -> Till:
    return Till(db)


class Page(Simulated):
    """Its pages wait until somebody pays, or they are closed; `cancels` is what comes of closing one."""

    cancels: ClassVar[ChargeAnswer | None] = None
    closed: ClassVar[list[str]] = []

    def pay_page(self, request: ChargeRequest, return_url: str) -> HostedPage:
        return HostedPage("https://pay.example/1", "page_1")

    def paid_on(self, account_id: UUID, reference: str) -> ChargeAnswer:
        return Declined("page_closed", "It was closed.") if reference in self.closed else ActionRequired(reference=reference)

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        if self.cancels is not None:
            return self.cancels
        self.closed.append(reference)
        return self.paid_on(account_id, reference)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Page, "closed", [])
    with gateway_is("tests.payments.test_person.Page"):
        yield Page


def waiting(till: Till) -> PaymentIntent:
    """A payment whose card's holder has to confirm it."""
    asked = till.pay(till.invoice(), till.card("sim_3184"))
    assert asked.state == "action_required"
    return asked


def lost(till: Till) -> PaymentIntent:
    """A payment of which the gateway has said nothing for an hour."""
    asked = till.pay(till.invoice(), till.card())
    assert asked.state == "unknown"
    till.later(hours=2)
    collect.run_due()
    return intent.find(till.id, asked.id)


def now(till: Till, asked: PaymentIntent) -> PaymentIntent:
    return intent.find(till.id, asked.id)


def test_what_nobody_confirms_in_time_ends_and_the_invoice_can_be_paid(till: Till) -> None:
    asked = waiting(till)
    till.later(hours=23)
    collect.run_due()
    assert now(till, asked).state == "action_required"
    till.later(hours=2)
    collect.run_due()
    ended = now(till, asked)
    assert (ended.state, ended.outcome) == ("declined", "Nobody confirmed the payment in time.")
    assert SimulatedCharge.objects.get().decline_code == "canceled"
    assert till.pay(intent.invoice_of(till.id, "INV-000001"), till.card("sim_4444")).state == "succeeded"
    till.assert_sound()


def test_what_a_customer_gives_up_ends_at_once(till: Till) -> None:
    asked = waiting(till)
    assert collect.give_up(till.account, asked.id, OWNER) == "withdrawn"
    assert "gave it up" in now(till, asked).outcome
    with pytest.raises(Conflict):
        collect.give_up(till.account, asked.id, OWNER)
    assert AuditEntry.objects.filter(account_id=till.id, action="payment.give_up").count() == 1


def test_what_is_given_up_while_it_is_about_to_be_sent_is_not_charged(till: Till) -> None:
    asked = till.ask(till.invoice(), till.card())
    overlapping(
        intent.SQL["charging"],
        lambda: collect.step(till.id, asked.id),
        lambda: intent.give_up(till.id, asked.id, OWNER),
    )
    collect.run_due()
    ended = now(till, asked)
    assert (ended.state, ended.outcome) == ("withdrawn", f"{OWNER.name} gave it up.")
    assert till.charged() == 0


def test_what_was_confirmed_a_moment_ago_is_paid_and_not_given_up(till: Till) -> None:
    asked = waiting(till)
    SimulatedCharge.objects.filter(account_id=till.id).update(outcome="succeeded")
    assert collect.give_up(till.account, asked.id, OWNER) == "succeeded"
    till.assert_sound()


@pytest.mark.parametrize("answer", [Unknown(), ActionRequired(), Succeeded("ch_1", Decimal(100), "USD")])
def test_only_a_definite_no_ends_an_open_page(till: Till, page: type[Page], monkeypatch, answer: ChargeAnswer) -> None:
    monkeypatch.setattr(page, "cancels", answer)
    asked = till.ask(till.invoice(), None)
    collect.open_page(till.id, asked.id, "/back/")
    state = collect.give_up(till.account, asked.id, OWNER)
    assert state == ("succeeded" if isinstance(answer, Succeeded) else "action_required")
    till.later(hours=2)
    collect.run_due()
    assert (now(till, asked).needs_person_at is None) == isinstance(answer, Succeeded)


def test_an_open_page_is_closed_when_its_time_is_over(till: Till, page: type[Page]) -> None:
    asked = till.ask(till.invoice(), None)
    collect.open_page(till.id, asked.id, "/back/")
    till.later(hours=25)
    collect.run_due()
    assert (now(till, asked).state, page.closed) == ("declined", ["page_1"])


def test_a_charge_that_nobody_gave_up_or_is_unknown_cant_be_given_up(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        with pytest.raises(Conflict):
            collect.give_up(till.account, asked.id, OWNER)


def test_a_charge_nobody_can_tell_of_waits_for_a_person_after_an_hour(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        assert [one.id for one in person.waiting()] == [asked.id]
        assert "does not say whether this was charged" in asked.question


def test_a_person_says_that_it_was_charged_and_it_is_booked_once(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        reference = SimulatedCharge.objects.get().reference
        assert person.resolve(till.account, asked.id, "charged", reference, "I saw it.", SUPPORT) == "succeeded"
    collect.settle_by(till.id, asked.id)
    assert (Payment.objects.count(), person.waiting()) == (1, [])
    [line] = AuditEntry.objects.filter(account_id=till.id, action="payment.resolve")
    assert line.reason == "I saw it."
    till.assert_sound()


def test_a_question_about_the_first_card_ends_when_the_backup_is_charged(till: Till) -> None:
    till.collects(0)
    backup = till.card("sim_4444")
    till.card()
    methods.make_backup(till.id, backup.id, OWNER)
    till.invoice()
    with gateway_is("Silent"):
        collect.run_due()
        till.later(hours=2)
        collect.run_due()
        [asked] = person.waiting()
    settle(till.id, asked.id, 1, Declined("insufficient_funds", "Too little.", curable_by_other_card=True))
    assert (now(till, asked).state, now(till, asked).attempt) == ("decided", 2)
    assert (person.waiting(), now(till, asked).question) == ([], "")


def test_a_charge_of_another_payment_cant_be_named(till: Till) -> None:
    other = till.payment(till.invoice(), till.card("sim_4444"))
    with gateway_is("Silent"):
        asked = lost(till)
        names = [(other.charge_reference, "of something else"), ("ch_9", "no charge of this name"), ("", "name")]
        for reference, says in names:
            with pytest.raises(Invalid, match=says):
                person.resolve(till.account, asked.id, "charged", reference, "I saw it.", SUPPORT)
    assert Payment.objects.count() == 1


def test_not_charged_frees_the_invoice_and_a_late_success_is_booked_and_told(till: Till, caplog) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        invoice = intent.invoice_of(till.id, "INV-000001")
        assert person.resolve(till.account, asked.id, "not_charged", "", "Not there.", SUPPORT) == "withdrawn"
    record_transfer(till.account, invoice.number, Decimal(100), "SEPA 1", SUPPORT)
    collect.settle_by(till.id, asked.id)
    found = now(till, asked)
    assert (found.state, till.owed(invoice), credit.of_account(till.id)) == ("succeeded", 0, 100)
    assert "was charged after all and is booked" in found.question and "after it had ended" in caplog.text
    assert [one.id for one in person.waiting()] == [asked.id]
    for _ in range(2):
        collect.settle_by(till.id, asked.id)
    with pytest.raises(Invalid):
        person.resolve(till.account, asked.id, "not_charged", "", "It is.", SUPPORT)
    person.resolve(till.account, asked.id, "dealt_with", "", "Given back.", SUPPORT)
    collect.settle_by(till.id, asked.id)
    assert person.waiting() == []
    till.assert_sound()


def test_what_a_person_gave_back_at_the_gateway_is_never_booked(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        assert person.resolve(till.account, asked.id, "given_back", "", "I gave it back there.", SUPPORT) == "withdrawn"
    for _ in range(2):
        assert collect.settle_by(till.id, asked.id) == "withdrawn"
    assert (Payment.objects.count(), till.owed(intent.invoice_of(till.id, "INV-000001"))) == (0, 100)
    [one] = person.waiting()
    assert "was charged; somebody said that it was given back. Nothing was booked." in one.question
    person.resolve(till.account, asked.id, "dealt_with", "", "It is given back.", SUPPORT)
    collect.settle_by(till.id, asked.id)
    assert person.waiting() == []


def test_what_can_still_be_paid_was_not_given_back(till: Till, page: type[Page], monkeypatch) -> None:
    asked = till.ask(till.invoice(), None)
    collect.open_page(till.id, asked.id, "/back/")
    till.later(hours=26)
    for cancels in (Unknown(), ActionRequired()):
        monkeypatch.setattr(page, "cancels", cancels)
        collect.run_due()
        for verdict in ("given_back", "not_charged"):
            with pytest.raises(Conflict, match="can still pay it"):
                person.resolve(till.account, asked.id, verdict, "", "I gave it back there.", SUPPORT)
        till.later(hours=2)
    monkeypatch.setattr(page, "cancels", None)
    with pytest.raises(Conflict, match="nothing to give back"):
        person.resolve(till.account, asked.id, "given_back", "", "I gave it back there.", SUPPORT)
    assert now(till, asked).state == "action_required", "the worker ends it, or whoever says that it was not charged"
    assert person.resolve(till.account, asked.id, "not_charged", "", "It is closed.", SUPPORT) == "withdrawn"


def test_the_gateway_has_the_last_word_over_a_person(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
    with pytest.raises(Conflict, match="it was charged"):
        person.resolve(till.account, asked.id, "not_charged", "", "Not there.", SUPPORT)
    assert now(till, asked).state == "succeeded"
    till.assert_sound()


def test_a_second_charge_waits_for_a_person_and_is_not_booked(till: Till, caplog) -> None:
    paid = till.pay(till.invoice(), till.card())
    for _ in range(2):
        settle(till.id, paid.id, 1, Succeeded("ch_second", Decimal(100), "USD"))
    [one] = person.waiting()
    assert one.question.startswith("ch_second: charged twice") and "charged twice" in caplog.text
    assert Payment.objects.count() == 1
    person.resolve(till.account, paid.id, "dealt_with", "", "Given back there.", SUPPORT)
    settle(till.id, paid.id, 1, Succeeded("ch_second", Decimal(100), "USD"))
    assert person.waiting() == []


def test_the_system_never_settles_and_a_reason_is_wanted(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
        with pytest.raises(Forbidden):
            person.resolve(till.account, asked.id, "not_charged", "", "Not there.", SYSTEM)
        with pytest.raises(Invalid):
            person.resolve(till.account, asked.id, "not_charged", "", " ", SUPPORT)


class Refusing(Simulated):
    """Takes no request: something in the settings is wrong."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        return Declined("parameter_invalid", "Invalid currency: xyz", ours=True)


def test_a_request_that_is_refused_is_no_failure_of_the_card_and_waits_for_staff(till: Till, caplog) -> None:
    till.collects(0, 3)
    card, invoice = till.card(), till.invoice()
    with gateway_is("tests.payments.test_person.Refusing"):
        collect.run_due()
        till.later(hours=2)
        collect.run_due()
    [asked] = till.intents()
    assert (asked.state, attempts.record(card).today) == ("withdrawn", 0)
    assert "Invalid currency" in asked.question and "refused the request" in caplog.text
    assert dunning.chased(10)[0].why == "A payment of it waits for your word, under Payments."
    person.resolve(till.account, asked.id, "dealt_with", "", "The currency is set.", SUPPORT)
    collect.run_due()
    assert till.owed(invoice) == 0


def test_tries_without_an_answer_count_from_sending(till: Till) -> None:
    card = till.card()
    with gateway_is("Silent"):
        for _ in range(4):
            till.pay(till.invoice(), card)
        with pytest.raises(Conflict, match="4 times within 24 hours"):
            till.ask(till.invoice(), card)
    assert attempts.record(card).today == 4
    till.later(minutes=1)
    collect.run_due()
    assert (attempts.record(card).today, till.charged()) == (0, 400), "they had succeeded"


def test_a_worker_that_died_delays_no_more_than_the_lease_however_often(till: Till) -> None:
    asked = till.ask(till.invoice(), till.card())
    intent.begin(till.id, asked.id)
    for _ in range(5):
        till.later(seconds=31)
        assert collect._claim(till.id, asked.id), "whoever has the turn dies, too"
        assert not collect._claim(till.id, asked.id)
    till.later(seconds=31)
    collect.run_due()
    assert now(till, asked).state == "succeeded"


class Lost(Simulated):
    """Does not find any more what it has told of, by key or by name."""

    sent: ClassVar[list[str]] = []

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.sent.append(request.idempotency_key)
        return super().charge(request)

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return None

    def charged(self, reference: str) -> Charged:
        raise LookupError(reference)


class Unsearchable(Simulated):
    """Finds charges by their names only."""

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return None


def test_what_the_gateway_has_told_of_is_asked_for_by_name_and_ended_there(till: Till) -> None:
    asked = waiting(till)
    with gateway_is("tests.payments.test_person.Unsearchable"):
        assert collect.give_up(till.account, asked.id, OWNER) == "withdrawn"
    assert SimulatedCharge.objects.get().decline_code == "canceled"


def test_a_wrong_sum_that_is_not_found_any_more_stays_a_question(till: Till) -> None:
    Lost.sent.clear()
    with gateway_is("Overcharging"):
        asked = till.pay(till.invoice(), till.card())
    with gateway_is("tests.payments.test_person.Lost"):
        for hours in (2, 30):
            till.later(hours=hours)
            collect.run_due()
            [waits] = person.waiting()
            assert "$5.00 was charged instead of $100.00" in waits.question
    assert (now(till, asked).state, Lost.sent) == ("unknown", [])


def test_a_question_about_money_outlives_what_is_told_later(till: Till) -> None:
    """A wrong sum was taken: neither a decline under the same key nor the right sum in another charge gives that back."""
    asked = till.pay(till.invoice(), till.card("sim_3184"))
    settle(till.id, asked.id, 1, Succeeded("ch_wrong", Decimal(5), "USD"))
    settle(till.id, asked.id, 1, Declined("card_declined", "The bank declined the card."))
    assert now(till, asked).state == "unknown", "money was taken under this key"
    settle(till.id, asked.id, 1, Succeeded("ch_right", Decimal(100), "USD"))
    [waits] = person.waiting()
    assert (waits.state, waits.question[:9]) == ("succeeded", "ch_wrong:")
    till.later(hours=2)
    assert collect.run_due() == 0


def test_a_charge_that_is_in_the_books_already_pays_nothing_else(till: Till) -> None:
    invoice = till.invoice()
    asked = till.ask(invoice, till.card())
    intent.begin(till.id, asked.id)
    record_transfer(till.account, till.invoice().number, Decimal(100), "SEPA 1", SUPPORT)
    with transaction.atomic():
        receive(till.id, "simulated", "ch_1", Decimal(100), "USD", "Visa", OWNER.name)
    settle(till.id, asked.id, 1, Succeeded("ch_1", Decimal(100), "USD"))
    assert (now(till, asked).state, till.owed(invoice)) == ("charging", 100)
    [waits] = person.waiting()
    assert waits.question.startswith("ch_1: the books have it already")


def test_a_charge_that_cant_be_booked_is_put_before_a_person(till: Till) -> None:
    asked = waiting(till)
    with pytest.raises(ValueError, match="without a reference"):
        settle(till.id, asked.id, 1, Succeeded("", Decimal(100), "USD"))
    [waits] = person.waiting()
    assert "was charged, and can't be booked: ValueError" in waits.question
    settle(till.id, asked.id, 1, Succeeded("ch_1", Decimal(100), "USD"))
    assert now(till, asked).state == "succeeded"


def test_what_was_given_back_before_it_could_be_booked_is_never_booked(till: Till) -> None:
    """The charge of a payment that had ended is told of late, and can't be booked; staff give the money back there."""
    invoice = till.invoice()
    asked = till.ask(invoice, till.card())
    intent.begin(till.id, asked.id)
    settle(till.id, asked.id, 1, Declined("stolen_card", "The card was stolen.", hard=True))
    with pytest.raises(ValueError, match="without a reference"):
        settle(till.id, asked.id, 1, Succeeded("", Decimal(100), "USD"))
    assert [one.state for one in person.waiting()] == ["declined"]
    person.resolve(till.account, asked.id, "given_back", "ch_1", "Given back there", SUPPORT)
    settle(till.id, asked.id, 1, Succeeded("ch_1", Decimal(100), "USD"))
    assert (now(till, asked).state, till.owed(invoice)) == ("declined", 100)
    [waits] = person.waiting()
    assert "somebody said that it was given back" in waits.question


def test_the_question_whether_it_was_charged_ends_when_that_is_known(till: Till) -> None:
    with gateway_is("Silent"):
        asked = lost(till)
    settle(till.id, asked.id, 1, Declined("card_declined", "The bank declined the card."))
    assert (now(till, asked).question, person.waiting()) == ("", [])


def test_a_verdict_about_the_first_card_does_not_end_the_second(till: Till) -> None:
    till.collects(0)
    backup = till.card("sim_4444")
    till.card()
    methods.make_backup(till.id, backup.id, OWNER)
    till.invoice()
    with gateway_is("Silent"):
        collect.run_due()
        till.later(hours=2)
        collect.run_due()
    [asked] = person.waiting()
    settle(till.id, asked.id, 1, Declined("insufficient_funds", "Too little.", curable_by_other_card=True))
    intent.begin(till.id, asked.id)
    with pytest.raises(Conflict, match="meanwhile"), transaction.atomic():
        person._close(asked, "not_charged", "", "Not there.", SUPPORT)
    assert (now(till, asked).state, now(till, asked).attempt) == ("charging", 2)


def test_what_was_sent_again_a_moment_ago_is_not_taken_for_never_received(till: Till) -> None:
    card, invoice = till.card(), till.invoice()
    with gateway_is("Forgetful"):
        asked = till.pay(invoice, card)
        till.later(hours=22, minutes=59)
        collect.run_due()
        till.later(minutes=50)
        collect.run_due()
        found = now(till, asked)
        assert found.state == "unknown", "what was sent last may still arrive"
        assert found.charging_at < found.sent_at
        till.later(hours=1)
        collect.run_due()
        assert now(till, asked).state == "withdrawn"

