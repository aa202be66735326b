"""The port: what Tollbook asks of a gateway, what a gateway must answer, and the one place from which it is called.

A gateway charges at most once per idempotency key, whatever is sent under that key again, and remembers what became of
it. It gives up on its own network after `TIMEOUT_SECONDS` and then answers Unknown: never a guess.
"""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """What is to be charged: `amount` at the currency's minor unit, from the card that the gateway calls `token`."""

    account_id: UUID
    idempotency_key: str
    token: str
    amount: Decimal
    currency: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money was taken: this much, under the gateway's own name for the charge."""

    reference: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The money was not taken and will not be: the gateway's code, and a sentence for the card's holder."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The card's holder must do something first, such as confirm with the bank."""

    message: str = "The bank wants the card's holder to confirm this payment."


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet whether the money was taken; ask again with `look_up`."""

    message: str = "The gateway did not answer."


ChargeAnswer = Succeeded | Declined | ActionRequired | Unknown


class KeyReused(Exception):
    """An idempotency key came back with other parameters: a defect of the caller; nothing was charged for it."""


class NotOffered(LookupError):
    """A gateway that the settings do not offer (any more)."""


class Gateway(Protocol):
    """What an adapter does. It may raise; that counts as Unknown."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Take the money, once per key; the same key again repeats the answer. Raises KeyReused."""
        ...

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        """What became of the charge with this key; None only if the gateway never received it."""
        ...


def offered() -> tuple[str, ...]:
    """The names of the gateways that the settings offer."""
    return tuple(settings.GATEWAYS)


def charge(name: str, request: ChargeRequest) -> ChargeAnswer:
    """Have the gateway `name` charge. Raises RuntimeError inside a database transaction, which would be held open, and
    could be rolled back after the money moved."""
    _refuse_inside_a_transaction()
    try:
        return _gateway(name).charge(request)
    except Exception as error:
        log.exception("gateway %s failed to charge %s", name, request.idempotency_key)
        return Unknown(f"The gateway failed: {type(error).__name__}.")


def look_up(name: str, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
    """Ask the gateway `name` what became of a charge. Raises RuntimeError inside a database transaction."""
    _refuse_inside_a_transaction()
    try:
        return _gateway(name).look_up(account_id, idempotency_key)
    except Exception as error:
        log.exception("gateway %s failed to look up %s", name, idempotency_key)
        return Unknown(f"The gateway could not be asked: {type(error).__name__}.")


def _gateway(name: str) -> Gateway:
    path = settings.GATEWAYS.get(name)
    if path is None:
        raise NotOffered(f"There is no gateway “{name}” in the settings.")
    return import_string(path)()


def _refuse_inside_a_transaction() -> None:
    if connection.in_atomic_block:
        raise RuntimeError("a gateway must not be called inside a database transaction")
