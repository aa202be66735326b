"""The payments behind settlements: what was paid for an invoice, when, with what, recorded by whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tollbook.invoicing.tables import Settlement
from tollbook.payments.tables import Payment


@dataclass(frozen=True, slots=True)
class Applied:
    """The part of a payment that was applied to an invoice. `amount` of `paid`, both in the payment's currency."""

    settlement_id: UUID
    payment_id: UUID
    amount: Decimal
    settled_at: datetime
    paid: Decimal
    received_at: datetime
    method_label: str
    gateway: str
    charge_reference: str
    recorded_by: str


def applied(account_id: UUID, settlements: Iterable[Settlement]) -> list[Applied]:
    """These settlements of the account with their payments, in the order given. Reads only."""
    wanted = list(settlements)
    payments = Payment.objects.filter(account_id=account_id, id__in=[one.payment_id for one in wanted])
    by_id = {payment.id: payment for payment in payments}
    return [_applied(settlement, by_id[settlement.payment_id]) for settlement in wanted]


def _applied(settlement: Settlement, payment: Payment) -> Applied:
    return Applied(
        settlement_id=settlement.id,
        payment_id=payment.id,
        amount=settlement.amount,
        settled_at=settlement.settled_at,
        paid=payment.amount,
        received_at=payment.received_at,
        method_label=payment.method_label,
        gateway=payment.gateway,
        charge_reference=payment.charge_reference,
        recorded_by=payment.recorded_by,
    )
