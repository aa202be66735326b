"""Invoices paid, paid on pages and refunded by card under every fault of the plan: the gateway's truth against our ledger.

`TOLLBOOK_FAULT_PAYMENTS=2000` makes it as large as one likes; `TOLLBOOK_FAULT_SEED` repeats a run.
"""

import os
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from tests.databases import Database
from tests.faults.refilling import SLOW_SECONDS, at_the_gateway
from tests.gateway import Gateway, running
from tests.payments.at_stripe import save_card
from tests.payments.till import Till
from tests.refills.shop import SUPPORT
from tests.together import together
from tollbook.audit.books import audit
from tollbook.errors import Refused
from tollbook.invoicing.tables import Invoice
from tollbook.payments import collect, reconcile, refund
from tollbook.payments.refund import Back
from tollbook.payments.tables import OPEN_INTENTS, OPEN_REFUNDS, Payment, PaymentIntent, PaymentMethod, Refund

pytestmark = pytest.mark.faults

PAYMENTS = int(os.environ.get("TOLLBOOK_FAULT_PAYMENTS", "60"))
SEED = int(os.environ.get("TOLLBOOK_FAULT_SEED") or secrets.randbelow(10**9))
AT_ONCE = 3  # a card with four charges that have no answer rests for a day
RATES = {
    "drop_before": 0.05, "drop_after": 0.08, "half_answer": 0.05, "garbled": 0.04, "error_after": 0.05,
    "error_failed": 0.03, "error_before": 0.04, "rate_limited": 0.04,
}  # fmt: skip


@pytest.fixture
def till(db: Database) -> Till:
    return Till(db)


def test_under_every_kind_of_fault_each_payment_and_refund_moves_money_once_and_is_booked(till: Till) -> None:
    with running(search_lag_seconds=60) as gateway, at_the_gateway(gateway):
        gateway.limits(search_per_second=0)
        card = save_card(gateway, till.id)
        gateway.plan(seed=SEED, rates=RATES, counts="all", seconds=SLOW_SECONDS)
        for first in range(0, PAYMENTS, AT_ONCE):
            for number in range(first, min(first + AT_ONCE, PAYMENTS)):
                till.ask(till.invoice(f"{10 + number}.00"), card)
            finish(till, gateway)
        for payment in list(Payment.objects.filter(account_id=till.id))[::2]:
            refund.ask(till.account, Back(payment.id, payment.amount / 2, "goodwill", "For a test."), SUPPORT)
        finish(till, gateway)
        ends = Counter(PaymentIntent.objects.filter(account_id=till.id).values_list("state", "outcome"))
        print(f"seed {SEED}: {PAYMENTS} payments, faults {gateway.injected()}, ends {ends}")
        assert Payment.objects.filter(account_id=till.id).count() >= PAYMENTS * 2 / 3
        assert sum(gateway.injected().values()) >= PAYMENTS / 4
        gateway.plan()
        assert_true(till, gateway)


def test_devices_and_workers_at_once_charge_an_invoice_once(till: Till) -> None:
    with running(search_lag_seconds=60) as gateway, at_the_gateway(gateway):
        gateway.limits(search_per_second=0)
        card = save_card(gateway, till.id)
        invoices = [till.invoice() for _ in range(6)]
        gateway.plan(seed=SEED, rates=RATES, counts="all", by="amount", seconds=SLOW_SECONDS)

        def device() -> None:
            for invoice in invoices:
                _pay(till, invoice, card)
                collect.run_due()

        together(4, device)
        finish(till, gateway)
        gateway.plan()
        assert_true(till, gateway)
        assert all(till.owed(invoice) in (0, 100) for invoice in invoices)


def _pay(till: Till, invoice: Invoice, card: PaymentMethod) -> None:
    try:
        asked = till.ask(invoice, card, "100.00", seen=Decimal(100))
        collect.step(till.id, asked.id)
    except Refused:
        pass


def finish(till: Till, gateway: Gateway) -> None:
    """Let everything come to its end; an hour at a time, as questions become rare."""
    for _ in range(40):
        collect.run_due()
        refund.run_due()
        intents = PaymentIntent.objects.filter(account_id=till.id, state__in=OPEN_INTENTS)
        if not intents.exists() and not Refund.objects.filter(account_id=till.id, state__in=OPEN_REFUNDS).exists():
            return
        till.later(minutes=70)
        gateway.advance(70 * 60)


def assert_true(till: Till, gateway: Gateway) -> None:
    """Charged is booked, given back is booked, nothing twice, nothing open; the comparison of the two says so, too."""
    assert not PaymentIntent.objects.filter(account_id=till.id, state__in=OPEN_INTENTS).exists()
    assert not Refund.objects.filter(account_id=till.id, state__in=OPEN_REFUNDS).exists()
    moved = gateway.moved()
    taken, given = (sum(Decimal(one.amount) / 100 for one in moved if one.what == what) for what in ("charge", "refund"))
    booked = Payment.objects.filter(account_id=till.id).aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    back = Refund.objects.filter(account_id=till.id, state="succeeded").aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    assert (taken, given) == (booked, back)
    asked = Counter(one.metadata.get("tollbook_id") for one in moved if one.what == "charge")
    assert all(count == 1 for id, count in asked.items() if id)
    assert audit([till.account]) == []
    assert reconcile.compare("stripe", *_always()).differences == []


def _always() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=60), now + timedelta(days=60)
