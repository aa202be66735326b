"""A gateway that moves no real money. What it does depends on the card alone, so demos and tests can rely on it.

It remembers by idempotency key, in a table of its own and in statements of its own, as a real gateway's memory would
stand outside our transactions. Offered only in the demo, or when TOLLBOOK_GATEWAYS names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

from django.core import signing
from django.db import connection
from django.db.models import Sum

from tollbook.payments.gateway import (
    CANCELED,
    ActionRequired,
    ChargeAnswer,
    Charged,
    ChargeRequest,
    ChargeState,
    Declined,
    Dispute,
    DisputeState,
    GatewayEvent,
    GivenBack,
    Hosted,
    HostedPage,
    KeyReused,
    NewMethod,
    NotGenuine,
    RefundAnswer,
    Refunded,
    RefundRequest,
    Succeeded,
    Unknown,
)
from tollbook.payments.tables import SimulatedCharge
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)
NAME = "simulated"
PAGE = "/billing/simulated-gateway/"
DISPUTE_FEE = Decimal("15.00")
EXPIRES = (12, 2040)


@dataclass(frozen=True, slots=True)
class Card:
    """A card of the simulation: what is remembered as its outcome, whether the answer gets lost on the way, and what
    becomes of the dispute that its holder opens."""

    token: str
    brand: str
    last4: str
    outcome: str
    decline_code: str = ""
    loses_answer: bool = False
    dispute: DisputeState | None = None


CARDS = {
    card.token: card
    for card in (
        Card("sim_4242", "Visa", "4242", "succeeded"),
        Card("sim_4444", "Mastercard", "4444", "succeeded"),
        Card("sim_0002", "Visa", "0002", "declined", "card_declined"),
        Card("sim_9995", "Visa", "9995", "declined", "insufficient_funds"),
        Card("sim_9979", "Visa", "9979", "declined", "stolen_card"),
        Card("sim_3184", "Visa", "3184", "action_required"),
        Card("sim_0408", "Visa", "0408", "succeeded", loses_answer=True),
        Card("sim_0259", "Visa", "0259", "succeeded", dispute="open"),
        Card("sim_1976", "Visa", "1976", "succeeded", dispute="lost"),
    )
}
"""By token. 0408 is the card whose charge succeeds while the connection is lost: only `look_up` tells. Charges of 0259
and 1976 are disputed."""

NO_SUCH_CARD = Card("", "", "", "declined", "no_such_card")
DECLINES = {
    code: Declined(code, message, curable_by_other_card=True, hard=code in ("stolen_card", "no_such_card"))
    for code, message in {
        "card_declined": "The bank declined the card.",
        "insufficient_funds": "The card has insufficient funds.",
        "stolen_card": "The bank declined the card and wants it not to be tried again.",
        "no_such_card": "The gateway does not know this card.",
    }.items()
}
DECLINES[CANCELED] = Declined(CANCELED, "The payment was cancelled before the money moved.")
PAID = "paid:"
"""How names of payment pages begin."""
REFUND = "refund"
"""The outcome of a remembered refund; its `token` is the charge's reference."""


class Simulated:
    """The adapter; see `payments.gateway.Gateway`."""

    REMEMBERS = timedelta(days=36_500)
    TAKES_CARDS = True

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Pretend to take the money, once per key. Raises KeyReused."""
        card = CARDS.get(request.token, NO_SUCH_CARD)
        with connection.cursor() as cursor:
            cursor.execute(SQL["remember"], _row(request, card))
        remembered = _recall(request.account_id, request.idempotency_key)
        if remembered is None or not _same(remembered, request):
            raise KeyReused(f"{request.idempotency_key} was used for another charge")
        return Unknown("The connection to the gateway was lost.") if card.loses_answer else _answer(remembered)

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        """What became of the charge with this key; None when there was none."""
        remembered = _recall(account_id, idempotency_key)
        return None if remembered is None else _answer(remembered)

    def confirm(self, account_id: UUID, reference: str, return_url: str) -> ChargeAnswer:
        """The charge's answer: in the simulation nobody can confirm anything."""
        return self.charged(reference).answer

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """End what waits for its holder. A page of the simulation is paid as soon as it is opened."""
        if reference.startswith(PAID):
            return self.paid_on(account_id, reference)
        with connection.cursor() as cursor:
            cursor.execute(SQL["cancel"], {"account_id": account_id, "reference": reference})
        return self.charged(reference).answer

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Pretend to give money back, once per key. Raises KeyReused."""
        with connection.cursor() as cursor:
            cursor.execute(SQL["remember_refund"], _refund_row(request))
        given = _recall(request.account_id, request.idempotency_key, refund=True)
        if given is None:
            return Declined("not_refundable", "There is not as much left of this charge to give back.")
        if (given.token, given.currency, given.amount) != (request.charge_reference, request.currency, request.amount):
            raise KeyReused(f"{request.idempotency_key} was used for another refund")
        return Refunded(given.reference, given.amount, given.currency)

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        """What became of the refund with this key; None when there was none."""
        given = _recall(request.account_id, request.idempotency_key, refund=True)
        return None if given is None else Refunded(given.reference, given.amount, given.currency)

    def given_back(self, reference: str) -> GivenBack:
        """The refund. Raises LookupError."""
        found = SimulatedCharge.objects.filter(reference=reference, outcome=REFUND).first()
        if found is None:
            raise LookupError(f"there is no refund {reference}")
        answer = Refunded(found.reference, found.amount, found.currency)
        about = (found.idempotency_key, found.account_id, found.token)
        return GivenBack(found.reference, *about, found.amount, found.currency, found.created_at, answer)

    def charged(self, reference: str) -> Charged:
        """The charge. Raises LookupError."""
        found = SimulatedCharge.objects.filter(reference=reference).exclude(outcome=REFUND).first()
        if found is None:
            raise LookupError(f"there is no charge {reference}")
        return _charged(found)

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        """Every charge of that time, oldest first."""
        made = SimulatedCharge.objects.filter(created_at__gte=since, created_at__lt=until).exclude(outcome=REFUND)
        return (_charged(charge) for charge in list(made.order_by("created_at", "reference")))

    def dispute(self, reference: str) -> Dispute:
        """The dispute. Raises LookupError."""
        found = SimulatedCharge.objects.filter(reference=reference.removeprefix("dispute_")).first()
        if found is None or not CARDS.get(found.token, NO_SUCH_CARD).dispute:
            raise LookupError(f"there is no dispute {reference}")
        return _dispute(found)

    def disputes(self, since: datetime, until: datetime) -> Iterator[Dispute]:
        """One for each charge of a card whose holder disputes, opened when it was made."""
        tokens = [card.token for card in CARDS.values() if card.dispute]
        made = SimulatedCharge.objects.filter(token__in=tokens, created_at__gte=since, created_at__lt=until)
        return (_dispute(charge) for charge in list(made.order_by("created_at", "reference")))

    def set_up(self, account_id: UUID, return_url: str) -> HostedPage:
        """A page of Tollbook's own stands for the gateway's; a card is chosen there, no number is typed."""
        reference = f"page_{new_id().hex}"
        return HostedPage(f"{PAGE}?{urlencode({'page': reference, 'return': return_url})}", reference)

    def card_from(self, account_id: UUID, reference: str) -> NewMethod | None:
        """The card in a reference that the page has signed with `chosen`."""
        try:
            card = CARDS[signing.loads(reference, salt=f"{NAME}:{account_id}", max_age=3600)]
        except (signing.BadSignature, KeyError):
            return None
        return NewMethod(NAME, card.token, card.brand, card.last4, *EXPIRES)

    def card(self, reference: str) -> NewMethod | None:
        """The card. Raises LookupError."""
        card = CARDS[reference]
        return NewMethod(NAME, card.token, card.brand, card.last4, *EXPIRES)

    def pay_page(self, request: ChargeRequest, return_url: str) -> HostedPage:
        """The good card pays at once, and the page leads straight back."""
        self.charge(replace(request, token="sim_4242"))
        return HostedPage(return_url, f"{PAID}{request.idempotency_key}")

    def paid_on(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """What became of the charge behind the page."""
        answer = self.look_up(account_id, reference.removeprefix(PAID))
        return answer or Declined("page_closed", "The page was closed before it was paid.")

    def hosted(self, reference: str) -> Hosted:
        """No webhook tells of a page of the simulation, so nobody needs this. Raises LookupError."""
        raise LookupError(f"there is no page {reference}")

    def forget(self, account_id: UUID, token: str) -> None:
        """Nothing is kept of a card."""

    def event_of(self, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        """The simulation sends no webhooks."""
        raise NotGenuine("the simulated gateway sends no webhooks")


def chosen(account_id: UUID, token: str) -> str:
    """The reference with which the simulation's page leads back: the card that was chosen, signed, for an hour."""
    return signing.dumps(token, salt=f"{NAME}:{account_id}")


def _row(request: ChargeRequest, card: Card) -> dict[str, object]:
    return {
        "account_id": request.account_id,
        "idempotency_key": request.idempotency_key,
        "reference": f"sim_{new_id().hex}",
        "token": request.token,
        "currency": request.currency,
        "amount": request.amount,
        "outcome": card.outcome,
        "decline_code": card.decline_code,
    }


def _refund_row(request: RefundRequest) -> dict[str, object]:
    return {
        "account_id": request.account_id,
        "idempotency_key": request.idempotency_key,
        "reference": f"simre_{new_id().hex}",
        "charge": request.charge_reference,
        "currency": request.currency,
        "amount": request.amount,
    }


def _recall(account_id: UUID, key: str, *, refund: bool = False) -> SimulatedCharge | None:
    known = SimulatedCharge.objects.filter(account_id=account_id, idempotency_key=key)
    return (known.filter(outcome=REFUND) if refund else known.exclude(outcome=REFUND)).first()


def _same(remembered: SimulatedCharge, request: ChargeRequest) -> bool:
    known = (remembered.token, remembered.currency, remembered.amount)
    return known == (request.token, request.currency, request.amount)


def _answer(charge: SimulatedCharge) -> ChargeAnswer:
    if charge.outcome == "succeeded":
        return Succeeded(charge.reference, charge.amount, charge.currency)
    if charge.outcome == "action_required":
        return ActionRequired(reference=charge.reference)
    return DECLINES[charge.decline_code]


def _charged(charge: SimulatedCharge) -> Charged:
    refunds = SimulatedCharge.objects.filter(account_id=charge.account_id, outcome=REFUND, token=charge.reference)
    purpose, our_id, attempt = (["", "", "", *charge.idempotency_key.split(":")])[-3:]
    return Charged(
        reference=charge.reference,
        idempotency_key=charge.idempotency_key,
        account_id=charge.account_id,
        amount=charge.amount,
        currency=charge.currency,
        created_at=charge.created_at,
        state=cast(ChargeState, charge.outcome),
        refunded=refunds.aggregate(sum=Sum("amount"))["sum"] or Decimal(0),
        answer=_answer(charge),
        purpose=purpose,
        our_id=our_id,
        attempt=int(attempt) if attempt.isdigit() else 0,
    )


def _dispute(charge: SimulatedCharge) -> Dispute:
    return Dispute(
        reference=f"dispute_{charge.reference}",
        charge_reference=charge.reference,
        amount=charge.amount,
        currency=charge.currency,
        fee=DISPUTE_FEE,
        state=CARDS[charge.token].dispute or "open",
        created_at=charge.created_at,
    )
