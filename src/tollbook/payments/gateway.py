"""The port: what Tollbook asks of a gateway, what a gateway must answer, and the one place from which it is called.

A gateway moves money at most once per idempotency key, whatever is sent under that key again, and remembers what became
of it. It gives up on its own network after `TIMEOUT_SECONDS` and then answers Unknown: never a guess.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NoReturn, Protocol, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from tollbook.errors import TryLater
from tollbook.payments.install import install_id

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 20

ChargeState = Literal["succeeded", "declined", "action_required", "unknown"]
DisputeState = Literal["open", "won", "lost"]
EventKind = Literal["charge", "refund", "dispute", "page", "card", "other"]
_Answer = TypeVar("_Answer")
_Listed = TypeVar("_Listed")


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What is to be charged: `amount` at the currency's minor unit, from the card that the gateway calls `token`.

    `purpose` (refill, invoice, manual), `our_id` and `attempt` travel with the charge, so that it can be found by them.
    """

    account_id: UUID
    idempotency_key: str
    token: str
    amount: Decimal
    currency: str
    description: str = ""
    purpose: str = ""
    our_id: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to be given back: `amount` at the currency's minor unit, of the charge that the gateway calls so."""

    account_id: UUID
    idempotency_key: str
    charge_reference: str
    amount: Decimal
    currency: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money was taken: this much, under the gateway's own name for the charge."""

    reference: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The money was given back, or is on its way: this much, under the gateway's own name for the refund."""

    reference: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The money was not moved and will not be: the gateway's code, and a sentence for the card's holder.

    `hard`: the card must never be tried again. `curable_by_other_card`: the reason lies with this card, not with the
    charge, so another card may succeed. `ours`: the gateway refused the request itself, for a fault of ours or of the
    settings; no bank was asked, and it says nothing about the card.
    """

    code: str
    message: str
    curable_by_other_card: bool = False
    hard: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The card's holder must do something first, such as confirm with the bank: on the hosted page `url`, if there is
    one, for the charge that the gateway calls `reference` (see `confirm`)."""

    message: str = "The bank wants the card's holder to confirm this payment."
    url: str | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet whether the money was moved; ask again with `look_up`."""

    message: str = "The gateway did not answer."


CANCELED = "canceled"
"""The code of a decline of what was ended by `cancel`, at every gateway."""

ChargeAnswer = Succeeded | Declined | ActionRequired | Unknown
RefundAnswer = Refunded | Declined | Unknown


@dataclass(frozen=True, slots=True)
class Charged:
    """A charge as the gateway has it now. `refunded` of it was given back, in the same currency.

    The key, the account and what it was for are empty when the charge does not come from this installation.
    """

    reference: str
    idempotency_key: str
    account_id: UUID | None
    amount: Decimal
    currency: str
    created_at: datetime
    state: ChargeState
    refunded: Decimal
    answer: ChargeAnswer
    purpose: str = ""
    our_id: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund as the gateway has it now. The key and the account are empty when it was made elsewhere, such as on the
    gateway's own pages."""

    reference: str
    idempotency_key: str
    account_id: UUID | None
    charge_reference: str
    amount: Decimal
    currency: str
    created_at: datetime
    answer: RefundAnswer


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that the card's holder contests, as the gateway has it now. `amount` is frozen while it is open and gone when
    it is lost; `fee` is what the gateway takes for it. Both in `currency`."""

    reference: str
    charge_reference: str
    amount: Decimal
    currency: str
    fee: Decimal
    state: DisputeState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class HostedPage:
    """A page of the gateway's own for the card's holder, and the gateway's name for it."""

    url: str
    reference: str


@dataclass(frozen=True, slots=True)
class Hosted:
    """Whose a hosted page is: one that saves a card, or one where what is named here is paid."""

    reference: str
    account_id: UUID
    saves_card: bool
    idempotency_key: str = ""
    purpose: str = ""
    our_id: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class NewMethod:
    """A card as its gateway describes it."""

    gateway: str
    token: str
    brand: str
    last4: str
    expires_month: int
    expires_year: int
    fingerprint: str = ""
    """The same for the same number, whatever token stands for it; empty when the gateway doesn't say."""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """What a verified webhook says happened, when: `id` names the event, `object_reference` the thing of that `kind`."""

    id: str
    kind: EventKind
    object_reference: str
    created_at: datetime


class KeyReused(Exception):
    """An idempotency key came back with other parameters: a defect of the caller; nothing was moved for it."""


class NotOffered(LookupError):
    """A gateway that the settings do not offer (any more)."""


class NotGenuine(Exception):
    """A webhook that the gateway did not sign, or not within the tolerance."""


class Unreachable(TryLater):
    """The gateway could not be asked; nothing was done by Tollbook."""

    code = "gateway_unreachable"


class Gateway(Protocol):
    """What an adapter does. It may raise; for a charge, a refund and their look-ups that counts as Unknown."""

    REMEMBERS: timedelta
    """A key may be sent again for this long after its first use; later it might move money anew."""
    TAKES_CARDS: bool
    """Whether cards can be kept there and charged."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Take the money, once per key; the same key again repeats the answer. Raises KeyReused."""
        ...

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        """What became of the charge with this key; None only if the gateway never received it, for sure."""
        ...

    def confirm(self, account_id: UUID, reference: str, return_url: str) -> ChargeAnswer:
        """Try a charge again that waits for the card's holder, who is here: ActionRequired has the hosted page's url."""
        ...

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """End a charge, or a page of `pay_page`, that waits for its payer: Declined once it can't succeed any more (a
        charge: as CANCELED), else what it is now, as when it was confirmed a moment ago. Safe to repeat."""
        ...

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Give money back, once per key; the same key again repeats the answer. Raises KeyReused."""
        ...

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        """What became of the refund with this key; None only if the gateway never received it, for sure."""
        ...

    def given_back(self, reference: str) -> GivenBack:
        """The refund as it is now. Raises LookupError when there is none."""
        ...

    def charged(self, reference: str) -> Charged:
        """The charge as it is now. Raises LookupError when there is none."""
        ...

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        """Every charge made in [since, until), in any state, also those of others who use the same gateway account."""
        ...

    def dispute(self, reference: str) -> Dispute:
        """The dispute as it is now. Raises LookupError when there is none."""
        ...

    def disputes(self, since: datetime, until: datetime) -> Iterator[Dispute]:
        """Every dispute opened in [since, until)."""
        ...

    def set_up(self, account_id: UUID, return_url: str) -> HostedPage:
        """A page where the card's holder types the number; it leads back to `return_url`."""
        ...

    def card_from(self, account_id: UUID, reference: str) -> NewMethod | None:
        """The card that was entered on that page; None while there is none."""
        ...

    def card(self, reference: str) -> NewMethod | None:
        """A saved card as it is now, by the gateway's own name for it, as its webhooks have it. Raises LookupError."""
        ...

    def pay_page(self, request: ChargeRequest, return_url: str) -> HostedPage:
        """A page where somebody pays this once, with any card; `request.token` is not looked at."""
        ...

    def paid_on(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """What became of that page: ActionRequired while it can still be used, Declined when it was closed unpaid."""
        ...

    def hosted(self, reference: str) -> Hosted:
        """Whose page this is, and for what. Raises LookupError when it is none of ours."""
        ...

    def forget(self, account_id: UUID, token: str) -> None:
        """Never charge this card again, nor keep it."""
        ...

    def event_of(self, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        """What a webhook says, once verified; header names are in lower case. Raises NotGenuine."""
        ...


def offered() -> tuple[str, ...]:
    """The names of the gateways that the settings offer."""
    return tuple(settings.GATEWAYS)


def taking_cards() -> tuple[str, ...]:
    """The names of the offered gateways at which cards can be kept."""
    return tuple(name for name in offered() if _gateway(name).TAKES_CARDS)


def key_of(purpose: str, our_id: UUID | str, attempt: int = 1) -> str:
    """The idempotency key of an attempt at something of ours; store it before it is sent. Reads one row."""
    return f"{install_id()}:{purpose}:{our_id}:{attempt}"


def remembers(name: str) -> timedelta:
    """How long after its first use a key may be sent to the gateway `name` again."""
    return _gateway(name).REMEMBERS


def charge(name: str, request: ChargeRequest) -> ChargeAnswer:
    """Have the gateway `name` charge. Raises RuntimeError inside a database transaction, which would be held open, and
    could be rolled back after the money moved."""
    return _money(name, request.idempotency_key, lambda gateway: gateway.charge(request))


def look_up(name: str, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
    """Ask the gateway `name` what became of a charge. Raises RuntimeError inside a database transaction."""
    return _money(name, idempotency_key, lambda gateway: gateway.look_up(account_id, idempotency_key))


def confirm(name: str, account_id: UUID, reference: str, return_url: str) -> ChargeAnswer:
    """Let the card's holder confirm a charge that waits for it. Raises RuntimeError inside a database transaction."""
    return _money(name, reference, lambda gateway: gateway.confirm(account_id, reference, return_url))


def cancel(name: str, account_id: UUID, reference: str) -> ChargeAnswer:
    """End a charge or a page that waits for its payer; only Declined says that it can't succeed any more. Raises
    RuntimeError inside a database transaction."""
    return _money(name, reference, lambda gateway: gateway.cancel(account_id, reference))


def refund(name: str, request: RefundRequest) -> RefundAnswer:
    """Have the gateway `name` give money back. Raises RuntimeError inside a database transaction."""
    return _money(name, request.idempotency_key, lambda gateway: gateway.refund(request))


def look_up_refund(name: str, request: RefundRequest) -> RefundAnswer | None:
    """Ask the gateway `name` what became of a refund. Raises RuntimeError inside a database transaction."""
    return _money(name, request.idempotency_key, lambda gateway: gateway.look_up_refund(request))


def given_back(name: str, reference: str) -> GivenBack:
    """A refund as it is now. Raises Unreachable, LookupError; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.given_back(reference))


def charged(name: str, reference: str) -> Charged:
    """A charge as it is now. Raises Unreachable, LookupError; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.charged(reference))


def charges(name: str, since: datetime, until: datetime) -> Iterator[Charged]:
    """What the gateway `name` charged in [since, until). Raises Unreachable while listing."""
    return _listed(name, lambda gateway: gateway.charges(since, until))


def dispute(name: str, reference: str) -> Dispute:
    """A dispute as it is now. Raises Unreachable, LookupError; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.dispute(reference))


def disputes(name: str, since: datetime, until: datetime) -> Iterator[Dispute]:
    """The disputes opened at the gateway `name` in [since, until). Raises Unreachable while listing."""
    return _listed(name, lambda gateway: gateway.disputes(since, until))


def set_up(name: str, account_id: UUID, return_url: str) -> HostedPage:
    """Open a page where a card is added. Raises Unreachable; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.set_up(account_id, return_url))


def card_from(name: str, account_id: UUID, reference: str) -> NewMethod | None:
    """The card entered on a page of `set_up`, if there is one yet. Raises Unreachable, LookupError."""
    return _asked(name, lambda gateway: gateway.card_from(account_id, reference))


def card(name: str, reference: str) -> NewMethod | None:
    """A saved card as it is now. Raises Unreachable, LookupError; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.card(reference))


def pay_page(name: str, request: ChargeRequest, return_url: str) -> HostedPage:
    """Open a page where this is paid once. Raises Unreachable; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.pay_page(request, return_url))


def paid_on(name: str, account_id: UUID, reference: str) -> ChargeAnswer:
    """What became of a page of `pay_page`. Raises RuntimeError inside a database transaction."""
    return _money(name, reference, lambda gateway: gateway.paid_on(account_id, reference))


def hosted(name: str, reference: str) -> Hosted:
    """Whose hosted page this is. Raises Unreachable, LookupError; RuntimeError inside a database transaction."""
    return _asked(name, lambda gateway: gateway.hosted(reference))


def forget(name: str, account_id: UUID, token: str) -> None:
    """Have the gateway `name` drop a card. Raises Unreachable; RuntimeError inside a database transaction."""
    _asked(name, lambda gateway: gateway.forget(account_id, token))


def event_of(name: str, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
    """What a webhook of the gateway `name` says, once verified; no network. Raises NotGenuine, NotOffered."""
    return _gateway(name).event_of(headers, body, now)


def _money(name: str, key: str, ask: Callable[[Gateway], _Answer]) -> _Answer | Unknown:
    """Where money may have moved, a failure says nothing: it is Unknown."""
    refuse_inside_a_transaction()
    try:
        return ask(_gateway(name))
    except Exception as error:
        log.exception("gateway %s failed about %s", name, key)
        return Unknown(f"The gateway failed: {type(error).__name__}.")


def _asked(name: str, ask: Callable[[Gateway], _Answer]) -> _Answer:
    refuse_inside_a_transaction()
    try:
        return ask(_gateway(name))
    except LookupError:
        raise
    except Exception as error:
        _unreachable(name, error)


def _listed(name: str, ask: Callable[[Gateway], Iterator[_Listed]]) -> Iterator[_Listed]:
    """The gateway is asked for the next page whenever the next item is wanted, so each time is checked."""
    items = _asked(name, ask)
    done = object()
    while True:
        item = _asked(name, lambda gateway: next(items, done))
        if item is done:
            return
        yield item  # type: ignore[misc]


def _unreachable(name: str, error: Exception) -> NoReturn:
    log.error("gateway %s could not be asked: %s", name, type(error).__name__, exc_info=error)
    raise Unreachable("The payment gateway can't be reached at the moment. Nothing was changed.") from error


def _gateway(name: str) -> Gateway:
    path = settings.GATEWAYS.get(name)
    if path is None:
        raise NotOffered(f"There is no gateway “{name}” in the settings.")
    return import_string(path)()


def refuse_inside_a_transaction() -> None:
    """Raises RuntimeError inside a database transaction. What speaks to a network says this too, in its own place."""
    if connection.in_atomic_block:
        raise RuntimeError("a gateway must not be called inside a database transaction")
