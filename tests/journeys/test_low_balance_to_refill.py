"""Low balance → refill: due, intent committed, charge, settled (invoice, payment, credit) in one transaction, once."""

from decimal import Decimal

from django.conf import settings
from django.test import override_settings

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tollbook.accounts.audit import Actor
from tollbook.audit.books import audit
from tollbook.invoicing.tables import Invoice, OpenBalance
from tollbook.ledger.balance import sums
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.payments.tables import SimulatedCharge
from tollbook.refills import rule, run
from tollbook.refills.rule import Rule
from tollbook.refills.tables import Refill
from tollbook.usage.event import Event
from tollbook.usage.record import record

OWNER = Actor("user", "1", "owner@northwind.example")


@override_settings(GATEWAYS=settings.GATEWAYS | {"simulated": "tollbook.payments.simulated.Simulated"})
def test_a_low_balance_is_refilled_by_one_charge_invoiced_and_credited(db) -> None:
    # $60.00 of outbound minutes, a card, and the wish to buy $100.00 whenever $50.00 or less is left.
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="60")
    method.add(account.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 11, 2099), OWNER)
    rule.change(account, "outbound", Rule(True, Decimal(100), Decimal(50), Decimal(5000)), OWNER)

    # Nothing is due; a long call makes it due: $40.00 are left.
    run.run_due()
    assert not Refill.objects.exists()
    record(account.id, [Event("call-1", "outbound", Decimal(1200), NOON)])
    assert wallet(account).paid == 40

    # The worker comes by, three times: one refill, one charge, one invoice that is paid at birth, one credit.
    for _ in range(3):
        run.run_due()
    refill = Refill.objects.get(account_id=account.id)
    assert (refill.state, refill.amount, refill.trigger_balance) == ("succeeded", 100, 40)
    assert SimulatedCharge.objects.get().amount == 100
    invoice = Invoice.objects.get(account_id=account.id)
    assert (invoice.total, invoice.id) == (100, refill.invoice_id)
    assert OpenBalance.objects.get(account_id=account.id, invoice_id=invoice.id).balance == 0
    assert (wallet(account).paid, wallet(account).funded_balance) == (140, 140)
    books = sums(account.id)
    assert (books["receivable"], books["clearing:simulated"], books["cash:simulated"]) == (0, 0, 100)
    assert audit() == []
