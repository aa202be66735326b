"""What happened to a wallet's refills, and why: for pages. Reads only; as engine or portal."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tollbook.invoicing.tables import Invoice
from tollbook.payments.method import label
from tollbook.payments.tables import PaymentMethod
from tollbook.refills.decide import open_refill
from tollbook.refills.tables import Refill, RefillState, RefillStop

__all__ = ["Row", "of_wallet", "open_refill", "stop_of"]


@dataclass(frozen=True, slots=True)
class Row:
    """One refill as a page shows it. `result` is a sentence; `invoice_number` is empty unless it succeeded."""

    id: UUID
    decided_at: datetime
    finished_at: datetime | None
    automatic: bool
    amount: Decimal
    currency: str
    state: RefillState
    result: str
    reason: str
    trigger_balance: Decimal
    attempts: int
    card: str
    requested_by: str
    invoice_number: str


def of_wallet(account_id: UUID, wallet_id: UUID, limit: int = 50, before: UUID | None = None) -> list[Row]:
    """The wallet's refills, newest first; with `before`, those older than that refill."""
    refills = Refill.objects.filter(account_id=account_id, wallet_id=wallet_id)
    if before is not None:
        refills = refills.filter(id__lt=before)
    found = list(refills.order_by("-id")[:limit])
    numbers = _numbers(account_id, [refill.invoice_id for refill in found if refill.invoice_id])
    cards = _cards(account_id, [refill.method_id for refill in found if refill.method_id])
    return [_row(refill, numbers, cards) for refill in found]


def invoice_number(account_id: UUID, refill_id: str) -> str:
    """The number of the invoice that this refill issued; empty when there is none."""
    refills = Refill.objects.filter(account_id=account_id, id=refill_id).values("invoice_id")
    return Invoice.objects.filter(account_id=account_id, id__in=refills).values_list("number", flat=True).first() or ""


def stop_of(account_id: UUID, wallet_id: UUID) -> RefillStop | None:
    """Why the wallet, which is due, is not being refilled; None when nothing stops it."""
    return RefillStop.objects.filter(account_id=account_id, wallet_id=wallet_id).first()


def _row(refill: Refill, numbers: dict[UUID, str], cards: dict[UUID, str]) -> Row:
    state = RefillState(refill.state)
    return Row(
        id=refill.id,
        decided_at=refill.decided_at,
        finished_at=refill.finished_at,
        automatic=refill.automatic,
        amount=refill.amount,
        currency=refill.currency,
        state=state,
        result=refill.outcome or state.label,
        reason=refill.reason,
        trigger_balance=refill.trigger_balance,
        attempts=refill.attempt if refill.charging_at else 0,
        card=cards.get(refill.method_id, "") if refill.method_id else "",
        requested_by=refill.requested_by,
        invoice_number=numbers.get(refill.invoice_id, "") if refill.invoice_id else "",
    )


def _numbers(account_id: UUID, invoice_ids: list[UUID]) -> dict[UUID, str]:
    return dict(Invoice.objects.filter(account_id=account_id, id__in=invoice_ids).values_list("id", "number"))


def _cards(account_id: UUID, method_ids: list[UUID]) -> dict[UUID, str]:
    methods = PaymentMethod.objects.filter(account_id=account_id, id__in=method_ids)
    return {method.id: label(method) for method in methods}
