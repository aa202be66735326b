"""What a webhook points at, as its gateway has it now, taken the same way as any other answer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from tollbook.accounts.audit import Actor
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.payments import collect, dispute, gateway, method, refund
from tollbook.payments.gateway import ChargeAnswer
from tollbook.payments.tables import GatewayCustomer, PaymentMethod

log = logging.getLogger(__name__)

ELSEWHERE = "Not of this installation."
Settle = Callable[[UUID, UUID, ChargeAnswer, int], object]
"""How a charge's answer is taken, by account, id of ours and attempt; safe to repeat."""
Settlers = Mapping[str, Settle]
"""By what the charge was for."""


class NotYet(Exception):
    """What was told of can't be placed yet; the same question may be answered later."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it, in a few words; whose it is and which of ours, when that is known."""

    outcome: str
    account_id: UUID | None = None
    purpose: str = ""
    our_id: str = ""

    def where(self) -> dict[str, object]:
        """Whose it is and which of ours, as values of a statement."""
        return {"account_id": self.account_id, "purpose": self.purpose, "our_id": self.our_id}


def look(name: str, kind: str, reference: str, settlers: Settlers) -> Told:
    """Ask the gateway `name` about the thing of that kind, and take what it says. Not inside a transaction.

    Raises NotYet, gateway.Unreachable, LookupError when the gateway has no such thing (yet).
    """
    if kind == "charge":
        return _charge(name, reference, settlers)
    looks = {"refund": _refund, "dispute": _dispute, "page": _page, "card": _card}
    return looks[kind](name, reference) if kind in looks else Told("Nothing to do.")


def _charge(name: str, reference: str, settlers: Settlers) -> Told:
    found = gateway.charged(name, reference)
    if found.account_id is None or found.purpose not in settlers:
        return Told(ELSEWHERE)
    try:
        state = settlers[found.purpose](found.account_id, UUID(found.our_id), found.answer, found.attempt)
    except (ObjectDoesNotExist, NotFound) as error:
        raise NotYet(f"There is no {found.purpose} {found.our_id}, attempt {found.attempt}.") from error
    return Told(f"The charge {_word(found.state)}; {found.purpose} {_word(state)}.", *_whose(found))


def _refund(name: str, reference: str) -> Told:
    found = gateway.given_back(name, reference)
    if found.account_id is None:
        log.warning("refund %s at %s was not made by Tollbook", reference, name)
        return Told(ELSEWHERE)
    our_id = found.idempotency_key.split(":")[-2]
    state = refund.settle_by(found.account_id, our_id)
    if state is None:
        raise NotYet(f"There is no refund {our_id}.")
    return Told(f"Refund {_word(state)}.", found.account_id, refund.PURPOSE, our_id)


def _dispute(name: str, reference: str) -> Told:
    case = dispute.refresh(name, reference)
    if case is None:
        raise NotYet("The disputed charge is not in the books.")
    return Told(f"Dispute {_word(case.state)}.", case.account_id, "dispute", str(case.payment_id))


def _page(name: str, reference: str) -> Told:
    page = gateway.hosted(name, reference)
    if not page.saves_card:
        state = collect.settle_by(page.account_id, page.our_id)
        if state is None:
            raise NotYet(f"There is no payment {page.our_id}.")
        return Told(f"The page was left; payment {_word(state)}.", *_whose(page))
    return Told(_saved(name, page.account_id, reference), page.account_id)


def _saved(name: str, account_id: UUID, reference: str) -> str:
    """Add the card of a page from which its holder never came back. A card that was removed since stays removed."""
    new = gateway.card_from(name, account_id, reference)
    if new is None:
        return "The page was left without a card."
    if PaymentMethod.objects.filter(account_id=account_id, gateway=name, token=new.token).exists():
        return "The card is known."
    try:
        method.add(account_id, new, Actor("system", "", f"{name.title()}'s page"))
    except (Conflict, Invalid) as refusal:
        return refusal.message
    return "The card was added."


def _card(name: str, reference: str) -> Told:
    now = gateway.card(name, reference)
    if now is None:
        return Told("Not a saved card.")
    holder = now.token.partition(":")[0]
    known = GatewayCustomer.objects.filter(gateway=name, reference=holder).first()
    if known is None:
        return Told(ELSEWHERE)
    is_new = method.refresh(known.account_id, now)
    return Told("The card was renewed." if is_new else "Nothing new about the card.", known.account_id)


def _whose(found: gateway.Charged | gateway.Hosted) -> tuple[UUID | None, str, str]:
    return found.account_id, found.purpose, found.our_id


def _word(state: object) -> str:
    return str(state).replace("_", " ")
