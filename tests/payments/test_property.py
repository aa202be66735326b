"""Any mix of invoices, payments, transfers, refunds and disputes ends where a slow plain model ends, to the last cent."""

import os
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.payments import Books
from tests.payments.till import Till
from tests.refills.shop import SUPPORT
from tollbook.errors import Refused
from tollbook.invoicing.tables import Invoice
from tollbook.payments import credit, dispute, refund
from tollbook.payments.gateway import Declined, Dispute
from tollbook.payments.refund import Back
from tollbook.payments.tables import Payment
from tollbook.payments.transfer import record_transfer

EXAMPLES = int(os.environ.get("TOLLBOOK_PAYMENT_EXAMPLES", "25"))
CENTS = st.integers(1, 15_000)
ACTIONS = st.one_of(
    st.tuples(st.just("issue"), CENTS),
    st.tuples(st.just("pay"), st.integers(0, 9), CENTS),
    st.tuples(st.just("transfer"), st.integers(0, 9), CENTS),
    st.tuples(st.just("back"), st.integers(0, 9), st.sampled_from(["credit", "invoice", "goodwill"]), CENTS, st.booleans()),
    st.tuples(st.just("contest"), st.integers(0, 9), st.sampled_from(["open", "lost", "won"])),
)


def test_everything_follows_a_plain_model(db) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.lists(ACTIONS, min_size=4, max_size=25))
    def run(actions: list[tuple]) -> None:
        db.empty()
        world = _World(Till(db))
        world.issue(10_000)
        for name, *values in actions:
            getattr(world, name)(*values)
            world.use()  # as the worker does
            world.compare()

    run()


@dataclass
class _World:
    """The same done to the product and to the model."""

    till: Till

    def __post_init__(self) -> None:
        self.card = self.till.card()
        self.model = Books()
        self.invoices: list[Invoice] = []
        self.payments: list[Payment] = []

    def issue(self, cents: int) -> None:
        self.invoices.append(self.till.invoice(_dollars(cents)))
        self.model.issue(cents)

    def pay(self, which: int, cents: int) -> None:
        invoice = which % len(self.invoices)
        owed = self.model.owed[invoice]
        try:
            self.payments.append(self.till.payment(self.invoices[invoice], self.card, _dollars(cents)))
        except Refused:
            assert cents > owed
            return
        assert cents <= owed
        self.model.pay(invoice, cents)

    def transfer(self, which: int, cents: int) -> None:
        invoice = which % len(self.invoices)
        if self.model.owed[invoice]:
            number, reference = self.invoices[invoice].number, f"SEPA {len(self.payments)}"
            paid = record_transfer(self.till.account, number, Decimal(_dollars(cents)), reference, SUPPORT)
            self.payments.append(paid)
            self.model.pay(invoice, cents)

    def back(self, which: int, source: str, cents: int, refused: bool) -> None:
        if not self.payments:
            return
        place = which % len(self.payments)
        payment, before = self.payments[place], deepcopy(self.model)
        wanted = Back(payment.id, Decimal(_dollars(cents)), source, "For a test.", "SEPA back")
        possible = self.model.back(place, source, cents)
        try:
            asked = refund.ask(self.till.account, wanted, SUPPORT)
        except Refused as refusal:
            assert not possible, refusal
            return
        assert possible
        if refused and payment.gateway != "manual":
            refund.settle(self.till.id, asked.id, Declined("no", "No."))
            self.model = before
            self._refused(place, source, cents)
        else:
            refund.step(self.till.id, asked.id)

    def contest(self, which: int, state: str) -> None:
        charged = [place for place, payment in enumerate(self.payments) if payment.gateway != "manual"]
        if not charged:
            return
        place = charged[which % len(charged)]
        payment, before = self.payments[place], self.model.paid[place].contested
        if before in ("won", "lost") and state != "won":
            return  # a gateway does not go back to these
        told = Dispute(
            f"dp_{place}", payment.charge_reference, payment.amount, "USD", Decimal(15), state, datetime.now(UTC)
        )
        dispute.take("simulated", told)
        self.model.contest(place, state)

    def _refused(self, place: int, source: str, cents: int) -> None:
        """What was on an invoice comes back through credit, which may pay another one that is older."""
        one = self.model.paid[place]
        if source == "invoice":
            self.model._apply(one, self.model._most_paid(one), -cents)
            one.credit += cents
        if source in ("invoice", "credit"):
            self.model.use()

    def use(self) -> None:
        credit.use_everywhere()
        self.model.use()

    def compare(self) -> None:
        till, model = self.till, self.model
        assert [_cents(till.owed(invoice)) for invoice in self.invoices] == model.owed
        assert _cents(till.book("receivable")) == sum(model.owed)
        assert -_cents(till.book("credit")) == sum(one.credit for one in model.paid)
        assert till.book("clearing:simulated") == till.book("clearing:manual") == 0
        assert (_cents(till.book("revenue:refund")), _cents(till.book("loss:disputes"))) == (model.goodwill, model.loss)
        assert _cents(till.book("fees:simulated")) == model.fees
        assert [_cents(refund.refundable(payment)) for payment in self.payments] == [
            one.refundable() for one in model.paid
        ]
        till.assert_sound()


def _dollars(cents: int) -> str:
    return str(Decimal(cents) / 100)


def _cents(amount: Decimal) -> int:
    return int(amount * 100)

