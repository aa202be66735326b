"""What a person saw on a gateway's own dashboard, held against what the gateway itself says."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from tollbook.errors import Invalid
from tollbook.payments import gateway
from tollbook.payments.gateway import Charged, NotOffered, Succeeded, Unreachable
from tollbook.payments.receive import is_received


@dataclass(frozen=True, slots=True)
class Meant:
    """What a charge has to be: of whom, at which gateway, for what, and how much."""

    gateway: str
    account_id: UUID
    purpose: str
    our_id: UUID
    amount: Decimal
    currency: str


def charged(meant: Meant, reference: str) -> tuple[Succeeded, int | None]:
    """The charge of this name as the gateway has it, and which attempt it was; as the person has seen it, and None, only
    when the gateway can't be asked. Not inside a transaction. Raises Invalid when it is not what is meant.
    """
    try:
        found = gateway.charged(meant.gateway, reference)
    except (Unreachable, NotOffered):
        _refuse_what_is_booked(meant, reference)
        return Succeeded(reference, meant.amount, meant.currency), None
    except LookupError:
        raise Invalid("The gateway has no charge of this name.", field="reference") from None
    _must_be(meant, found)
    _refuse_what_is_booked(meant, found.reference)
    return Succeeded(found.reference, found.amount, found.currency), found.attempt or None


def _must_be(meant: Meant, found: Charged) -> None:
    if (found.account_id, found.purpose, found.our_id) != (meant.account_id, meant.purpose, str(meant.our_id)):
        raise Invalid("The gateway says that this charge is of something else.", field="reference")
    if found.state != "succeeded":
        raise Invalid(f"The gateway says that this charge is {found.state.replace('_', ' ')}.", field="reference")
    if (found.amount, found.currency) != (meant.amount, meant.currency):
        raise Invalid("The gateway says that this charge took another sum: give it back there.", field="reference")
    if found.refunded:
        raise Invalid("The gateway says that this charge was given back, or a part of it.", field="reference")


def _refuse_what_is_booked(meant: Meant, reference: str) -> None:
    """What stands in the books has paid something else already, or is kept as account credit."""
    if is_received(meant.account_id, meant.gateway, reference):
        raise Invalid("The books have this charge already, as a payment of its own.", field="reference")
