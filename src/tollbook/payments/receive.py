"""A captured charge becomes a payment in the books, once."""

from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.errors import Conflict
from tollbook.ledger.post import Movement, Side, post
from tollbook.payments.tables import Payment
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)


def receive(
    account_id: UUID,
    gateway: str,
    charge_reference: str,
    amount: Decimal,
    currency: str,
    method_label: str,
    actor: str,
) -> Payment:
    """Record what a gateway took (amount > 0, minor unit of `currency`) and post Dr cash / Cr clearing of that gateway.

    Transaction: the caller's; required. Locks: none beyond the charge's key, for which a second caller waits. The same
    charge again answers the payment there is. Raises Conflict when it comes back with another amount or currency.
    """
    if not charge_reference:
        raise ValueError("a charge without a reference can't be recorded once")
    values = {
        "account_id": account_id,
        "id": new_id(),
        "gateway": gateway,
        "charge_reference": charge_reference,
        "currency": currency,
        "amount": amount,
        "method_label": method_label,
        "recorded_by": actor,
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL["record"], values)
        is_new = cursor.rowcount == 1
    payment = Payment.objects.get(account_id=account_id, gateway=gateway, charge_reference=charge_reference)
    if (payment.amount, payment.currency) != (amount, currency):
        raise Conflict("This charge is in the books with another amount.", charge=charge_reference)
    if is_new:
        post(account_id, currency, [_movement(payment)])
    return payment


def is_received(account_id: UUID, gateway: str, charge_reference: str) -> bool:
    """Whether the books have this charge as a payment already. Any transaction; no locks."""
    return Payment.objects.filter(account_id=account_id, gateway=gateway, charge_reference=charge_reference).exists()


def _movement(payment: Payment) -> Movement:
    return Movement(
        id=new_id(),
        kind="payment",
        reference=str(payment.id),
        sides=[Side(f"cash:{payment.gateway}", payment.amount), Side(f"clearing:{payment.gateway}", -payment.amount)],
        description=f"Charge {payment.charge_reference}, {payment.method_label}",
        actor=payment.recorded_by,
    )
