"""Bank transfers that staff saw arrive and recorded, in the port's words: nothing is charged here, and nobody is asked.

Its list of charges is what was recorded, so that the same reconciliation covers it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn
from uuid import UUID

from tollbook.payments.gateway import (
    ChargeAnswer,
    Charged,
    ChargeRequest,
    Declined,
    Dispute,
    GatewayEvent,
    GivenBack,
    Hosted,
    HostedPage,
    NewMethod,
    NotGenuine,
    NotOffered,
    RefundAnswer,
    RefundRequest,
    Succeeded,
)
from tollbook.payments.tables import Payment
from tollbook.payments.transfer import GATEWAY

BY_HAND = "A bank transfer is made and recorded by people."


class Manual:
    """The adapter; see `payments.gateway.Gateway`."""

    REMEMBERS = timedelta(days=36_500)
    TAKES_CARDS = False

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Nothing is taken."""
        return Declined("by_hand", BY_HAND)

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        """Nothing was ever charged by a key."""
        return None

    def confirm(self, account_id: UUID, reference: str, return_url: str) -> ChargeAnswer:
        """Nothing waits to be confirmed."""
        return Declined("by_hand", BY_HAND)

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """Nothing waits to be paid."""
        return Declined("by_hand", BY_HAND)

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Nothing is given back: a person sends it."""
        return Declined("by_hand", BY_HAND)

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        """Nothing was ever given back by a key."""
        return None

    def given_back(self, reference: str) -> GivenBack:
        """There is none. Raises LookupError."""
        raise LookupError(reference)

    def charged(self, reference: str) -> Charged:
        """The transfer with the bank's reference, if only one has it. Raises LookupError."""
        found = list(Payment.objects.filter(gateway=GATEWAY, charge_reference=reference)[:2])
        if len(found) != 1:
            raise LookupError(reference)
        return _charged(found[0])

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        """The transfers recorded in that time, oldest first."""
        recorded = Payment.objects.filter(gateway=GATEWAY, received_at__gte=since, received_at__lt=until)
        return (_charged(payment) for payment in list(recorded.order_by("received_at", "id")))

    def dispute(self, reference: str) -> Dispute:
        """There is none. Raises LookupError."""
        raise LookupError(reference)

    def disputes(self, since: datetime, until: datetime) -> Iterator[Dispute]:
        """A transfer can't be disputed."""
        return iter(())

    def set_up(self, account_id: UUID, return_url: str) -> HostedPage:
        """No card is kept here. Raises NotOffered."""
        _not_here()

    def card_from(self, account_id: UUID, reference: str) -> NewMethod | None:
        """No card is kept here."""
        return None

    def card(self, reference: str) -> NewMethod | None:
        """No card is kept here."""
        return None

    def pay_page(self, request: ChargeRequest, return_url: str) -> HostedPage:
        """There is no page. Raises NotOffered."""
        _not_here()

    def paid_on(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """There is no page."""
        return Declined("by_hand", BY_HAND)

    def hosted(self, reference: str) -> Hosted:
        """There is no page. Raises LookupError."""
        raise LookupError(reference)

    def forget(self, account_id: UUID, token: str) -> None:
        """Nothing is kept here."""

    def event_of(self, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        """No bank speaks to Tollbook. Raises NotGenuine."""
        raise NotGenuine("bank transfers are recorded by people")


def _not_here() -> NoReturn:
    raise NotOffered(BY_HAND)


def _charged(payment: Payment) -> Charged:
    return Charged(
        reference=payment.charge_reference,
        idempotency_key="",
        account_id=payment.account_id,
        amount=payment.amount,
        currency=payment.currency,
        created_at=payment.received_at,
        state="succeeded",
        refunded=Decimal(0),
        answer=Succeeded(payment.charge_reference, payment.amount, payment.currency),
        purpose="manual",
    )
