"""The simulated gateway under trouble: cards decline, requests and answers get lost, and now and then it is away for a day.

Everything follows from the seed, the charge and the simulation's time; nothing from the order in which it is asked.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from tollbook.payments.gateway import ChargeAnswer, ChargeRequest, Unknown
from tollbook.payments.simulated import Simulated

LOST_BEFORE, LOST_AFTER, LOST_QUESTION, DECLINED = 0.03, 0.04, 0.05, 0.06
SILENCE = Unknown("No answer.")
AWAY_EVERY, AWAY = timedelta(days=45), timedelta(hours=24)


class Troubled(Simulated):
    """Remembers keys for a day, as far as anybody may rely on it."""

    REMEMBERS = timedelta(hours=24)
    seed: ClassVar[int] = 0
    now: ClassVar[Callable[[], datetime]]
    begin: ClassVar[datetime]
    is_calm: ClassVar[bool] = False

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        key = request.idempotency_key
        if self._is_away() or self._happens(LOST_BEFORE, "before", key):
            return SILENCE
        if self._luck("declined", key) < DECLINED:
            request = replace(request, token="sim_9995")
        answer = super().charge(request)
        return SILENCE if self._happens(LOST_AFTER, "after", key) else answer

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        if self._is_away() or self._happens(LOST_QUESTION, "question", idempotency_key):
            return SILENCE
        return super().look_up(account_id, idempotency_key)

    def _is_away(self) -> bool:
        since = type(self).now() - self.begin
        return not self.is_calm and since > AWAY_EVERY and since % AWAY_EVERY < AWAY

    def _happens(self, share: float, what: str, key: str) -> bool:
        return not self.is_calm and self._luck(what, key, type(self).now().isoformat()) < share

    def _luck(self, *about: str) -> float:
        digest = sha256("/".join((str(self.seed), *about)).encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64


class Leaving(Simulated):
    """Answers after a while by the simulation's clock; or not at all, after a longer while. Calls of several workers are
    made one after another here, each in its share of the time."""

    REMEMBERS = timedelta(hours=24)
    ANSWER, SILENCE, AT_ONCE = timedelta(seconds=2), timedelta(seconds=10), 4
    go_on: ClassVar[Callable[[timedelta], None]]
    is_away: ClassVar[bool] = False

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        return super().charge(request) if self._answers() else SILENCE

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        return super().look_up(account_id, idempotency_key) if self._answers() else SILENCE

    def _answers(self) -> bool:
        type(self).go_on((self.SILENCE if self.is_away else self.ANSWER) / self.AT_ONCE)
        return not self.is_away
