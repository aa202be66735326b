"""A gateway that moves no real money. What it does depends on the card alone, so demos and tests can rely on it.

It remembers by idempotency key, in a table of its own and in statements of its own, as a real gateway's memory would
stand outside our transactions. Offered only in the demo, or when TOLLBOOK_GATEWAYS names it.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from tollbook.payments.gateway import (
    ActionRequired,
    ChargeAnswer,
    ChargeRequest,
    Declined,
    KeyReused,
    Succeeded,
    Unknown,
)
from tollbook.payments.tables import SimulatedCharge
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)
NAME = "simulated"


@dataclass(frozen=True, slots=True)
class Card:
    """A card of the simulation: what is remembered as its outcome, and whether the answer gets lost on the way."""

    token: str
    brand: str
    last4: str
    outcome: str
    decline_code: str = ""
    loses_answer: bool = False


CARDS = {
    card.token: card
    for card in (
        Card("sim_4242", "Visa", "4242", "succeeded"),
        Card("sim_4444", "Mastercard", "4444", "succeeded"),
        Card("sim_0002", "Visa", "0002", "declined", "card_declined"),
        Card("sim_9995", "Visa", "9995", "declined", "insufficient_funds"),
        Card("sim_3184", "Visa", "3184", "action_required"),
        Card("sim_0408", "Visa", "0408", "succeeded", loses_answer=True),
    )
}
"""By token. 0408 is the card whose charge succeeds while the connection is lost: only `look_up` tells."""

NO_SUCH_CARD = Card("", "", "", "declined", "no_such_card")
DECLINES = {
    "card_declined": "The bank declined the card.",
    "insufficient_funds": "The card has insufficient funds.",
    "no_such_card": "The gateway does not know this card.",
}


class Simulated:
    """The adapter; see `payments.gateway.Gateway`."""

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


def _recall(account_id: UUID, key: str) -> SimulatedCharge | None:
    return SimulatedCharge.objects.filter(account_id=account_id, idempotency_key=key).first()


def _same(remembered: SimulatedCharge, request: ChargeRequest) -> bool:
    known = (remembered.token, remembered.currency, remembered.amount)
    return known == (request.token, request.currency, request.amount)


def _answer(charge: SimulatedCharge) -> ChargeAnswer:
    if charge.outcome == "succeeded":
        return Succeeded(charge.reference, charge.amount, charge.currency)
    if charge.outcome == "action_required":
        return ActionRequired()
    return Declined(charge.decline_code, DECLINES[charge.decline_code])
