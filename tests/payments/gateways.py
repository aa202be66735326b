"""Gateways that misbehave in ways real ones do. They stand outside Tollbook, as a real one would."""

import os
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from tollbook.payments.gateway import (
    ChargeAnswer,
    ChargeRequest,
    Declined,
    RefundAnswer,
    RefundRequest,
    Succeeded,
    Unknown,
)
from tollbook.payments.simulated import Simulated


class Killing(Simulated):
    """Its caller dies before or after the charge, as the variable says."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        if os.environ.get("DIE") == "before the charge":
            os._exit(9)
        answer = super().charge(request)
        if os.environ.get("DIE") == "after the charge":
            os._exit(9)
        return answer


class Overcharging(Simulated):
    """Says that it took another sum or currency than it was asked for."""

    says: ClassVar[dict[str, object]] = {"amount": Decimal("5.00")}

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        return self._wrong(super().charge(request))

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return self._wrong(super().look_up(account_id, idempotency_key))

    def _wrong(self, answer: ChargeAnswer | None) -> ChargeAnswer | None:
        return replace(answer, **self.says) if isinstance(answer, Succeeded) else answer


class Deaf(Simulated):
    """Requests never reach it: it knows nothing of them, and nobody gets an answer."""

    heard: ClassVar[list[str]] = []
    REMEMBERS = timedelta(hours=24)

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.heard.append(request.idempotency_key)
        return Unknown("No answer.")

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return None

    def refund(self, request: RefundRequest) -> RefundAnswer:
        return Unknown("No answer.")

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        return None


class Failing(Simulated):
    """Charges, then fails in a way its adapter did not foresee."""

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        super().charge(request)
        raise ConnectionResetError("reset by peer")


class Forgetful(Deaf):
    """Hears nothing, and forgets keys after a day, as many do."""

    REMEMBERS = timedelta(hours=24)


class Silent(Simulated):
    """Nobody gets an answer, to charges or questions; whether it charges meanwhile, `charges` says."""

    charges: ClassVar[bool] = True

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        if self.charges:
            super().charge(request)
        return Unknown("No answer.")

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return Unknown("No answer.")


class Refusing(Simulated):
    """Takes no request: something in the settings is wrong. No bank is asked."""

    heard: ClassVar[list[str]] = []

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.heard.append(request.idempotency_key)
        return Declined("parameter_invalid", "Invalid currency: xyz", ours=True)


class Mute(Simulated):
    """Gives back what it is asked for, and says nothing."""

    def refund(self, request: RefundRequest) -> RefundAnswer:
        super().refund(request)
        return Unknown("No answer.")
