"""Gateway and books are compared both ways; what differs is named, and settled where the gateway explains it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from django.test.utils import override_settings

from tests.payments.till import Till
from tests.refills.shop import SUPPORT, gateway_is
from tollbook.audit.books import audit
from tollbook.cli import payments as commands
from tollbook.cli.main import main
from tollbook.errors import Invalid
from tollbook.payments import captured, person, reconcile, refund
from tollbook.payments.gateway import (
    ChargeAnswer,
    Charged,
    Declined,
    Dispute,
    RefundAnswer,
    RefundRequest,
    Succeeded,
)
from tollbook.payments.refund import Back
from tollbook.payments.simulated import Simulated
from tollbook.payments.tables import Disputed, Payment
from tollbook.postgres.ids import new_id


@pytest.fixture
def till(db) -> Till:
    return Till(db)


class Other(Simulated):
    """Lists what the test says instead of what it did."""

    adds: ClassVar[list[Charged]] = []

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        yield from super().charges(since, until)
        yield from self.adds


def report() -> reconcile.Report:
    now = datetime.now(UTC)
    return reconcile.compare("simulated", now - timedelta(days=1), now + timedelta(minutes=1))


def codes() -> list[str]:
    return [one.code for one in report().differences]


def test_books_that_agree_have_no_difference(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    asked = refund.ask(till.account, Back(payment.id, Decimal(30), "goodwill", "Sorry."), SUPPORT)
    assert codes() == [], "a refund under way is no difference"
    refund.step(till.id, asked.id)
    found = report()
    assert (found.charges, found.captured, found.differences) == (1, {"USD": Decimal(100)}, [])


def test_a_charge_whose_answer_was_lost_is_found_and_settled(till: Till) -> None:
    invoice = till.invoice()
    till.pay(invoice, till.card("sim_0408"))
    [one] = report().differences
    assert (one.code, one.account) == ("charge_not_booked", "northwind")
    assert reconcile.settle([one]) == []
    assert (till.owed(invoice), codes()) == (0, [])
    assert audit([till.account]) == []


def test_one_difference_that_fails_keeps_no_other_from_being_settled(till: Till, caplog) -> None:
    card, invoices = till.card("sim_0408"), [till.invoice() for _ in range(3)]
    paid = [till.pay(invoice, card) for invoice in invoices]

    def settle_but_the_first(account_id: UUID, our_id: UUID, answer: ChargeAnswer, attempt: int) -> object:
        if our_id == paid[0].id:
            raise ArithmeticError("a defect")
        return captured.settle(account_id, our_id, attempt, answer)

    [left] = reconcile.settle(report().differences, {"invoice": settle_but_the_first})
    assert (left.charge.our_id, "ArithmeticError" in left.do) == (str(paid[0].id), True)
    assert "a defect" in caplog.text
    assert [till.owed(invoice) for invoice in invoices] == [100, 0, 0]
    assert reconcile.catch_up() == 1
    assert till.owed(invoices[0]) == 0


class Broken(Simulated):
    """Fails in a way that nobody foresaw, whatever it is asked."""

    def disputes(self, since: datetime, until: datetime) -> Iterator[Dispute]:
        yield from super().disputes(since, until)
        yield None  # type: ignore[misc]


def test_one_gateway_that_fails_keeps_no_other_from_its_comparison(till: Till, caplog) -> None:
    till.pay(till.invoice(), till.card("sim_0408"))
    both = {"broken": "tests.payments.test_reconcile.Broken", "simulated": "tollbook.payments.simulated.Simulated"}
    with override_settings(GATEWAYS=both):
        assert reconcile.catch_up() == 1
    assert "gateway broken" in caplog.text and codes() == []


def test_a_second_charge_for_the_same_is_never_settled_away(till: Till) -> None:
    paid = till.pay(till.invoice(), till.card())
    now = datetime.now(UTC)
    again = replace(next(Simulated().charges(now - timedelta(hours=1), now)), reference="ch_second")
    again = replace(again, answer=Succeeded("ch_second", again.amount, again.currency))
    with gateway_is("tests.payments.test_reconcile.Other"):
        Other.adds = [again]
        [one] = report().differences
        assert one.code == "charged_twice" and paid.charge_reference in one.says and "Give it back" in one.do
        assert reconcile.settle([one]) == [one]
        assert reconcile.catch_up() == 0
        assert codes() == ["charged_twice"]
        Other.adds = [replace(again, refunded=again.amount)]
        assert codes() == [], "given back there"
        Other.adds = []
    assert (Payment.objects.count(), len(person.waiting())) == (1, 1)


def test_a_dispute_in_another_currency_is_named_and_not_booked(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    till.pay(till.invoice(), till.card("sim_0259"))
    told = list(Simulated().disputes(datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)))
    monkeypatch.setattr(Simulated, "disputes", lambda *_: iter([replace(told[0], currency="EUR")]))
    [one] = report().differences
    assert one.code == "dispute_currency" and reconcile.settle([one]) == [one]
    assert Disputed.objects.count() == 0


def test_a_payment_that_the_gateway_does_not_have_is_named(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    with till.db.connect("owner") as owner:
        owner.execute("DELETE FROM simulated_charge WHERE account_id = %s", [till.id])
    [one] = report().differences
    assert (one.code, one.reference) == ("payment_not_at_gateway", payment.charge_reference)
    assert reconcile.settle([one]) == [one]


def test_a_refund_past_the_desk_is_named(till: Till) -> None:
    till.payment(till.invoice(), till.card())
    with till.db.connect("owner") as owner:
        owner.execute(
            "INSERT INTO simulated_charge SELECT account_id, 'x', 'simre_x', reference, currency, 40, 'refund', '', now()"
            " FROM simulated_charge"
        )
    [one] = report().differences
    assert one.code == "refunds_differ" and "$40.00 of $100.00" in one.says


class TakingBack(Simulated):
    """Accepted a refund, and says days later that it failed."""

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        return Declined("expired_or_canceled_card", "The bank did not take the refund.")

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        yield from (replace(one, refunded=Decimal(0)) for one in super().charges(since, until))


def test_a_refund_that_failed_later_without_a_word_is_found_and_booked_back(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    asked = refund.ask(till.account, Back(payment.id, Decimal(30), "goodwill", "Sorry."), SUPPORT)
    refund.step(till.id, asked.id)
    with gateway_is("tests.payments.test_reconcile.TakingBack"):
        assert codes() == ["refunds_differ"]
        assert reconcile.catch_up() == 1
        assert codes() == []
    assert (refund.find(till.id, asked.id).state, till.book("cash:simulated")) == ("declined", 100)
    assert audit([till.account]) == []


def test_another_sum_is_named(till: Till) -> None:
    till.payment(till.invoice(), till.card())
    with till.db.connect("owner") as owner:
        owner.execute("UPDATE simulated_charge SET amount = 99 WHERE account_id = %s", [till.id])
    assert codes() == ["amount_differs"]


def test_charges_of_others_are_counted_and_left_alone(till: Till) -> None:
    till.payment(till.invoice(), till.card())
    now = datetime.now(UTC)
    strange = Charged("ch_1", "", None, Decimal(5), "USD", now, "succeeded", Decimal(0), answer=None)  # type: ignore[arg-type]
    with gateway_is("tests.payments.test_reconcile.Other"):
        Other.adds = [strange]
        assert (report().foreign, codes()) == (1, [])
        Other.adds = []


def test_disputes_no_webhook_told_are_found_and_taken(till: Till) -> None:
    invoice = till.invoice()
    till.pay(invoice, till.card("sim_0259"))
    [one] = report().differences
    assert one.code == "dispute_not_booked"
    assert reconcile.catch_up() == 1
    assert (Disputed.objects.get().state, till.book("disputed:simulated"), codes()) == ("open", 100, [])
    assert audit([till.account]) == []


def test_a_dispute_only_we_know_of_is_named(till: Till) -> None:
    payment = till.payment(till.invoice(), till.card())
    Disputed.objects.create(
        account_id=till.id, id=new_id(), gateway="simulated", reference="dp_1", payment_id=payment.id, currency="USD",
        amount=Decimal(100), opened_at=datetime.now(UTC),
    )  # fmt: skip
    assert codes() == ["dispute_not_at_gateway"]


def test_the_worker_settles_what_nobody_told_and_survives_a_gateway_that_is_away(till: Till) -> None:
    invoice = till.invoice()
    till.pay(invoice, till.card("sim_0408"))
    with gateway_is("tests.payments.test_reconcile.Away"):
        assert reconcile.catch_up() == 0
    assert reconcile.catch_up() == 1
    assert till.owed(invoice) == 0


class Away(Simulated):
    """Can't be reached."""

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        raise ConnectionResetError("away")


def test_a_period_that_is_none_is_refused(db) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Invalid):
        reconcile.compare("simulated", now, now)


def command(monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    monkeypatch.setattr("tollbook.cli.main.run", lambda verb, **values: getattr(commands, verb.split(".")[1])(**values))
    today = datetime.now(UTC).date().isoformat()
    return CliRunner().invoke(main, ["reconcile", "--from", today, "--until", today, *options])


def test_the_command_names_each_difference_and_its_exit_status_tells(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    till.pay(till.invoice(), till.card("sim_0408"))
    found = command(monkeypatch)
    assert found.exit_code == 1
    assert "charge_not_booked: The gateway took $100.00; the books have no payment of it." in found.output
    assert Payment.objects.count() == 0
    settled = command(monkeypatch, "--settle", "--gateway", "simulated")
    assert settled.exit_code == 0 and "1 settled." in settled.output and "agree" in settled.output
    assert command(monkeypatch, "--gateway", "nobody").exit_code == 2


def test_the_command_says_when_a_gateway_is_away(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway_is("tests.payments.test_reconcile.Away"):
        assert command(monkeypatch).exit_code == 3
